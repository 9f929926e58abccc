"""Post-mortems of unknown origin are validated before stage=replay uses them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.launch.build import build_datamodule, build_module
from experiments.stages import run_stage


@pytest.fixture
def post_mortem(compose_config: Callable[..., Any]) -> dict[str, Any]:
    """Return the post-mortem of a small network's first step."""
    config = compose_config("task=asl", "size=tiny", "datamodule.batch_size=4", "net.hidden_size=8")
    data = build_datamodule(config)
    module = build_module(config, data)
    batch = next(iter(data.train_dataloader()))
    batch["x"] = data.preprocess(batch["x"])
    samples = [{"id": str(number), "label": "a"} for number in range(len(batch["x"]))]
    facts = {"task": "asl", "precision": "32-true", "epoch": 1, "step": 1, "loss": float("nan")}
    return {
        "card": module.card.to_plain(),
        "state_dict": module.state_dict(),
        "batch": batch,
        "random": {"cpu": torch.get_rng_state(), "cuda": None},
        "facts": facts | {"samples": samples},
    }


DAMAGES: list[tuple[str, str, Any]] = [
    ("facts", "task", "../asl"),
    ("facts", "precision", {}),
    ("facts", "epoch", -1),
    ("facts", "step", []),
    ("facts", "loss", "nan"),
    ("facts", "samples", []),
    ("facts", "samples", [{"id": 1}] * 4),
    ("random", "cpu", None),
    ("random", "cpu", torch.zeros(3)),
    ("random", "cuda", 1),
    ("batch", "x", "abc"),
    ("batch", "x", torch.zeros(4, 0)),
    ("batch", "y", "abc"),
    ("batch", "y", torch.zeros(4)),
    ("batch", "y", torch.full((4,), 99)),
    ("batch", "length", torch.full((4,), -5.0)),
]


def test_damage_ends_in_one_sentence(
    post_mortem: dict[str, Any], compose_config: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "step_1.pt"
    torch.save(post_mortem, path)
    run_stage(compose_config("stage=replay", f"input={path}"))
    refused = 0
    for part, key, value in DAMAGES:
        content = copy.copy(post_mortem)
        content[part] = content[part] | {key: value}
        torch.save(content, path)
        try:
            run_stage(compose_config("stage=replay", f"input={path}"))
        except ValueError as error:
            refused += 1
            assert "\n" not in str(error), (part, key)
    assert refused >= len(DAMAGES) - 1  # a network of single images does not look at lengths


@pytest.mark.parametrize("part", ["facts", "batch", "random"])
def test_the_parts_of_a_post_mortem_are_dicts(
    post_mortem: dict[str, Any], compose_config: Callable[..., Any], tmp_path: Path, part: str
) -> None:
    path = tmp_path / "step_1.pt"
    torch.save(post_mortem | {part: torch.zeros(0)}, path)
    with pytest.raises(ValueError, match=f"{part} is a Tensor; expected a dict"):
        run_stage(compose_config("stage=replay", f"input={path}"))
