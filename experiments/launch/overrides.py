"""What a person types becomes what Hydra's grammar takes."""

from __future__ import annotations

import re
from pathlib import Path

# key=value where the value holds a brace and is not quoted, a list or a dict, as in
# reader.path=mouth/{clip}.mp4; braces of an interpolation, ${…}, are Hydra's own.
_PATTERN = re.compile(r"""([^=]+)=(?!['"\[])(.*(?<!\$)\{.*)""", re.DOTALL)
_DICT = re.compile(r"\{(.*:.*)?\}", re.DOTALL)

CONF = Path(__file__).parents[2] / "conf"
ABSENT = ("experiment", "sweep")  # groups that conf/config.yaml itself sets to null


def quote_patterns(arguments: list[str]) -> list[str]:
    """Quote the values that Hydra would stumble over: patterns with column names in braces."""
    return [_quoted(argument) for argument in arguments]


def _quoted(argument: str) -> str:
    match = _PATTERN.fullmatch(argument)
    if not match or _DICT.fullmatch(match[2]):
        return argument
    value = match[2].replace("'", r"\'")
    return f"{match[1]}='{value}'"


def replace_nulls(arguments: list[str]) -> list[str]:
    """Take ``group=null`` for ``group=none``, where the group has a file of that name.

    Raises:
        SystemExit: the group has none: a run needs one of its choices.
    """
    return [_without_null(argument) for argument in arguments]


def _without_null(argument: str) -> str:
    group, _, value = argument.partition("=")
    names = value.split(",")
    if not {"null", "None"} & set(names) or not (CONF / group).is_dir() or group in ABSENT:
        return argument
    choices = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
    if "none" not in choices:
        raise SystemExit(
            f"\nerror: {argument}: every run needs a {group}; expected one of {', '.join(choices)}"
        )
    return f"{group}={','.join('none' if name in ('null', 'None') else name for name in names)}"


def with_task(arguments: list[str]) -> list[str]:
    """Say the task where only a trained model is named: the model knows it.

    A file that cannot be read is left to the stage, which says what is wrong with it.
    """
    given = {key: value for key, _, value in (one.partition("=") for one in arguments)}
    path = Path(given.get("ckpt_path", ""))
    if {"task", "experiment", "resume", "-m", "--multirun"} & given.keys() or not path.is_file():
        return arguments
    from experiments.checkpoints.load import task_of  # imports torch, which takes a second

    task = task_of(path)
    return [f"task={task}", *arguments] if task else arguments
