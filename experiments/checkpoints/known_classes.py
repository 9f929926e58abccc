"""The classes that a checkpoint may name: those of conf/net, module and task.

A network of your own becomes known by its file in conf/net, or by its task's file.
"""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from torch import nn

from experiments.checkpoints.card import TARGET, ModelCard

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
        ValueError: with the class and the allowed ones.
    """
    for group, node in (("net", card.net), ("module", card.module)):
        if node[TARGET] not in known_classes(group).values():
            raise ValueError(
                f"{place} asks for {node[TARGET]} as its {group}, which a checkpoint may not build "
                f"(allowed: the classes that conf/{group}/*.yaml and conf/task/*.yaml name). "
                "Nothing of it was run"
            )


def import_class(target: str) -> type[nn.Module]:
    """Return a class that ``refuse_unknown_classes`` has accepted."""
    package, _, name = target.rpartition(".")
    found = getattr(importlib.import_module(package), name)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise ValueError(f"{target} is no class of networks; correct conf/net or conf/module")
    return found
