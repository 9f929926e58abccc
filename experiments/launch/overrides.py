"""Convert typed arguments to Hydra's grammar."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

from experiments.launch.names.renaming import rename_overrides
from experiments.launch.settings.rules import find_rule
from experiments.launch.settings.suggestions import suggest_choice
from unvoiced.validation import to_yaml

HUB_PREFIX = "hf://"
CONFIG_NAME = "config.json"  # of a folder that export.format=hub wrote
MULTIRUN = ("-m", "--multirun")
HYDRA_PATHS = ("hydra.run.dir", "hydra.sweep.dir")
_QUOTED = re.compile(r"""(['"]).*\1""", re.DOTALL)
_LIST = re.compile(r"""\[[^\[\]{}()'"]*\]""")
_BRACKETS = re.compile(r"\[.*\]", re.DOTALL)
_DICT = re.compile(r"\{(.*:.*)?\}", re.DOTALL)
_FUNCTION = re.compile(r"\w+\(.*\)", re.DOTALL)
_ALL_SHARDS = re.compile(r"prepare\.shard=range\( *(?:0 *, *)?(\d+) *\)")
_COMMA = re.compile(r",(?![^\[\]]*\])")  # outside of brackets

CONF = Path(__file__).parents[2] / "conf"
OPTIONAL_GROUPS = ("experiment", "sweep", "results", "debug")  # null in conf/config.yaml
NO_CHOICE = ("null", "None")


def quote_values(arguments: list[str]) -> list[str]:
    """Quote texts and paths, so that Hydra reads them as they were typed.

    ``data_dir=2026_01_02`` is a name and no number, and ``input=clip (1).mp4`` needs no quotes of
    its own. Lists, and with ``-m`` swept values, keep their commas.
    """
    is_multirun = any(one in MULTIRUN for one in arguments)
    return [_quote_argument(one, is_multirun) for one in arguments]


def unquote(value: str) -> str:
    """Return a value without the quotes around it."""
    if len(value) > 1 and _QUOTED.fullmatch(value):
        return value[1:-1].replace(f"\\{value[0]}", value[0])
    return value


def _quote_argument(argument: str, is_multirun: bool) -> str:
    key, equals, value = argument.partition("=")
    if argument.startswith("-") or not equals or not _is_text(key.lstrip("+")):
        return argument
    if value in ("", "null") or (len(value) > 1 and _QUOTED.fullmatch(value)):
        return argument
    if not _exists(value):
        if _LIST.fullmatch(value):
            return f"{key}=[{_each(value[1:-1], key)}]"
        if _DICT.fullmatch(value) or (is_multirun and _FUNCTION.fullmatch(value)):
            return argument
        if is_multirun and _COMMA.search(value):
            return f"{key}={_each_choice(value, key)}"
        if _BRACKETS.fullmatch(value):
            return argument
        value = expand_home(value)
    return f"{key}={_quote(value, key)}"


def _is_text(key: str) -> bool:
    """Return whether a setting is a text, and not the choice of a group."""
    if key in HYDRA_PATHS:
        return True
    rule = find_rule(key)
    return rule is not None and rule.is_text and key != "stage" and not (CONF / key).is_dir()


def _each_choice(values: str, key: str) -> str:
    """Return the choices of a sweep: texts, lists, or null."""
    choices = [choice.strip() for choice in _COMMA.split(values)]
    return ",".join(one if one == "null" else _quote_part(one, key) for one in choices)


def _each(values: str, key: str) -> str:
    return ",".join(_quote_part(part.strip(), key) for part in values.split(","))


def _quote_part(part: str, key: str) -> str:
    """Return a part of a list or sweep, itself a list or a text, with its texts in quotes."""
    if _LIST.fullmatch(part):
        return f"[{_each(part[1:-1], key)}]"
    if not part or _BRACKETS.fullmatch(part) or _QUOTED.fullmatch(part):
        return part
    return _quote(expand_home(part), key)


def _quote(value: str, key: str) -> str:
    """Return a value, in quotes if Hydra would not read it as this text."""
    if _read(f"{key}={value}") == value:
        return value
    return QuotedString(value, Quote.single).with_quotes()


def _read(argument: str) -> Any:
    try:
        return OverridesParser.create().parse_override(argument).value()
    except (HydraException, ValueError):
        return None


def _exists(value: str) -> bool:
    try:
        return os.path.lexists(value)
    except (OSError, ValueError):  # a null character
        return False


def expand_home(value: str) -> str:
    """Expand ``~/…``, which shells leave as it is after an equals sign."""
    return str(Path(value).expanduser()) if value == "~" or value.startswith("~/") else value


def replace_nulls(arguments: list[str]) -> list[str]:
    """Replace ``group=null`` by ``group=none`` for groups with such a file.

    Raises:
        SystemExit: the group has none: a run needs one of its choices.
    """
    return [_without_null(argument) for argument in arguments]


def _without_null(argument: str) -> str:
    group, _, value = argument.partition("=")
    names = value.split(",")
    if not {*NO_CHOICE} & {*names} or not (CONF / group).is_dir() or group in OPTIONAL_GROUPS:
        return argument
    choices = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
    if "none" not in choices:
        raise SystemExit(
            f"\nerror: {argument}: every run needs a {group}; expected one of {', '.join(choices)}"
        )
    return f"{group}={','.join('none' if name in NO_CHOICE else name for name in names)}"


def drop_absent_groups(arguments: list[str]) -> list[str]:
    """Remove ``experiment=null`` and the like, which Hydra does not accept."""
    absent = {f"{group}={value}" for group in OPTIONAL_GROUPS for value in NO_CHOICE}
    return [argument for argument in arguments if argument not in absent]


def refuse_choices(arguments: list[str]) -> list[str]:
    """Refuse numbers and dicts where a group takes the name of a choice.

    Raises:
        ValueError: with the group and its choices.
    """
    for argument in arguments:
        key, equals, value = argument.lstrip("+").partition("=")
        if equals and not key:
            raise ValueError(f"{to_yaml(argument)} has no key; expected key=value.")
        is_group = bool(key) and (CONF / key).is_dir() and key not in OPTIONAL_GROUPS
        if is_group and isinstance(_read(f"{key}={value}"), int | float | dict):
            raise ValueError(f"{key}={to_yaml(value)} does not exist.{suggest_choice(key, value)}")
    return arguments


def add_task(arguments: list[str]) -> list[str]:
    """Add the task of ``ckpt_path`` to a command without one.

    The stage reports a file that cannot be read.
    """
    given = {key: value for key, _, value in (one.partition("=") for one in arguments)}
    named = given.get("ckpt_path", "")
    is_list = _BRACKETS.fullmatch(named) and not _exists(named)
    first = named[1:-1].partition(",")[0] if is_list else named
    path = Path(expand_home(unquote(first.strip())))
    if {"task", "experiment", "resume", *MULTIRUN} & given.keys() or not _is_there(path):
        return arguments
    from experiments.checkpoints.load import read_task  # imports torch, which takes a second

    task = read_task(path)
    return [f"task={task}", *arguments] if task else arguments


def _fetch_models(arguments: list[str]) -> list[str]:
    if not any(HUB_PREFIX in argument for argument in arguments):
        return arguments
    from experiments.checkpoints.hub import fetch_named_models  # of few commands

    return fetch_named_models(arguments)


def _is_there(path: Path) -> bool:
    try:
        return path.is_file() or (path / CONFIG_NAME).is_file()
    except (OSError, ValueError):  # a path that is too long, or holds a null character
        return False


def add_epochs(arguments: list[str]) -> list[str]:
    """Let ``epochs=`` change the number of epochs of a ``debug=`` preset."""
    keys = {one.partition("=")[0].lstrip("+") for one in arguments}
    if "epochs" in keys and "debug" in keys and "trainer.max_epochs" not in keys:
        return [*arguments, "trainer.max_epochs=${epochs}"]
    return arguments


def add_num_shards(arguments: list[str]) -> list[str]:
    """Let ``prepare.shard=range(0,8)`` state the number of shards too."""
    keys = {one.partition("=")[0].lstrip("+") for one in arguments}
    matches = [match for one in arguments if (match := _ALL_SHARDS.fullmatch(one))]
    if not matches or "prepare.num_shards" in keys:
        return arguments
    return [*arguments, f"prepare.num_shards={matches[-1][1]}"]


def prepare_arguments(
    arguments: list[str], with_saved: Callable[[list[str]], list[str]]
) -> list[str]:
    """Return the arguments as Hydra must see them.

    Args:
        with_saved: adds the saved arguments of a resumed run.
    """
    typed = refuse_choices(replace_nulls(rename_overrides(add_task(_fetch_models(arguments)))))
    return quote_values(add_num_shards(add_epochs(drop_absent_groups(with_saved(typed)))))


def list_given_keys() -> set[str]:
    """Return the keys that the command line sets; none without a command line."""
    if not HydraConfig.initialized():
        return set()
    return {one.partition("=")[0].lstrip("+~") for one in HydraConfig.get().overrides.task}
