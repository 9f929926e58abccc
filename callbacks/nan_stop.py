"""Stops a run whose loss is no longer a number, before a checkpoint of it is written."""

from __future__ import annotations

import math
from typing import Any

import lightning as L
import torch
from torch import Tensor


class NonFiniteLossError(RuntimeError):
    """The training loss became NaN or infinite; says when and at which samples."""


class NanStop(L.Callback):
    """Raises NonFiniteLossError at the first training loss that is NaN or infinite.

    Args:
        every_n_steps: how often a GPU is asked; asking waits for it, so not every step. A CPU is
            asked every step. In between the finding is kept on the device, and each epoch ends
            with a question, so that no checkpoint holds weights after a NaN.
    """

    def __init__(self, every_n_steps: int = 50) -> None:
        self.every_n_steps = every_n_steps

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        loss: Tensor = outputs["loss"]
        if loss.device.type == "cpu":
            if not math.isfinite(loss.item()):
                self._stop(trainer, batch)
            return
        bad = ~torch.isfinite(loss)
        self._bad = bad if index == 0 else self._bad | bad
        if (index % self.every_n_steps == 0 or trainer.is_last_batch) and self._bad:
            self._stop(trainer, batch)

    def _stop(self, trainer: L.Trainer, batch: dict[str, Tensor]) -> None:
        rows = batch["index"][:16].tolist()
        raise NonFiniteLossError(
            f"the training loss is not finite in epoch {trainer.current_epoch + 1}, step "
            f"{trainer.global_step} (manifest rows of the batch, counted from 0: {rows}). "
            "A lower learning rate (optimizer.lr=), stronger clipping "
            "(trainer.gradient_clip_val=) or trainer.precision=32-true may help"
        )
