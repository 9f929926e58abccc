"""The reference recipes reach the optimizer as their sources state them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping
from torch import nn

from experiments.launch.build import build_trainer
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
# Limit of the gradient's norm, precision on a processor, epochs, patience of early stopping.
TRAINERS = {
    "emg_hybrid_reference": (1.0, "32-true", 100, 15),
    "emg_spatiotemporal_reference": (5.0, "32-true", 100, 10),
    "lipread_reference": (1.0, "32-true", 45, 18),
    "vsr_reference": (None, "32-true", 800, 30),
    "asl_reference": (1.0, "32-true", 50, 10),
}
# Mode, factor and patience of the learning rate.
PLATEAU = {
    "emg_spatiotemporal_reference": ("min", 0.5, 5),
    "lipread_reference": ("max", 0.5, 3),
    "asl_reference": ("max", 0.5, 3),
}


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


@pytest.mark.parametrize("recipe", TRAINERS)
def test_the_trainer_has_what_the_source_states(recipe: str) -> None:
    """The recipes inherit clipping and precision of their task unless they set them."""
    command = (f"experiment={recipe}", "trainer=cpu", "logger=none")
    trainer = build_trainer(compose_command(*command))
    stopping = next(c for c in trainer.callbacks if isinstance(c, EarlyStopping))
    found = (trainer.gradient_clip_val, trainer.precision, trainer.max_epochs, stopping.patience)
    assert found == TRAINERS[recipe]


@pytest.mark.parametrize("recipe", PLATEAU)
def test_the_plateau_has_what_the_source_states(recipe: str) -> None:
    _, scheduler = build_schedule(compose_command(f"experiment={recipe}"), 20)
    assert (scheduler.mode, scheduler.factor, scheduler.patience) == PLATEAU[recipe]


@pytest.mark.parametrize("recipe", ["emg_hybrid_reference"])
def test_the_learning_rate_of_the_optimizer_is_the_peak(recipe: str) -> None:
    """OneCycleLR replaces the optimizer's own learning rate from its first step."""
    config = compose_command(f"experiment={recipe}", "optimizer.lr=3e-4")
    optimizer, scheduler = build_schedule(config, 200)
    rates = []
    for _ in range(199):
        optimizer.step()
        scheduler.step()
        rates.append(optimizer.param_groups[0]["lr"])
    assert max(rates) == pytest.approx(3e-4, rel=0.01)


def test_the_100_class_model_is_trained_in_full_precision() -> None:
    config = compose_command("experiment=vsr_reference", "task=vsr")
    assert config.trainer.precision == "32-true"
