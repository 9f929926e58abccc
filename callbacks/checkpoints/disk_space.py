"""Size of a run's checkpoints, and warnings before the disk is full."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint, WeightAveraging
from torch import Tensor

from callbacks.checkpoints.epoch_checkpoint import EpochCheckpoint


class DiskSpaceMonitor(L.Callback):
    """Prints the size and number of checkpoints after the first step, when both are known.

    It warns if the disk has too little space for all of them, and once at the end of an epoch
    after which it has space for fewer than two.
    """

    def __init__(self) -> None:
        self._checkpoint_bytes = 0
        self._is_estimated = self._has_warned = False

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *_: Any) -> None:
        """Print the estimate after the first step, when the optimizer has its state."""
        if self._is_estimated or not trainer.global_step:
            return
        self._is_estimated = True
        savers = [c for c in trainer.callbacks if isinstance(c, EpochCheckpoint) and c.dirpath]
        if savers and trainer.is_global_zero and (trainer.max_epochs or -1) > 0:
            self._print_estimate(trainer, module, savers)

    def _print_estimate(
        self, trainer: L.Trainer, module: L.LightningModule, savers: list[EpochCheckpoint]
    ) -> None:
        weights = _count_bytes(module.state_dict().values())
        averages = sum(isinstance(c, WeightAveraging) for c in trainer.callbacks)
        self._checkpoint_bytes = weights * (1 + averages) + _count_optimizer_bytes(trainer)
        files = {c: c.count_files(trainer.max_epochs) for c in savers}  # type: ignore[arg-type]
        total = sum(
            count * (weights if saver.save_weights_only else self._checkpoint_bytes)
            for saver, count in files.items()
        )
        free = _free_bytes(savers[0])
        print(
            f"Checkpoints: at most {sum(files.values())} files, {_format_bytes(total)} in all; "
            f"{_format_bytes(free)} are free",
            flush=True,
        )
        written = sum(p.stat().st_size for p in Path(str(savers[0].dirpath)).glob("*.ckpt"))
        if total > free + written:
            reason = f"the checkpoints of this run take up to {_format_bytes(total)}"
            self._print_warning(reason, savers[0], free)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Warn if there is space for fewer than two checkpoints: one is written, one is kept."""
        saver = trainer.checkpoint_callback
        if not self._checkpoint_bytes or self._has_warned or not isinstance(saver, EpochCheckpoint):
            return
        free = _free_bytes(saver)
        if free < 2 * self._checkpoint_bytes:
            reason = f"the next checkpoints take {_format_bytes(self._checkpoint_bytes)} each"
            self._print_warning(reason, saver, free)

    def _print_warning(self, reason: str, saver: ModelCheckpoint, free: int) -> None:
        self._has_warned = True
        print(
            f"warning: {reason}, and {_format_bytes(free)} are free at {saver.dirpath}. Free "
            "space, or keep fewer checkpoints: callbacks.periodic=null, or "
            "callbacks.periodic.keep=3 for the newest three",
            flush=True,
        )


def _count_optimizer_bytes(trainer: L.Trainer) -> int:
    states = [s for optimizer in trainer.optimizers for s in optimizer.state.values()]
    return _count_bytes(v for state in states for v in state.values() if isinstance(v, Tensor))


def _count_bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def _free_bytes(saver: ModelCheckpoint) -> int:
    folder = Path(str(saver.dirpath))
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _format_bytes(size: float) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"
