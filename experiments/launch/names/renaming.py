"""Rename commands and files of the previous version by the tables of ``old_names``.

A renamed value is checked like any other one: nothing is accepted here.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from experiments.launch.names.current_names import (
    find_choice,
    find_reader_kind,
    is_current_override,
    read_current_settings,
)
from experiments.launch.names.old_names import ADDED_BEFORE, CHOICES, KEYS, TARGETS, WEIGHTS
from experiments.launch.plain_yaml import read_plain_yaml
from experiments.launch.resumed_run import find_run_folder
from unvoiced.text import make_printable

OVERRIDE = re.compile(
    r"(?P<sign>\+\+|\+|~|)(?P<place>hydra\.sweeper\.params\.|)(?P<key>[A-Za-z_][\w./]*)"
    r"(?P<rest>(@[^=]*)?)(?P<value>(=.*)?)",
    re.DOTALL,
)
OF_READER = re.compile(r"[+~]*reader\.")
# The groups of settings that the dicts of a card are.
CARD_GROUPS = {
    "net": "net",
    "module": "module",
    "input": "datamodule",
    "reader": "reader",
    "frame": "frame",
    "tokenizer": "tokenizer",
}
MAX_DEPTH = 20  # of a checked configuration
SHOWN_NAMES = 4  # of a file, in its warning

Renamed = dict[str, str]  # renamed keys, for a warning
_warned: set[str] = set()


# ---- commands


def rename_overrides(arguments: list[str]) -> list[str]:
    """Return overrides under their new names, with a warning for each old one."""
    renamed = list_new_overrides(arguments)
    for old, new in zip(arguments, renamed, strict=True):
        if old != new:
            before, after = _differing_parts(old, new)
            print(make_printable(f"warning: {before} is now called {after}"), file=sys.stderr)
    return renamed


def list_new_overrides(arguments: list[str]) -> list[str]:
    """Return overrides under their new names."""
    stage, task = find_stage(arguments), find_task(arguments)
    given = dict(argument.partition("=")[::2] for argument in arguments)
    kind = find_reader_kind(given.get("reader", "")) or task
    return [
        argument
        if is_current_override(argument, given, task)
        else rename_override(argument, (stage, kind if OF_READER.match(argument) else task))
        for argument in arguments
    ]


def rename_override(argument: str, contexts: tuple[str, ...]) -> str:
    """Return one override, with any sign, value or sweep, under its new name.

    Args:
        contexts: the stage and the task of the command.

    Raises:
        ValueError: a sweep over choices that belong to different groups now.
    """
    match = OVERRIDE.fullmatch(argument)
    if not match:
        return argument
    key, value = rename_key(match["key"], contexts), match["value"][1:]
    if match["value"] and not match["rest"]:
        key, value = _rename_choices(key, value)
    if "_target_" in argument:
        value = re.sub(r"[A-Za-z_]\w*(\.\w+)+", lambda name: TARGETS.get(name[0], name[0]), value)
    end = f"={value}" if match["value"] else ""
    sign = "" if match["sign"] == "+" and key in ADDED_BEFORE else match["sign"]
    return f"{sign}{match['place']}{key}{match['rest']}{end}"


def rename_key(key: str, contexts: tuple[str, ...]) -> str:
    """Return the new name of a setting; rows include all keys below theirs."""
    parts = key.split(".")
    for length in range(len(parts), 0, -1):
        row = KEYS.get(".".join(parts[:length]))
        if isinstance(row, dict):
            row = next((row[name] for name in (*contexts, "") if name in row), None)
        if row:
            return ".".join([row, *parts[length:]])
    return key


def find_stage(arguments: Iterable[str]) -> str:
    """Return the stage of a command."""
    return dict(argument.partition("=")[::2] for argument in arguments).get("stage", "fit")


def find_task(arguments: Iterable[str]) -> str:
    """Return the task of a command, or of the run that it resumes."""
    given = dict(argument.partition("=")[::2] for argument in arguments)
    if "task" in given:
        return given["task"]
    if "experiment" in given:
        name = CHOICES.get(f"experiment={given['experiment']}", "").partition("=")[2]
        path = find_choice("experiment", name or given["experiment"])
        text = path.read_text(encoding="utf-8") if path else ""
        if found := re.search(r"override /task: (\w+)", text):
            return found[1]
    return _find_resumed_task(given.get("resume", "").strip("'\"")) or "asl"


def _find_resumed_task(resume: str) -> str | None:
    if not resume:
        return None
    path = Path(find_run_folder(resume), ".hydra", "overrides.yaml")
    try:
        lines = read_plain_yaml(path) if path.is_file() else None
    except (ValueError, OSError):  # reported where the run is resumed
        return None
    if not isinstance(lines, list):
        return None
    return find_task(str(line) for line in lines if not str(line).startswith("resume="))


def _rename_choices(key: str, value: str) -> tuple[str, str]:
    rows = [f"{key}={name.strip()}" for name in value.split(",")]
    if not any(row in CHOICES for row in rows):
        return key, value
    pairs = [CHOICES.get(row, row).split("=", 1) for row in rows]
    keys = {new for new, _ in pairs}
    if len(keys) > 1:
        raise ValueError(
            f"{key}={value} mixes choices of {' and '.join(sorted(keys))}; expected those of one "
            "group. Write one sweep for each group."
        )
    return keys.pop(), ",".join(name for _, name in pairs)


def _differing_parts(old: str, new: str) -> tuple[str, str]:
    """Return the keys of two overrides, with their values if these differ too."""
    before, after = old.partition("="), new.partition("=")
    is_choice = any(f"{before[0]}={value}" in CHOICES for value in before[2].split(","))
    if before[2] == after[2] and not is_choice:
        return before[0], after[0]
    return "".join(before), "".join(after)


# ---- files


def rename_settings(
    settings: dict[str, Any], renamed: Renamed, contexts: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return a configuration, of checked plain data, under its new names."""
    contexts = contexts or (str(settings.get("stage")), str(settings.get("task")))
    changed = _rename_targets(settings, renamed)
    for old in KEYS:
        new = rename_key(old, contexts)
        parent, name = _find_parent(changed, old)
        current = read_current_settings(old.partition(".")[0])
        if parent is None or name in current.get(str(parent.get("_target_")), ()):
            continue  # such as of your network, which takes the name today
        if new != old and name in parent:
            _set_unless_given(changed, new, parent.pop(name))
            renamed[old] = new
    for old, new in CHOICES.items():
        key, _, value = old.partition("=")
        parent, name = _find_parent(changed, key)
        if parent is not None and isinstance(parent.get(name), str) and parent[name] == value:
            parent[name] = new.partition("=")[2]
            renamed[old] = new
    return changed


