"""Profile a short training with Lightning's SimpleProfiler."""

from __future__ import annotations

from typing import Any

import lightning as L
from lightning.pytorch.profilers import SimpleProfiler
from omegaconf import DictConfig

from datamodules.base import PreparedDataModule
from experiments.launch.build import build_module, build_trainer

# The profiler's names of an epoch, a step, and the wait for the next batch.
EPOCH_ACTION = "run_training_epoch"
STEP_ACTION = "run_training_batch"
NEXT_BATCH_ACTION = "train_dataloader_next"  # of any epoch loop


def profile_training(
    config: DictConfig,
    data: PreparedDataModule,
    steps: int,
    *callbacks: L.Callback,
    epochs: int = 1,
    **options: Any,
) -> dict[str, list[float]]:
    """Train; return the seconds of each call, by the profiler's names of actions.

    Args:
        config: of the run.
        data: to train on.
        steps: per epoch.
        callbacks: added after those of the configuration.
        epochs: number of epochs.
        options: other arguments of the Trainer.
    """
    profiler = SimpleProfiler()
    limits = {"limit_train_batches": steps, "limit_val_batches": 1} | options
    trainer = build_trainer(config, max_epochs=epochs, profiler=profiler, **limits)
    trainer.callbacks += callbacks
    trainer.fit(build_module(config, data), data)
    return {
        NEXT_BATCH_ACTION if name.endswith(f".{NEXT_BATCH_ACTION}") else name: seconds
        for name, seconds in profiler.recorded_durations.items()
    }
