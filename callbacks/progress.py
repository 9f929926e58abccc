"""Progress of training in plain lines."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ProgressBar


class ProgressLines(ProgressBar):
    """A progress bar of plain lines, readable in a log file and on a terminal.

    One line per epoch has its metrics, the time it took and the time that is left.

    Args:
        every_s: seconds between lines within a long epoch; the clock is read every 16th step.
        monitor: metric to print next to the losses.
    """

    def __init__(self, every_s: float = 15.0, monitor: str = "val/acc") -> None:
        super().__init__()
        self.every_s, self.monitor = every_s, monitor
        self._enabled = True

    def disable(self) -> None:
        """Print no lines; Lightning calls this in all processes but the first."""
        self._enabled = False

    def enable(self) -> None:
        """Print lines again."""
        self._enabled = True

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Start the clock."""
        self._started, self._first_epoch = time.monotonic(), trainer.current_epoch
        self._printed_at = self._started

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Print the step, if the last line is ``every_s`` old."""
        if index & 15 or time.monotonic() - self._printed_at < self.every_s:
            return
        steps = int(trainer.num_training_batches)
        epochs_done = trainer.current_epoch - self._first_epoch + (index + 1) / steps
        self._print_line(trainer, f"step {index + 1:,}/{steps:,}", epochs_done)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Print the metrics of the epoch."""
        primary = f"val/{module.primary_metric}"
        names = ("train/loss", "train/acc", "val/loss", primary, "val/closed_acc", self.monitor)
        values = trainer.callback_metrics
        known = [name for name in dict.fromkeys(names) if name in values]
        metrics = "  ".join(f"{name} {values[name]:.3f}" for name in known)
        self._print_line(trainer, metrics, trainer.current_epoch - self._first_epoch + 1)

    def _print_line(self, trainer: L.Trainer, content: str, epochs_done: float) -> None:
        self._printed_at = time.monotonic()
        if not self._enabled or not trainer.is_global_zero:
            return
        epochs = trainer.max_epochs or 0
        elapsed_s = self._printed_at - self._started
        left_s = elapsed_s / epochs_done * (epochs - self._first_epoch - epochs_done)
        clock = f"{_format_seconds(elapsed_s)}, at most {_format_seconds(max(left_s, 0))} left"
        print(f"epoch {trainer.current_epoch + 1}/{epochs}  {content}  ({clock})", flush=True)


def _format_seconds(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds))).removeprefix("0:")