def rename_card_fields(card: dict[str, Any], renamed: Renamed) -> dict[str, Any]:
    """Return a card with the new names of its fields; their values are unchecked."""
    changed = {}
    for key, value in card.items():
        new = rename_key(f"card.{key}", ()).removeprefix("card.")
        if new != key:
            renamed[str(key)] = new
        changed[new if new not in card else key] = value
    return changed


def rename_card_settings(card: dict[str, Any], renamed: Renamed) -> dict[str, Any]:
    """Return a card, of checked plain data, with the new names of its settings."""
    groups = {field: card[field] for field in CARD_GROUPS if isinstance(card.get(field), dict)}
    tree = {CARD_GROUPS[field]: value for field, value in groups.items()}
    tree = rename_settings(tree, renamed, (str(card.get("task")),))
    changed = card | {field: tree[CARD_GROUPS[field]] for field in groups}
    if isinstance(card.get("config"), dict):
        changed["config"] = rename_settings(card["config"], {})
    return changed


def rename_states(
    content: dict[str, Any], net: str, module: str, renamed: Renamed
) -> dict[str, Any]:
    """Return a checkpoint's content with the new names of weights and callbacks.

    Args:
        content: ``state_dict``, the weights that are not averaged, the states of callbacks, …
        net, module: class names of the network and its module.

    Raises:
        ValueError: a weight has its new name and a former one.
    """
    changed = dict(content)
    for key in ("state_dict", "current_model_state"):
        if isinstance(content.get(key), dict):
            names = [_rename_weight(name, net, module, renamed) for name in content[key]]
            if len(set(names)) < len(names):
                twice = Counter(names).most_common(1)[0][0]
                raise ValueError(f"{key} holds {twice} twice, under its former name too")
            changed[key] = dict(zip(names, content[key].values(), strict=True))
    if isinstance(content.get("callbacks"), dict):
        classes = {old.rpartition(".")[2]: new.rpartition(".")[2] for old, new in TARGETS.items()}
        changed["callbacks"] = {
            re.sub(r"^\w+", lambda name: classes.get(name[0], name[0]), str(key)): value
            for key, value in content["callbacks"].items()
        }
    return changed


def warn_renamed(place: str, renamed: Renamed) -> None:
    """Print one line on the old names of a file, once for each file."""
    if not renamed or place in _warned:
        return
    _warned.add(place)
    shown = ", ".join(f"{old} → {new}" for old, new in list(renamed.items())[:SHOWN_NAMES])
    more = f" and {len(renamed) - SHOWN_NAMES} more" if len(renamed) > SHOWN_NAMES else ""
    from experiments.launch.console import logger  # imports Lightning

    path = place.removeprefix("ckpt_path=")  # resume= or input= may have named it
    logger.warning(f"{path} has names of an earlier version, which are read as {shown}{more}")


def _rename_weight(name: Any, net: str, module: str, renamed: Renamed) -> Any:
    if not isinstance(name, str):
        return name
    prefix, kind = ("net.", net) if name.startswith("net.") else ("", module)
    new = name.removeprefix(prefix)
    for pattern, replacement in WEIGHTS.get(kind, []):
        new = re.sub(pattern, replacement, new)
    if prefix + new != name:
        renamed[name] = prefix + new
    return prefix + new


def _rename_targets(node: Any, renamed: Renamed, depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        return node
    if isinstance(node, list | tuple):
        return [_rename_targets(value, renamed, depth + 1) for value in node]
    if not isinstance(node, dict):
        return node
    changed = {key: _rename_targets(value, renamed, depth + 1) for key, value in node.items()}
    target = changed.get("_target_")
    if isinstance(target, str) and target in TARGETS:
        changed["_target_"] = renamed[target] = TARGETS[target]
    return changed


def _find_parent(settings: dict[str, Any], key: str) -> tuple[dict[str, Any] | None, str]:
    """Return the dict that holds a dotted key, if there is one, and the key's last part."""
    *parents, name = key.split(".")
    node: Any = settings
    for part in parents:
        node = node.get(part) if isinstance(node, dict) else None
    return (node if isinstance(node, dict) else None), name


def _set_unless_given(settings: dict[str, Any], key: str, value: Any) -> None:
    *parents, name = key.split(".")
    node = settings
    for part in parents:
        if not isinstance(node.get(part), dict):
            node[part] = {}
        node = node[part]
    node.setdefault(name, value)
