"""State that a resumed run needs beyond Lightning's: random state and metrics.csv."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from lightning.pytorch.trainer.states import TrainerFn

from callbacks.outputs.epoch_table import EpochTable

STATE_KEY = "run_state"


class RunState(L.Callback):
    """Saves and restores torch's random state (dropout, augmentation) and the rows of metrics.csv.

    A resumed run then draws the same random numbers as an uninterrupted one, its table has the
    rows of the moment at which the checkpoint was written, and it continues at the next batch.
    """

    def __init__(self) -> None:
        self._restored: dict[str, Any] | None = None

    def on_save_checkpoint(
        self, trainer: L.Trainer, module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add random states and table rows to the checkpoint."""
        devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        checkpoint[STATE_KEY] = {"cpu": torch.get_rng_state(), "cuda": devices}
        for table in _find_tables(trainer):
            checkpoint[STATE_KEY]["table"] = table.dump_state(_finished_epoch(trainer))

    def on_load_checkpoint(
        self, trainer: L.Trainer, module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep the state until training starts; testing the best checkpoint does not use it."""
        if trainer.state.fn == TrainerFn.FITTING:
            self._restored = checkpoint.get(STATE_KEY)

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Restore random states, table rows and the position in the data."""
        if self._restored is None:
            return
        torch.set_rng_state(self._restored["cpu"].cpu())
        if len(self._restored["cuda"]) == torch.cuda.device_count() > 0:
            torch.cuda.set_rng_state_all([state.cpu() for state in self._restored["cuda"]])
        for table in _find_tables(trainer):
            table.restore(self._restored.get("table"))
        # Lightning restores the loader's state when it sets the loader up. With a schedule that
        # needs the number of steps it does so before it has read that state.
        trainer.fit_loop._load_combined_loader_states()
        self._restored = None


def _find_tables(trainer: L.Trainer) -> list[EpochTable]:
    return [logger for logger in trainer.loggers if isinstance(logger, EpochTable)]


def _finished_epoch(trainer: L.Trainer) -> dict[str, Any]:
    """Return ``epoch``, from 0, and its training metrics, if it ended but is not logged yet."""
    progress = trainer.fit_loop.epoch_progress.current
    if progress.processed == progress.completed:
        return {}
    return {"epoch": trainer.current_epoch} | {
        name: value.item()
        for name, value in trainer.callback_metrics.items()
        if name.startswith("train/")  # others may be of the last epoch that was validated
    }
