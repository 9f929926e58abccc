"""The classes that a checkpoint may name: those of conf/net, module and task.

Your network becomes known by its file in conf/net, by its task's file, or by ``allow=`` in
the command that loads it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from torch import nn

from experiments.checkpoints.card import TARGET, ModelCard
from experiments.launch.allowed import advise_allow, is_allowed, refuse_foreign_class
from experiments.launch.settings.signatures import find_class

CONF = Path(__file__).parents[2] / "conf"


@cache
def known_classes(group: str) -> dict[str, str]:
    """Return the ``_target_`` of each choice of a group and of each task's own."""
    own = {name: content.get(group) for name, content in _read_files("task").items()}
    nodes = own | _read_files(group)
    return {name: node[TARGET] for name, node in nodes.items() if node and TARGET in node}


def _read_files(group: str) -> dict[str, Any]:
    """Return the content of the files of a configuration group, by their names."""
    return {
        file.stem: yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        for file in sorted((CONF / group).glob("*.yaml"))
    }


def refuse_unknown_classes(card: ModelCard, place: str) -> None:
    """Refuse a card that names other classes; nothing is imported.

    Raises:
        ValueError: with the class and the allowed ones, or the ``allow=`` that is missing.
    """
    for group, node in (("net", card.net), ("module", card.module)):
        target = node[TARGET]
        if target not in known_classes(group).values() and not is_allowed(target):
            advice = advise_allow(target)
            if advice:
                raise ValueError(
                    f"{place} asks for {target} as its {group}, which is not part of this project. "
                    f"Nothing of it was imported. If you trust this code, add allow=[{advice}]"
                )
            raise ValueError(
                f"{place} asks for {target} as its {group}, which a checkpoint may not build "
                f"(allowed: the classes that conf/{group}/*.yaml and conf/task/*.yaml name). "
                "Nothing of it was run"
            )


def is_module_of(task: str, target: str) -> bool:
    """Return whether a class is the module of a task, or one that ``allow=`` names."""
    return known_classes("module").get(task) == target or is_allowed(target)


def import_class(target: str) -> type[nn.Module]:
    """Return a class that ``refuse_unknown_classes`` has accepted.

    Raises:
        ValueError: there is no such class, or it is no network.
    """
    found = find_class(target)
    refuse_foreign_class(target, found)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise ValueError(f"{target} is no class of networks; correct conf/net or conf/module")
    return found
