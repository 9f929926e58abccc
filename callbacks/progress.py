"""One line an epoch: what was reached, how long it took, how long it will still take."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ProgressBar


class Progress(ProgressBar):
    """A progress bar of plain lines: as readable in a log file as on a terminal.

    Args:
        every_s: seconds between lines within a long epoch; the clock is read every 16th step.
        monitor: the metric that is shown beside the losses.
    """

    def __init__(self, every_s: float = 15.0, monitor: str = "val/acc") -> None:
        super().__init__()
        self.every_s, self.monitor = every_s, monitor
        self._enabled = True

    def disable(self) -> None:
        self._enabled = False

    def enable(self) -> None:
        self._enabled = True

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._started, self._first_epoch = time.monotonic(), trainer.current_epoch
        self._spoke = self._started

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        if index & 15 or time.monotonic() - self._spoke < self.every_s:
            return
        steps = int(trainer.num_training_batches)
        done = (trainer.current_epoch - self._first_epoch) + (index + 1) / steps
        self._say(trainer, f"step {index + 1:,}/{steps:,}", done)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        judged_by = f"val/{module.primary_metric}"
        names = ("train/loss", "train/acc", "val/loss", judged_by, "val/closed_acc", self.monitor)
        shown = dict.fromkeys(names)
        values = trainer.callback_metrics
        told = "  ".join(f"{name} {values[name]:.3f}" for name in shown if name in values)
        self._say(trainer, told, trainer.current_epoch - self._first_epoch + 1)

    def _say(self, trainer: L.Trainer, what: str, epochs_done: float) -> None:
        self._spoke = time.monotonic()
        if not self._enabled or not trainer.is_global_zero:
            return
        epochs = trainer.max_epochs or 0
        taken = self._spoke - self._started
        left = taken / epochs_done * (epochs - self._first_epoch - epochs_done)
        clock = f"{_clock(taken)}, at most {_clock(max(left, 0))} left"
        print(f"epoch {trainer.current_epoch + 1}/{epochs}  {what}  ({clock})", flush=True)


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds))).removeprefix("0:")
