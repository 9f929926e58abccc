"""Atomic writing of checkpoints."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

LAST_FILE = "last.ckpt"
PREVIOUS_FILE = "before_last.ckpt"  # the previous last.ckpt
PARTIAL_SUFFIX = ".partial"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Checkpoint writer that never leaves a damaged file under the final name.

    It writes to a temporary name in the same folder, syncs the file to the disk and renames it. A
    process that is killed meanwhile leaves the old file intact. The previous ``last.ckpt`` is kept
    as ``before_last.ckpt``.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Save plain data and tensors.

        Raises:
            OSError: the file cannot be written; an older file of that name is left intact.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + PARTIAL_SUFFIX)
        try:
            _write_synced(checkpoint, partial)
        except (OSError, RuntimeError) as error:  # torch's writer raises RuntimeError
            raise _describe_failure(path, partial, error) from error
        if path.name == LAST_FILE and path.exists():
            _keep_previous(path, path.with_name(PREVIOUS_FILE))
        partial.replace(path)
        _sync_folder(path.parent)


def _write_synced(checkpoint: dict[str, Any], path: Path) -> None:
    with path.open("wb") as file:
        torch.save(checkpoint, file)
        file.flush()
        os.fsync(file.fileno())


def _keep_previous(path: Path, previous: Path) -> None:
    """Give the file a second name, so that ``path`` exists at every moment."""
    previous.unlink(missing_ok=True)
    try:
        previous.hardlink_to(path)
    except OSError:  # the file system has no hard links
        shutil.copyfile(path, previous)


def _sync_folder(folder: Path) -> None:
    """Sync the new name to the disk, on systems that can open a folder."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _describe_failure(path: Path, partial: Path, error: Exception) -> OSError:
    free = shutil.disk_usage(path.parent).free
    written = partial.stat().st_size if partial.is_file() else 0
    partial.unlink(missing_ok=True)
    system = error.__context__ if isinstance(error.__context__, OSError) else error  # not torch's
    reason = getattr(system, "strerror", None) or str(system).partition("\n")[0]
    kept = f"The old {path.name} is intact" if path.exists() else f"There is no {path.name} yet"
    return OSError(
        f"cannot write the checkpoint {path} ({reason}; {written / 1e6:,.1f} MB were written, "
        f"{free / 1e6:,.1f} MB are free). {kept}. Free space on that disk, or keep fewer "
        "checkpoints (callbacks.periodic=null), and resume with: python run.py "
        f"resume={path.parents[1]}"
    )
