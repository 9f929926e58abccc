"""Early stopping that a resumed run continues."""

from __future__ import annotations

from typing import Any

import lightning as L
from lightning.pytorch import callbacks


class EarlyStopping(callbacks.EarlyStopping):
    """Lightning's early stopping, with the command's patience in resumed runs too.

    A run that it has ended trains no further epoch when it is resumed with the same patience, and
    continues with a longer one.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best value and the epochs since then, but not the patience."""
        super().load_state_dict({**state_dict, "patience": self.patience})
        if self.wait_count < self.patience:
            self.stopped_epoch = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """End a resumed run that was stopped before."""
        if not self.stopped_epoch:
            return
        trainer.should_stop = True
        if trainer.is_global_zero:
            print(
                f"Early stopping ended this run after epoch {self.stopped_epoch + 1}. To train on, "
                "resume it with a larger callbacks.early_stopping.patience=",
                flush=True,
            )
