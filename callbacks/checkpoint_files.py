"""How a checkpoint gets onto the disk: whole, or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

LAST = "last.ckpt"
BEFORE = "before_last.ckpt"  # what last.ckpt was before it was written anew
PARTIAL = ".partial"


class CheckpointFiles(TorchCheckpointIO):
    """Writes to a new name beside the old file, has the disk take it, and then renames it.

    A process that is killed meanwhile leaves the old file as it was. Of ``last.ckpt`` the one
    before is kept as ``before_last.ckpt``.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Save plain data and tensors.

        Raises:
            OSError: it could not be written; the file that was there before is as it was.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + PARTIAL)
        try:
            _write(checkpoint, partial)
        except (OSError, RuntimeError) as error:  # torch's writer raises RuntimeError
            raise _not_written(path, partial, error) from error
        if path.name == LAST and path.exists():
            _keep(path, path.with_name(BEFORE))
        partial.replace(path)
        _sync_folder(path.parent)


def _write(checkpoint: dict[str, Any], path: Path) -> None:
    with path.open("wb") as file:
        torch.save(checkpoint, file)
        file.flush()
        os.fsync(file.fileno())


def _keep(path: Path, as_well: Path) -> None:
    """Give a file a second name; no moment is without a whole ``path``."""
    as_well.unlink(missing_ok=True)
    try:
        as_well.hardlink_to(path)
    except OSError:  # a file system without links
        shutil.copyfile(path, as_well)


def _sync_folder(folder: Path) -> None:
    """Have the disk take the new name too; not every system can open a folder."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _not_written(path: Path, partial: Path, error: Exception) -> OSError:
    free = shutil.disk_usage(path.parent).free
    wrote = partial.stat().st_size if partial.is_file() else 0
    partial.unlink(missing_ok=True)
    system = error.__context__ if isinstance(error.__context__, OSError) else error  # not torch's
    reason = getattr(system, "strerror", None) or str(system).partition("\n")[0]
    kept = f"{path.name} is as it was before" if path.exists() else f"there is no {path.name} yet"
    return OSError(
        f"the checkpoint {path} could not be written ({reason}; {wrote / 1e6:,.1f} MB were, "
        f"{free / 1e6:,.1f} MB are free): {kept}. Make room on that disk, or keep fewer "
        "checkpoints (callbacks.periodic=null), and go on with: python run.py "
        f"resume={path.parents[1]}"
    )
