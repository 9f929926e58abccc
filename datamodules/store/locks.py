"""Locks that keep a folder to one process; a killed process leaves no lock behind."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

LOCK_NAME = ".lock"


class FolderInUseError(ValueError):
    """An error for a folder that another process has locked."""


@contextmanager
def lock_folder(folder: str | Path, activity: str, wait_s: float = 2.0) -> Iterator[None]:
    """Keep other processes out of ``folder`` within the ``with`` block; make it if it is missing.

    The operating system releases the lock when its process ends, in whatever way.

    Args:
        folder: the folder.
        activity: of this process, such as ``a preparation``, for messages of other processes.
        wait_s: how long to wait for another process, seconds; negative: without limit.

    Raises:
        FolderInUseError: another process has locked the folder.
    """
    path = Path(folder) / LOCK_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=wait_s)
    except Timeout:
        raise FolderInUseError(
            f"{folder} is in use by another process ({read_owner(path)}); expected one process "
            "per folder. Wait until it has ended, or use another folder"
        ) from None
    try:
        path.write_text(describe_process(activity), encoding="utf-8")
        yield
    finally:
        with contextlib.suppress(OSError):  # some systems do not remove an open file
            path.unlink()
        lock.release()


def describe_process(activity: str) -> str:
    """Return a text such as ``a preparation, process 1234 on name``."""
    return f"{activity}, process {os.getpid()} on {platform.node()}"


def read_owner(path: Path) -> str:
    """Return the description that the owner wrote into the lock file."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")[:200]
    except OSError:
        text = ""
    return " ".join(filter(str.isprintable, text.split())) or "it left no name"


def is_locked_by(path: Path, owner: str) -> bool:
    """Return whether the process with the description ``owner`` still holds the lock file."""
    if read_owner(path) != owner:
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False
