"""Hostile changes of a checkpoint's card, for tests."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st

from experiments.launch.build import build_datamodule, build_module


def make_interpolation(checkpoint: Path) -> str:
    """Return a text that OmegaConf turns into a node, and Hydra into a call that unpickles."""
    return (
        "${oc.create:{_target_: lightning.pytorch.LightningModule.load_from_checkpoint, "
        f"checkpoint_path: {checkpoint}, weights_only: false}}}}"
    )


def make_laughs(levels: int = 20) -> list:
    """Return a list of shared parts that expands to 2 ** levels values."""
    node: list = ["ha"]
    for _ in range(levels):
        node = [node, node]
    return node


def make_loop() -> list:
    """Return a list that contains itself."""
    node: list = []
    node.append(node)
    return node


def nest_lists(levels: int = 300) -> list:
    """Return lists nested this deep."""
    node: list = []
    for _ in range(levels):
        node = [node]
    return node


VALUES: list[Any] = [
    *("", "abc", "../../etc/passwd", "os.system", "\x1b[31mred", "\u202eabc", "a" * 200_000),
    *("${oc.env:HOME}", make_interpolation(Path("evil.ckpt")), "{0.__class__}", "%s%n"),
    *(None, True, False, -1, 0, 1, 3, 10**7, 10**9, 2**70, 0.5, -0.5, 1e-300, 1e308),
    *(float("nan"), float("inf"), [], {}, [1, 2, 3], ["a", "a"], ["a"] * 300_000),
    *({"_target_": "os.system", "_args_": ["id"]}, {"a": {"b": 1}}, {1: 2}, {"__class__": 3}),
    *(make_laughs(), make_loop(), nest_lists()),
]


def list_paths(card: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of a card, except within its configuration and long lists."""
    for key, value in card.items():
        yield (key,)
        if isinstance(value, dict) and key != "config":
            yield from ((key, inner) for inner in value)
        if isinstance(value, list) and value:
            yield (key, 0)
    yield from (("net", "extra"), ("input", "data_dir"), ("reader", "model"), ("config", "seed"))


def replace_value(card: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """Return a copy of a card with another value at a path; ``...`` removes it."""
    changed = copy.deepcopy(card)
    node = changed
    for key in path[:-1]:
        node = node[key]
    if value is ...:
        node.pop(path[-1], None) if isinstance(node, dict) else node.pop(path[-1])
    else:
        node[path[-1]] = value
    return changed


def draw_mutations(card: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw cards with one to three hostile values."""
    change = st.tuples(st.sampled_from(list(list_paths(card))), st.sampled_from([*VALUES, ...]))

    def apply(changes: list[tuple[tuple[Any, ...], Any]]) -> dict[str, Any]:
        changed = card
        for path, value in changes:
            try:
                changed = replace_value(changed, path, value)
            except (TypeError, KeyError, IndexError, AttributeError):
                continue  # an earlier change took the place away
        return changed

    return st.lists(change, min_size=1, max_size=3).map(apply)


def save_untrained(compose_config: Any, task: str, path: Path) -> dict[str, Any]:
    """Write a checkpoint of a small network that was not trained, and return its content."""
    config = compose_config(f"task={task}", "size=tiny")
    data = build_datamodule(config)
    module = build_module(config, data)
    content = {"card": module.card.to_plain(), "state_dict": module.state_dict()}
    torch.save(content, path)
    return content


class PickleAttack:
    """An object that runs a command when it is unpickled."""

    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.marker}",)
