"""Write loss and learning rate by step: steps.csv, and the loggers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import pandas as pd
import torch
from lightning.pytorch.loggers import Logger
from torch import Tensor

from callbacks.outputs.epoch_table import EpochTable

COLUMNS = ["step", "epoch", "train/loss_step", "train/lr_step"]
MAX_DIGITS = 18  # of a step


class StepLog(L.Callback):
    """Writes loss and learning rate of every ``trainer.log_every_n_steps``-th step.

    Losses stay on the device until the next logged step: a GPU copies them to the host while it
    computes, and the host waits for nothing. With accumulated gradients the loss is that of the
    step's last batch; in several processes, that of the first process.

    Args:
        path: of the table: step (from 1), epoch (from 1), loss, and the learning rate of the step.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._is_due, self._started, self._lr = False, 0, 0.0
        self._copied: tuple[int, int, float, Tensor] | None = None
        self._copy_end: torch.cuda.Event | None = None
        self._rows: list[tuple[int, int, float, float]] = []
        self._loggers: list[Logger] = []

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Keep the rows of a resumed run up to its checkpoint."""
        self._loggers = [one for one in trainer.loggers if not isinstance(one, EpochTable)]
        self._copied, self._rows = None, []
        if trainer.is_global_zero and self.path.is_file():
            self._drop_later_rows(trainer.global_step)

    def on_train_batch_start(
        self, trainer: L.Trainer, module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Note the learning rate of a step to log, before the schedule changes it."""
        self._started = trainer.global_step
        is_due = (self._started + 1) % trainer.log_every_n_steps == 0
        self._is_due = is_due and trainer.is_global_zero
        if self._is_due:
            self._lr = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Start to copy the loss of a step to log."""
        if not self._is_due or trainer.global_step == self._started:
            return  # the gradients of further batches belong to the step
        self._take_over()
        loss = outputs["loss"].detach() * trainer.accumulate_grad_batches
        copied = loss.to("cpu", non_blocking=loss.is_cuda)
        if loss.is_cuda:
            self._copy_end = torch.cuda.Event()
            self._copy_end.record()
        self._copied = (trainer.global_step, trainer.current_epoch + 1, self._lr, copied)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Write the rows of the epoch."""
        self._write_rows()

    def on_save_checkpoint(
        self, trainer: L.Trainer, module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Write the rows that a run resumed from the checkpoint will keep."""
        self._write_rows()

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Write the rows of an epoch that a signal or a time limit ended."""
        self._write_rows()

    def _take_over(self) -> None:
        """Read the loss that was copied since the last logged step."""
        if self._copied is None:
            return
        step, epoch, lr, loss = self._copied
        self._copied = None
        if self._copy_end is not None:
            self._copy_end.synchronize()
        self._rows.append((step, epoch, float(loss), lr))
        for logger in self._loggers:
            logger.log_metrics({"train/loss_step": float(loss), "train/lr_step": lr}, step)

    def _write_rows(self) -> None:
        self._take_over()
        if not self._rows:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        table = pd.DataFrame(self._rows, columns=COLUMNS)
        table.to_csv(self.path, mode="a", header=not self.path.exists(), index=False)
        self._rows = []

    def _drop_later_rows(self, last_step: int) -> None:
        """Drop rows after ``last_step``, and the incomplete row of a killed process."""
        lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        steps = {line: line.partition(",")[0] for line in lines}
        kept = [line for line in lines if _is_step(steps[line]) and int(steps[line]) <= last_step]
        self.path.write_text("\n".join([",".join(COLUMNS), *kept, ""]), encoding="utf-8")


def _is_step(text: str) -> bool:
    return text.isdecimal() and len(text) < MAX_DIGITS
