"""Child processes that end with their parent, however it ends, and import nothing of a stranger.

Imports the standard library alone: every command and every worker process imports this first.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

PARENT_VARIABLE = "UNVOICED_PARENT"  # of a command: the process id that it ends with
INTERVAL_S = 0.5
ENDED_WITH_PARENT = 3  # exit code


def end_with_parent(parent: int) -> None:
    """End this process within a second after its parent, the process ``parent``, has ended.

    A killed parent cannot end its children, and joblib's and Lightning's go on, some for minutes.
    A thread compares the parent's id, which changes as the parent dies.
    """
    end_when(lambda: os.getppid() != parent)


def end_when(is_over: Callable[[], bool], interval_s: float = INTERVAL_S) -> None:
    """End this process once ``is_over()``, looked at from a thread, without any cleaning up."""

    def watch() -> None:
        while not is_over():
            time.sleep(interval_s)
        os._exit(ENDED_WITH_PARENT)

    threading.Thread(target=watch, name="end_when", daemon=True).start()


def end_with_named_parent() -> None:
    """End this command with the parent that it was given in ``PARENT_VARIABLE``.

    Processes of torchrun and Lightning's DDP (``LOCAL_RANK`` is set) end with whatever began them.
    """
    parent = os.getppid()
    is_named = os.environ.pop(PARENT_VARIABLE, "") == str(parent)  # not by a process further up
    if is_named or "LOCAL_RANK" in os.environ:
        end_with_parent(parent)


def isolate_imports(folders: Iterable[str | Path]) -> None:
    """Keep the current folder out of the import path of all Python processes begun from here.

    ``python -m`` and ``python -c``, with which joblib, submitit and multiprocessing begin workers,
    import from the current folder first: a file numpy.py there would run in place of NumPy.

    Args:
        folders: that they import from in its place, such as the project's own.
    """
    os.environ["PYTHONSAFEPATH"] = "1"
    known = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    added = [str(folder) for folder in folders if str(folder) not in known]
    os.environ["PYTHONPATH"] = os.pathsep.join([*added, *known])
