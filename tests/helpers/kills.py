"""Kill this process at a chosen moment of a training."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from callbacks.checkpoints import atomic_io
from callbacks.outputs.epoch_table import EpochTable
from datamodules.base import PreparedDataModule
from modules.base import TaskModule

EPOCHS, STEPS = 3, 5


def kill_at_call(
    real: Callable[..., Any], nth: int, after: bool = False, number: int = signal.SIGKILL
) -> Callable[..., Any]:
    """Wrap ``real`` so that its ``nth`` call (from 1) sends this process a signal."""
    calls = 0

    def called(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == nth and not after:
            os.kill(os.getpid(), number)
        value = real(*arguments, **named)
        if calls == nth and after:
            os.kill(os.getpid(), number)
        return value

    return called


def write_half(checkpoint: dict[str, Any], path: Path) -> None:
    with path.open("wb") as file:
        torch.save(checkpoint, file)
    os.truncate(path, path.stat().st_size // 2)


# Where in the program a run is killed, and at which call of it.
MOMENTS: dict[str, tuple[Any, str, int, bool]] = {
    "before training": (PreparedDataModule, "setup", 1, False),
    "in the first step": (TaskModule, "training_step", 1, False),
    "in a step": (TaskModule, "training_step", 8, False),
    "between gradient and update": (TaskModule, "configure_gradient_clipping", 4, False),
    "in a validation": (TaskModule, "_reset_metrics", 2, False),
    "at the end of a validation": (TaskModule, "_log_scores", 1, True),
    "while a checkpoint is written": (atomic_io, "_write_synced", 9, False),
    "before it is renamed": (atomic_io, "_write_synced", 8, True),
    "after it is renamed": (atomic_io, "_sync_folder", 7, False),
    "before the epoch is in the table": (EpochTable, "save", 2, False),
    "in the test": (TaskModule, "_log_scores", EPOCHS + 1, False),
}


def kill_at(moment: str, number: int = signal.SIGKILL) -> None:
    """Make this process send itself a signal at a moment of the training."""
    owner, name, nth, after = MOMENTS[moment]
    real = getattr(owner, name)
    if name == "_write_synced" and not after:
        full, real = real, kill_at_call(write_half, 1, after=True)
        count = iter(range(1, nth))
        setattr(owner, name, lambda *a: full(*a) if next(count, None) else real(*a))
        return
    setattr(owner, name, kill_at_call(real, nth, after, number))


def list_names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
