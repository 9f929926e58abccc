"""Names of settings that the files of conf have today.

Your network may take a setting that this project has renamed: it keeps its name.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

CONF = Path(__file__).parents[3] / "conf"
FAST_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # where PyYAML has libyaml
CHOICE_NAME = re.compile(r"[\w-]{1,100}")  # no path: Hydra refuses files elsewhere


def is_current_override(argument: str, given: dict[str, str], task: str) -> bool:
    """Return whether the chosen file of a group has the setting of an override.

    Args:
        argument: such as ``net.hidden_size=64``.
        given: the values of all overrides by their keys, such as ``net``.
        task: of the command.
    """
    group, _, name = argument.lstrip("+").partition("=")[0].partition(".")
    path = find_choice(group, str(given.get(group)))
    node = _read_yaml(path) if path else read_task(task).get(group)
    return isinstance(node, dict) and name in node


def find_choice(group: str, name: str) -> Path | None:
    """Return the file of a choice in conf/; None if there is none."""
    if not all(CHOICE_NAME.fullmatch(part) for part in (group, name)):
        return None
    path = CONF / group / f"{name}.yaml"
    return path if path.is_file() else None


@cache
def read_current_settings(group: str) -> dict[str, set[str]]:
    """Return the settings of each class that the files of a group and of the tasks name."""
    nodes = [read_task(path.stem).get(group) for path in (CONF / "task").glob("*.yaml")]
    nodes += [_read_yaml(path) for path in (CONF / group).glob("*.yaml")]
    with_class = [node for node in nodes if isinstance(node, dict) and "_target_" in node]
    return {str(node["_target_"]): set(node) for node in with_class}


def find_reader_kind(name: str) -> str:
    """Return the package of a reader's class, asl, lips or emg; empty if there is none."""
    path = find_choice("reader", name)
    target = str(_read_yaml(path).get("_target_")) if path else ""
    return target.split(".")[2] if target.startswith("datamodules.readers.") else ""


def read_task(task: str) -> dict[str, Any]:
    """Return the file of a task, as written; empty if there is none."""
    path = find_choice("task", task)
    return _read_yaml(path) if path else {}


@cache
def _read_yaml(path: Path) -> dict[str, Any]:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=FAST_LOADER) or {}  # noqa: S506 - a safe one
