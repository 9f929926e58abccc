"""Checkpoints named as people count: the first epoch is 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint


class Checkpoint(ModelCheckpoint):
    """Lightning's ModelCheckpoint, with epochs from 1 and no version suffix.

    Several of them may watch one run: each is known by its file name.

    Args:
        filename: such as ``best``, ``last`` or ``epoch_{epoch:04d}``.
        epochs: those after which one is saved, from 1, whatever ``every_n_epochs`` is; all are kept
            unless ``save_top_k`` is given. None for as the other arguments say.
        arguments: as ModelCheckpoint takes them.
    """

    def __init__(
        self, filename: str, epochs: Sequence[int] | None = None, **arguments: Any
    ) -> None:
        if epochs is not None:
            arguments = {"save_top_k": -1} | arguments | {"every_n_epochs": 1}
        super().__init__(
            filename=filename,
            auto_insert_metric_name=False,
            enable_version_counter=False,
            **arguments,
        )
        self.epochs = None if epochs is None else frozenset(epochs)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if self._due(trainer):
            super().on_train_epoch_end(trainer, module)

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if self._due(trainer):
            super().on_validation_end(trainer, module)

    def _due(self, trainer: L.Trainer) -> bool:
        return self.epochs is None or trainer.current_epoch + 1 in self.epochs

    @property
    def state_key(self) -> str:
        return f"Checkpoint({self.filename})"

    def format_checkpoint_name(self, metrics: dict[str, Any], *arguments: Any, **named: Any) -> str:
        counted = dict(metrics)
        if "epoch" in counted:
            counted["epoch"] = counted["epoch"] + 1
        return super().format_checkpoint_name(counted, *arguments, **named)
