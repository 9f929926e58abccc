"""The checkpoint that ``resume=`` continues from."""

from __future__ import annotations

import signal
import time
from typing import Any

import lightning as L

from callbacks.checkpoints.epoch_checkpoint import EpochCheckpoint
from callbacks.checkpoints.signals import STOP_SIGNALS, RunInterrupted


class LastCheckpoint(EpochCheckpoint):
    """``last.ckpt``: saved after each epoch, within long epochs, and before a signal ends the run.

    It must be the last callback, so that it saves the changes of the others at the end of an epoch.
    Within an epoch it saves between two optimizer steps; the end of the epoch overwrites that.

    Args:
        dirpath: folder of ``last.ckpt``.
        every_minutes: minutes between two saves within an epoch; None: save after epochs alone.
        grace_s: time (s) that a validation may continue after a signal, so that its epoch is saved
            too; with several devices the validation is always finished.
        filename: name of the file, without ``.ckpt``.
        arguments: other arguments of EpochCheckpoint.
    """

    def __init__(
        self,
        dirpath: str,
        every_minutes: float | None = 10.0,
        grace_s: float = 20.0,
        filename: str = "last",
        **arguments: Any,
    ) -> None:
        # Whether or not there is a validation: the epoch is complete only at its very end.
        arguments = {"save_on_train_epoch_end": True} | arguments
        super().__init__(filename, dirpath=dirpath, **arguments)
        self.every_minutes, self.grace_s = every_minutes, grace_s

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Defer signals from now on, until the state is saved."""
        super().on_train_start(trainer, module)
        self._saved_at = time.monotonic()
        STOP_SIGNALS.install_handlers()
        STOP_SIGNALS.is_deferred = True

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Stop deferring signals."""
        super().on_train_end(trainer, module)
        STOP_SIGNALS.is_deferred = False

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save between two optimizer steps, where a save is due or a signal came."""
        super().on_train_batch_end(trainer, module, outputs, batch, batch_idx)
        if trainer.world_size == 1 and not self._is_due_here():
            return
        if _is_between_steps(trainer, batch_idx + 1) and self._is_save_due(trainer):
            self._save_none_monitor_checkpoint(trainer, self._monitor_candidates(trainer))
            self._saved_at = time.monotonic()
            _raise_if_signalled(trainer, f"after step {trainer.global_step:,}; all is saved")

    def on_validation_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """End a validation that takes longer than ``grace_s`` after a signal."""
        waited_s = time.monotonic() - STOP_SIGNALS.received_at
        is_late = STOP_SIGNALS.received is not None and waited_s > self.grace_s
        if is_late and trainer.world_size == 1 and trainer.state.fn == "fit":
            _raise_if_signalled(trainer, "in a validation, which will be repeated")

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Save the epoch, then end the run if a signal came."""
        super().on_train_epoch_end(trainer, module)
        self._saved_at = time.monotonic()
        _raise_if_signalled(trainer, f"after epoch {trainer.current_epoch + 1}; all is saved")

    def on_exception(self, trainer: L.Trainer, *arguments: Any) -> None:
        """Stop deferring signals."""
        super().on_exception(trainer, *arguments)
        STOP_SIGNALS.is_deferred = False

    def count_files(self, epochs: int) -> int:
        """Return the largest number of files, ``before_last.ckpt`` included."""
        return min(2, super().count_files(epochs) + 1)

    def _is_save_due(self, trainer: L.Trainer) -> bool:
        """Return whether it is time to save or a signal came; the same in all processes.

        Processes agree about it at every step, as Lightning itself does about SIGTERM.
        """
        return trainer.strategy.reduce_boolean_decision(self._is_due_here(), all=False)

    def _is_due_here(self) -> bool:
        every = self.every_minutes
        is_time = every is not None and time.monotonic() - self._saved_at >= 60 * every
        return is_time or STOP_SIGNALS.received is not None


def _is_between_steps(trainer: L.Trainer, batches: int) -> bool:
    """Return whether a run can resume here: no gradient accumulates, no validation is due."""
    is_last = trainer.is_last_batch or batches % trainer.val_check_batch == 0
    return not is_last and batches % trainer.accumulate_grad_batches == 0


def _raise_if_signalled(trainer: L.Trainer, place: str) -> None:
    """Raise ``RunInterrupted`` in all processes if any of them received a signal."""
    received = STOP_SIGNALS.received
    if trainer.strategy.reduce_boolean_decision(received is not None, all=False):
        raise RunInterrupted(received or signal.SIGTERM, place)
