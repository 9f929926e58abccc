"""Child processes that end with their parent, and the memory of this one.

Imports the standard library only: every command and every worker process imports this first.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

PARENT_VARIABLE = "UNVOICED_PARENT"  # id of the main process of a command
ENDED_WITH_PARENT = 3  # exit code


def end_with_parent(parent: int) -> None:
    """End this process within a second after its parent, the process ``parent``, has ended.

    A killed parent cannot end its children; those of joblib and Lightning run on for minutes. A
    thread compares the parent's id, which changes when the parent ends.
    """
    end_when(lambda: os.getppid() != parent)


def end_when(is_over: Callable[[], bool], interval_s: float = 0.5) -> None:
    """End this process, without cleanup, once ``is_over()`` returns true in a thread."""

    def wait_for_end() -> None:
        while not is_over():
            time.sleep(interval_s)
        os._exit(ENDED_WITH_PARENT)

    threading.Thread(target=wait_for_end, name="end_when", daemon=True).start()


def end_with_named_parent() -> None:
    """End this command with the parent that ``PARENT_VARIABLE`` names.

    Processes of torchrun and Lightning's DDP (``LOCAL_RANK`` is set) end with their parent.
    """
    parent = os.getppid()
    # An id of a process further up does not count.
    is_named = os.environ.pop(PARENT_VARIABLE, "") == str(parent)
    if is_named or "LOCAL_RANK" in os.environ:
        end_with_parent(parent)


def raise_interrupts() -> None:
    """Let Ctrl-C raise KeyboardInterrupt where it ends the process, as during the first imports.

    Where SIGINT is ignored or handled, such as in the background of a shell, nothing changes.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def isolate_imports(folders: Iterable[str | Path]) -> None:
    """Keep the current folder out of the import path of all child processes.

    ``python -m`` and ``python -c``, with which joblib, submitit and multiprocessing start workers,
    import from the current folder first: a file numpy.py there would run in place of NumPy.

    Args:
        folders: added to the import path, such as the project's own.
    """
    os.environ["PYTHONSAFEPATH"] = "1"
    known = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    added = [str(folder) for folder in folders if str(folder) not in known]
    os.environ["PYTHONPATH"] = os.pathsep.join([*added, *known])


def read_peak_memory_mb() -> float | None:
    """Return the largest memory (MiB) that this process has held; None if it is unknown.

    Memory of child processes is not part of it.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:  # not Linux
        return _read_peak_usage_mb()
    peaks = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return round(int(peaks[0]) / 1024, 1) if peaks else _read_peak_usage_mb()


def _read_peak_usage_mb() -> float | None:
    try:
        import resource  # not on Windows
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS, else kB
    return round(peak / (2**20 if sys.platform == "darwin" else 1024), 1)


def reset_peak_memory() -> None:
    """Start ``read_peak_memory_mb`` anew, where the system allows it (Linux).

    A process may run several jobs of a sweep, of which each has its own peak.
    """
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
