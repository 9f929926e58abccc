"""The reference recipes reach the optimizer as their sources state them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from experiments.launch.instantiate import instantiate
from tests.helpers.compose import compose_command

# Epoch and learning rate of the table of the 100-class model (docs/sources.md).
COSINE_TABLE = {
    **{1: 0.00100000, 2: 0.00099999, 3: 0.00099998, 4: 0.00099996, 7: 0.00099988, 18: 0.00099921},
    **{33: 0.00099734, 100: 0.00097577, 200: 0.00090546, 300: 0.00079595, 400: 0.00065796},
    **{500: 0.00050500, 600: 0.00035204, 700: 0.00021405, 800: 0.00010454},
}
STATED = {
    "emg_hybrid_reference": ("AdamW", {"weight_decay": 0.01, "betas": (0.9, 0.999)}),
    "emg_spatiotemporal_reference": ("AdamW", {"lr": 1e-3, "weight_decay": 1e-4}),
    "lipread_reference": ("AdamW", {"lr": 1e-4, "weight_decay": 1e-4}),
    "vsr_reference": ("AdamW", {"lr": 1e-3, "weight_decay": 1e-4}),
    "asl_reference": ("Adam", {"lr": 1e-3, "weight_decay": 0.0}),
}
CLIPPING = {"emg_hybrid_reference": 1.0, "emg_spatiotemporal_reference": 5.0, "vsr_reference": None}


def build_schedule(config: Any, steps: int) -> tuple[torch.optim.Optimizer, Any]:
    """Return the recipe's optimizer of one parameter, and its scheduler."""
    optimizer = instantiate(config.optimizer)([nn.Parameter(torch.zeros(1))])
    schedule = instantiate(config.scheduler)
    return optimizer, schedule.attach_to(optimizer, steps, config.epochs)["scheduler"]


def test_the_cosine_has_the_learning_rates_of_the_source() -> None:
    optimizer, scheduler = build_schedule(compose_command("experiment=vsr_reference"), 1)
    rates = {}
    for epoch in range(1, 801):
        optimizer.step()
        scheduler.step()
        rates[epoch] = round(scheduler.get_last_lr()[0], 8)
    assert {epoch: rates[epoch] for epoch in COSINE_TABLE} == COSINE_TABLE


@pytest.mark.parametrize("recipe", STATED)
def test_optimizer_settings_hold_after_steps(recipe: str) -> None:
    name, stated = STATED[recipe]
    optimizer, scheduler = build_schedule(compose_command(f"experiment={recipe}"), 20)
    for _ in range(3):
        optimizer.step()
        if not isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            scheduler.step()
        group = optimizer.param_groups[0]
        result = {key: round(group[key], 4) if key == "lr" else group[key] for key in stated}
        assert (type(optimizer).__name__, result) == (name, stated)


@pytest.mark.parametrize("recipe", CLIPPING)
def test_gradients_are_clipped_as_the_source_states(recipe: str) -> None:
    assert compose_command(f"experiment={recipe}").trainer.gradient_clip_val == CLIPPING[recipe]


def test_the_100_class_model_is_trained_in_full_precision() -> None:
    config = compose_command("experiment=vsr_reference", "task=vsr")
    assert config.trainer.precision == "32-true"
