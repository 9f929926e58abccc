"""Checkpoints named as people count: the first epoch is 1."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.callbacks import ModelCheckpoint


class Checkpoint(ModelCheckpoint):
    """Lightning's ModelCheckpoint, with epochs from 1 and no version suffix.

    Several of them may watch one run: each is known by its file name.

    Args:
        filename: such as ``best``, ``last`` or ``epoch_{epoch:04d}``.
        arguments: as ModelCheckpoint takes them.
    """

    def __init__(self, filename: str, **arguments: Any) -> None:
        super().__init__(
            filename=filename,
            auto_insert_metric_name=False,
            enable_version_counter=False,
            **arguments,
        )

    @property
    def state_key(self) -> str:
        return f"Checkpoint({self.filename})"

    def format_checkpoint_name(self, metrics: dict[str, Any], *arguments: Any, **named: Any) -> str:
        counted = dict(metrics)
        if "epoch" in counted:
            counted["epoch"] = counted["epoch"] + 1
        return super().format_checkpoint_name(counted, *arguments, **named)
