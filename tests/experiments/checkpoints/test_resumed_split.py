"""A resumed run keeps its split, also one that was drawn before splits were stratified."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from experiments.checkpoints.resumed_split import keep_split
from experiments.launch.instantiate import resolve_node
from tests.helpers.compose import compose_command


def make_card(config: Any, *without: str) -> Any:
    content = resolve_node(config)
    for key in without:
        del content["split"][key]
    return SimpleNamespace(config=content)


@pytest.mark.parametrize("split", ["random", "auto", "train_all"])
def test_a_run_of_the_version_before_keeps_its_draw(split: str) -> None:
    config = compose_command("task=asl", f"split={split}")
    assert keep_split(config, make_card(config)).split.stratify
    assert not keep_split(config, make_card(config, "stratify")).split.stratify
    assert config.split.stratify


def test_a_split_is_not_changed_in_a_resumed_run() -> None:
    card = make_card(compose_command("task=asl", "split=random"))
    for override, message in (
        ("seed=4", "split.seed from 0 to 4"),
        ("split.val_fraction=0.3", "split.val_fraction from 0.15 to 0.3"),
        ("split=by_group", "changes split from"),
        ("calibrate=2", "calibrate from 0 to 2"),
    ):
        command = compose_command(*dict.fromkeys(("task=asl", "split=random", override)))
        with pytest.raises(ValueError, match=message):
            keep_split(command, card)
    command = compose_command("task=asl", "split=random", "seed=4", "split.seed=0")
    assert keep_split(command, card) is command
