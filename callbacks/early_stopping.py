"""Early stopping that a resumed run continues."""

from __future__ import annotations

from typing import Any

import lightning as L
from lightning.pytorch import callbacks
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason


class EarlyStopping(callbacks.EarlyStopping):
    """Lightning's early stopping, with the command's patience in resumed runs too.

    A run that it has ended trains no further epoch when it is resumed with the same patience, and
    continues with a longer one.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best value and the epochs since then, but not the patience.

        Raises:
            ValueError: a number of epochs is not a whole number of at least 0.
        """
        super().load_state_dict({**state_dict, "patience": self.patience})
        for name in ("wait_count", "stopped_epoch"):
            if not isinstance(value := getattr(self, name), int) or value < 0:
                raise ValueError(
                    f"The checkpoint has {name}={value} of early stopping; expected a whole number "
                    "of at least 0. Take another checkpoint of the run."
                )
        if self.wait_count < self.patience:
            self.stopped_epoch = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """End a resumed run that was stopped before."""
        if not self.stopped_epoch:
            return
        trainer.should_stop = True  # which Lightning heeds after min_epochs and min_steps
        if trainer.is_global_zero and has_trained_enough(trainer):
            print(
                f"Early stopping ended this run after epoch {self.stopped_epoch + 1}. To train on, "
                "resume it with a larger callbacks.early_stopping.patience=",
                flush=True,
            )


def has_trained_enough(trainer: L.Trainer) -> bool:
    """Return whether a trainer has reached its least number of epochs and steps."""
    has_epochs = trainer.current_epoch >= (trainer.min_epochs or 0)
    return has_epochs and trainer.global_step >= (trainer.min_steps or 0)


def describe_stop(callback: callbacks.EarlyStopping) -> str:
    """Return why early stopping ended a run."""
    reasons = {
        EarlyStoppingReason.STOPPING_THRESHOLD: f"reached {callback.stopping_threshold}",
        EarlyStoppingReason.DIVERGENCE_THRESHOLD: f"was worse than {callback.divergence_threshold}",
        EarlyStoppingReason.NON_FINITE_METRIC: "was not finite",
    }
    patience = f"did not improve (patience {callback.patience})"
    return f"{callback.monitor} {reasons.get(callback.stopping_reason, patience)}"
