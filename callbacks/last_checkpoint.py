"""The checkpoint that ``resume=`` goes on from."""

from __future__ import annotations

import signal
import time
from typing import Any

import lightning as L

from callbacks.checkpoint import Checkpoint
from callbacks.signals import SIGNALS_HEARD, Interrupted


class LastCheckpoint(Checkpoint):
    """Saved after each epoch, within long ones, and when a signal asks the run to end.

    It comes after all other callbacks, so that whatever they do of an epoch is done once it says
    that the epoch is. Within an epoch it is saved between two steps of the optimizer; the next
    epoch's end writes over it.

    Args:
        dirpath: the folder of ``last.ckpt``.
        every_minutes: within an epoch, since it was saved last; null for after epochs alone.
        grace_s: how long (s) a validation that a signal comes in may go on, so that its epoch is
            saved too; a run on several devices ends it in any case.
        arguments: as Checkpoint takes them.
    """

    def __init__(
        self,
        dirpath: str,
        every_minutes: float | None = 10.0,
        grace_s: float = 20.0,
        filename: str = "last",
        **arguments: Any,
    ) -> None:
        # Whenever there is a validation: only then is all done that belongs to the epoch.
        arguments = {"save_on_train_epoch_end": True} | arguments
        super().__init__(filename, dirpath=dirpath, **arguments)
        self.every_minutes, self.grace_s = every_minutes, grace_s

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        super().on_train_start(trainer, module)
        self._saved_at = time.monotonic()
        SIGNALS_HEARD.take_over()
        SIGNALS_HEARD.waits = True

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        super().on_train_end(trainer, module)
        SIGNALS_HEARD.waits = False

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        super().on_train_batch_end(trainer, module, outputs, batch, batch_idx)
        if self._between_steps(trainer, batch_idx + 1) and self._asked(trainer):
            self._save(trainer)
            self._end_if_asked(trainer, f"after step {trainer.global_step:,}, and all is saved")

    def on_validation_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        waited = SIGNALS_HEARD.received and time.monotonic() - SIGNALS_HEARD.at > self.grace_s
        if waited and trainer.world_size == 1 and trainer.state.fn == "fit":
            self._end_if_asked(trainer, "in a validation, which will be done again")

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        super().on_train_epoch_end(trainer, module)
        self._saved_at = time.monotonic()
        self._end_if_asked(trainer, f"after epoch {trainer.current_epoch + 1}, and all is saved")

    def on_exception(self, trainer: L.Trainer, *arguments: Any) -> None:
        super().on_exception(trainer, *arguments)
        SIGNALS_HEARD.waits = False

    def files(self, epochs: int) -> int:
        """Itself and the one before it."""
        return min(2, super().files(epochs) + 1)

    def _between_steps(self, trainer: L.Trainer, batches: int) -> bool:
        """Whether the run can be taken up here: no gradient is gathered, no validation is due."""
        last = trainer.is_last_batch or batches % trainer.val_check_batch == 0
        return not last and batches % trainer.accumulate_grad_batches == 0

    def _asked(self, trainer: L.Trainer) -> bool:
        """Whether it is time to save, or a signal came; the same in all processes.

        Several of them agree at every step, as Lightning itself has them do about SIGTERM.
        """
        every = self.every_minutes
        due = every is not None and time.monotonic() - self._saved_at >= 60 * every
        asked = due or SIGNALS_HEARD.received is not None
        if trainer.world_size == 1:
            return asked
        return trainer.strategy.reduce_boolean_decision(asked, all=False)

    def _save(self, trainer: L.Trainer) -> None:
        self._save_none_monitor_checkpoint(trainer, self._monitor_candidates(trainer))
        self._saved_at = time.monotonic()

    def _end_if_asked(self, trainer: L.Trainer, where: str) -> None:
        number = self._signal(trainer)
        if number:
            raise Interrupted(number, where)

    def _signal(self, trainer: L.Trainer) -> int:
        """The signal that some process has received; 0 for none."""
        mine = SIGNALS_HEARD.received or 0
        if trainer.world_size == 1:
            return mine
        some = trainer.strategy.reduce_boolean_decision(mine != 0, all=False)
        return (mine or signal.SIGTERM) if some else 0
