"""Says at the start what the checkpoints of a run will take, and warns before a disk is full."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, WeightAveraging
from torch import Tensor, nn
from torch.optim import Optimizer

from callbacks.checkpoint import Checkpoint

RESERVE = 2  # checkpoints that fit besides: one being written, and the tables and pictures


class DiskSpace(L.Callback):
    """Tells the size and number of checkpoints before the first step.

    A warning is given where the disk has not the room for all of them, and at the end of each epoch
    after which it has less than ``RESERVE`` checkpoints of room, once.
    """

    def __init__(self) -> None:
        self._size = 0
        self._warned = False

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        savers = [c for c in trainer.callbacks if isinstance(c, Checkpoint) and c.dirpath]
        if not savers or not trainer.is_global_zero or (trainer.max_epochs or -1) < 1:
            return
        weights = _bytes(module.state_dict().values())
        self._size = self._whole(trainer, module, weights)
        files = {c: c.files(trainer.max_epochs) for c in savers}  # type: ignore[arg-type]
        total = sum(n * (weights if c.save_weights_only else self._size) for c, n in files.items())
        free = _free(savers[0])
        print(
            f"Checkpoints: at most {sum(files.values())} files, {_said(total)} in all; "
            f"{_said(free)} are free",
            flush=True,
        )
        if total > free + _written(savers[0]):
            self._warn(f"the checkpoints of this run take up to {_said(total)}", savers[0], free)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        saver = trainer.checkpoint_callback
        if not self._size or self._warned or not isinstance(saver, Checkpoint):
            return
        free = _free(saver)
        if free < RESERVE * self._size:
            self._warn(f"the next checkpoints take {_said(self._size)} each", saver, free)

    def _warn(self, what: str, saver: ModelCheckpoint, free: int) -> None:
        self._warned = True
        print(
            f"warning: {what}, and {_said(free)} are free at {saver.dirpath}. Make room, or keep "
            "fewer: callbacks.periodic=null, or +callbacks.periodic.keep=3 for the newest three",
            flush=True,
        )

    @staticmethod
    def _whole(trainer: L.Trainer, module: L.LightningModule, weights: int) -> int:
        """Bytes of a whole checkpoint: weights, what is averaged, the optimizer's state."""
        averages = sum(isinstance(c, WeightAveraging) for c in trainer.callbacks)
        copies = sum(_copies(optimizer) for optimizer in trainer.optimizers)
        learnt = _bytes(p for p in module.parameters() if p.requires_grad)
        return weights * (1 + averages) + round(copies * learnt)


def _copies(optimizer: Optimizer) -> int:
    """Numbers that the optimizer keeps for each parameter: two of Adam's, found by a step."""
    probe = nn.Parameter(torch.zeros(3))
    probe.grad = torch.zeros(3)
    taken = inspect.signature(type(optimizer)).parameters.keys() - {"fused", "params"}
    settings: dict[str, Any] = {k: v for k, v in optimizer.defaults.items() if k in taken}
    trial = type(optimizer)([probe], **settings)
    trial.step(lambda: torch.zeros(()))
    kept = [v for v in trial.state[probe].values() if isinstance(v, Tensor)]
    return sum(v.numel() for v in kept) // probe.numel()


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def _free(saver: ModelCheckpoint) -> int:
    """Bytes free where it writes."""
    folder = Path(str(saver.dirpath))
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _written(saver: ModelCheckpoint) -> int:
    """Bytes of checkpoints that are there already, such as before a run was resumed."""
    return sum(path.stat().st_size for path in Path(str(saver.dirpath)).glob("*.ckpt"))


def _said(size: float) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"
