"""Checks of the Trainer's settings, before a run writes anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch.profilers import (
    AdvancedProfiler,
    Profiler,
    PyTorchProfiler,
    SimpleProfiler,
)
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig

PRECISIONS = ("32-true", "16-mixed", "bf16-mixed")
SHORT_PRECISIONS = ("32", "16", "bf16")  # as the Trainer reads them: the same three
PROFILERS: dict[str, type[Profiler]] = {
    "simple": SimpleProfiler,
    "advanced": AdvancedProfiler,
    "pytorch": PyTorchProfiler,
}
# Lightning callbacks that would have no effect, or a wrong one, and their replacements.
UNFIT_CALLBACKS = {
    "StochasticWeightAveraging": "it averages weights after the last checkpoint was written, so "
    "that no checkpoint has the average. Use callbacks=averaged",
    "LearningRateFinder": "the schedule would overwrite the rate that it finds. Search with "
    "-m optimizer.lr=1e-4,1e-3,1e-2 or -m sweep=<task>",
    "BatchSizeFinder": "the schedule is made for the number of batches before the search. Try "
    "sizes with -m datamodule.batch_size=16,64,256",
}


def check_trainer(config: DictConfig) -> None:
    """Refuse settings of trainer and callbacks that cannot work.

    Raises:
        ValueError: in one sentence, with the key, its value and the expected values.
    """
    trainer = config.trainer
    _check_length(trainer)
    if str(trainer.precision) not in (*PRECISIONS, *SHORT_PRECISIONS):
        raise ValueError(
            f"trainer.precision={trainer.precision} is not supported: inputs, losses and exported "
            f"files are 32-bit; expected one of {', '.join(PRECISIONS)}"
        )
    if trainer.overfit_batches:
        raise ValueError(
            f"trainer.overfit_batches={trainer.overfit_batches} is not supported: it replaces the "
            "order that makes runs repeatable. Use debug=overfit, which repeats one batch"
        )
    _check_validation(config)
    _check_callbacks(config)


def _check_length(trainer: DictConfig) -> None:
    """Refuse training without an end, which schedules cannot plan."""
    if trainer.max_epochs == -1 and trainer.max_steps == -1:
        raise ValueError(
            "trainer.max_epochs=-1 has no end; expected a number of epochs, or trainer.max_steps=. "
            "Set epochs= or trainer.max_steps="
        )


def _check_validation(config: DictConfig) -> None:
    """Refuse training without validation, which chooses the best checkpoint."""
    trainer, metric = config.trainer, config.monitor.metric
    if trainer.fast_dev_run or not str(metric).startswith("val/"):
        return
    every, epochs = trainer.check_val_every_n_epoch, trainer.max_epochs
    key = ""
    if trainer.limit_val_batches == 0:
        key = "trainer.limit_val_batches=0"
    elif every and epochs and 0 < epochs < every and trainer.max_steps == -1:
        key = f"trainer.check_val_every_n_epoch={every} with {epochs} epochs"
    if key:
        raise ValueError(
            f"{key} leaves no validation, and monitor.metric={metric} chooses the best epoch. Use "
            "monitor.metric=train/loss monitor.mode=min, or validate"
        )


def _check_callbacks(config: DictConfig) -> None:
    for name, node in (config.callbacks or {}).items():
        target = str((node or {}).get("_target_", "")).rpartition(".")[2]
        if target in UNFIT_CALLBACKS:
            raise ValueError(
                f"callbacks.{name}: {target} is not supported: {UNFIT_CALLBACKS[target]}"
            )


def build_profiler(config: DictConfig) -> dict[str, Any]:
    """Return the Trainer's profiler for ``trainer.profiler=simple`` and the like.

    Raises:
        ValueError: a name that is not known.
    """
    name = config.trainer.profiler
    if not isinstance(name, str):
        return {}
    if name not in PROFILERS:
        raise ValueError(
            f"trainer.profiler={name} is not known; expected one of {', '.join(PROFILERS)}"
        )
    return {"profiler": PROFILERS[name](dirpath=config.run_dir, filename="profile")}


def set_determinism(config: DictConfig) -> dict[str, Any]:
    """Allow operations that are not deterministic, if so configured, as the Trainer does.

    The Trainer would import PyTorch's compiler for it, which takes a second.
    """
    if config.trainer.deterministic or config.compile:
        return {}
    torch.set_deterministic_debug_mode("default")
    return {"deterministic": None}


@contextmanager
def explain_trainer_errors() -> Iterator[None]:
    """Turn Lightning's errors into a ``ValueError`` of one line."""
    try:
        yield
    except (MisconfigurationException, ModuleNotFoundError) as error:
        raise ValueError(f"trainer: {' '.join(str(error).split())}") from error
    except ValueError as error:
        if not str(error).startswith("Expected more than 1 value per channel"):
            raise
        raise ValueError(
            "a training batch has one sample, and this network's batch norm needs two or more. "
            "Set datamodule.batch_size=2 or more"
        ) from error
