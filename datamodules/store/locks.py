"""One process at a time in a folder; lock files that a killed process left do not block."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

LOCK = ".lock"
WAIT_S = 2.0  # for a process that is just ending


class FolderInUseError(ValueError):
    """Another process has the folder."""


@contextmanager
def lock_folder(folder: str | Path, activity: str, wait_s: float = WAIT_S) -> Iterator[None]:
    """Keep other processes out of ``folder`` within the ``with`` block; make it if it is missing.

    The operating system frees the lock as soon as its process ends, in whatever way.

    Args:
        activity: of this process, such as ``a preparation``, for the message of another one.
        wait_s: how long to wait for another process; negative: for as long as it takes.

    Raises:
        FolderInUseError: another process has the folder.
    """
    path = Path(folder) / LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=wait_s)
    except Timeout:
        raise FolderInUseError(
            f"{folder} is in use by another process ({read_owner(path)}); expected one process "
            "per folder. Wait until it has ended, or name another folder"
        ) from None
    try:
        path.write_text(describe_self(activity), encoding="utf-8")
        yield
    finally:
        with contextlib.suppress(OSError):  # some systems do not remove an open file
            path.unlink()
        lock.release()


def describe_self(activity: str) -> str:
    """Return ``a preparation, process 1234 on name``."""
    return f"{activity}, process {os.getpid()} on {platform.node()}"


def read_owner(path: Path) -> str:
    """Return what the owner of the lock file ``path`` wrote about itself."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")[:200]
    except OSError:
        text = ""
    return " ".join(filter(str.isprintable, text.split())) or "it left no name"


def is_locked_by(path: Path, owner: str) -> bool:
    """Whether the process that described itself as ``owner`` still holds the lock file ``path``."""
    if read_owner(path) != owner:
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False
