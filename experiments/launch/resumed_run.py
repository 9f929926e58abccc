"""Locate the run that ``resume=`` names: a run folder, or a checkpoint in one."""

from __future__ import annotations

from pathlib import Path

CHECKPOINT_SUFFIX = ".ckpt"


def is_checkpoint_name(resume: str) -> bool:
    """Return whether ``resume`` names a file, and not a run folder."""
    path = Path(resume)
    return path.is_file() or (path.suffix == CHECKPOINT_SUFFIX and not path.is_dir())


def find_run_folder(resume: str) -> str:
    """Return the run folder that ``resume`` names, itself or by one of its checkpoints."""
    return str(Path(resume).absolute().parent.parent) if is_checkpoint_name(resume) else resume
