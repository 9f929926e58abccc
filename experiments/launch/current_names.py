"""Names of settings that the files of conf have today.

A network of your own may take a setting whose name this project has renamed: it keeps its name.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

CONF = Path(__file__).parents[2] / "conf"


def is_current_override(argument: str, given: dict[str, str], task: str) -> bool:
    """Return whether the chosen file of a group has the setting of an override.

    Args:
        argument: such as ``net.hidden_size=64``.
        given: the values of all overrides by their keys, such as ``net``.
        task: of the command.
    """
    group, _, name = argument.lstrip("+").partition("=")[0].partition(".")
    path = CONF / group / f"{given.get(group)}.yaml"
    node = _read_yaml(path) if path.is_file() else read_task(task).get(group)
    return isinstance(node, dict) and name in node


@cache
def read_current_settings(group: str) -> dict[str, set[str]]:
    """Return the settings of each class that the files of a group and of the tasks name."""
    nodes = [read_task(path.stem).get(group) for path in (CONF / "task").glob("*.yaml")]
    nodes += [_read_yaml(path) for path in (CONF / group).glob("*.yaml")]
    with_class = [node for node in nodes if isinstance(node, dict) and "_target_" in node]
    return {str(node["_target_"]): set(node) for node in with_class}


def find_reader_kind(name: str) -> str:
    """Return the package of a reader's class, asl, lips or emg; empty if there is none."""
    path = CONF / "reader" / f"{name}.yaml"
    target = str(_read_yaml(path).get("_target_")) if path.is_file() else ""
    return target.split(".")[2] if target.startswith("datamodules.readers.") else ""


def read_task(task: str) -> dict[str, Any]:
    """Return the file of a task, as written; empty if there is none."""
    path = CONF / "task" / f"{task}.yaml"
    return _read_yaml(path) if path.is_file() else {}


def _read_yaml(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
