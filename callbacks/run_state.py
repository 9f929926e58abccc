"""Keeps in each checkpoint what a resumed run needs and nothing else keeps."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from lightning.pytorch.trainer.states import TrainerFn

from callbacks.epoch_table import EpochTable

KEY = "run_state"


class RunState(L.Callback):
    """Torch's random state (dropout, augmentation) and the rows of metrics.csv.

    A resumed run draws the random numbers that the unbroken one would have drawn, its table is the
    one of the moment at which the checkpoint was written, and it goes on at the batch after that.
    """

    def __init__(self) -> None:
        self._restored: dict[str, Any] | None = None

    def on_save_checkpoint(
        self, trainer: L.Trainer, module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        checkpoint[KEY] = {"cpu": torch.get_rng_state(), "cuda": devices}
        for table in _tables(trainer):
            checkpoint[KEY]["table"] = table.state(_finished_epoch(trainer))

    def on_load_checkpoint(
        self, trainer: L.Trainer, module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.state.fn == TrainerFn.FITTING:  # not where the best one is tested
            self._restored = checkpoint.get(KEY)

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if self._restored is None:
            return
        torch.set_rng_state(self._restored["cpu"].cpu())
        if len(self._restored["cuda"]) == torch.cuda.device_count() > 0:
            torch.cuda.set_rng_state_all([state.cpu() for state in self._restored["cuda"]])
        for table in _tables(trainer):
            table.restore(self._restored.get("table"))
        # Lightning does this as it sets the loader up; where a schedule asks for the number of
        # steps that is before it has read the state.
        trainer.fit_loop._load_combined_loader_states()
        self._restored = None


def _tables(trainer: L.Trainer) -> list[EpochTable]:
    return [logger for logger in trainer.loggers if isinstance(logger, EpochTable)]


def _finished_epoch(trainer: L.Trainer) -> dict[str, Any]:
    """``epoch``, from 0, and what training logs of it, where it has ended: it is logged later."""
    progress = trainer.fit_loop.epoch_progress.current
    if progress.processed == progress.completed:
        return {}
    return {"epoch": trainer.current_epoch} | {
        name: value.item()
        for name, value in trainer.callback_metrics.items()
        if name.startswith("train/")  # others may be of the last epoch that was validated
    }
