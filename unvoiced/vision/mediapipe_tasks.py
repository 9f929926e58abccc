"""Shared handling of MediaPipe's Tasks API: quiet start, clean shutdown, image conversion.

MediaPipe is imported on first use, which takes a second.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from unvoiced.vision.images import MAX_SIDE
from unvoiced.vision.usage_reports import block_usage_reports

_STDERR_LOCK = threading.Lock()


def open_task(
    create: Callable[[], Any], owner: object, model: Path, expected: str, key: str = "reader.model"
) -> Any:
    """Open a task with ``create()`` and close it together with its ``owner``.

    Args:
        create: calls the ``create_from_options`` of the task.
        owner: the task closes when this object is deleted.
        model: the model's file, for the error.
        expected: the name of the official model file.
        key: the setting that gives the file; only a reader.model is fetched.

    Raises:
        ValueError: the model is damaged or of another kind.
    """
    try:
        with quiet_stderr():
            task = create()
    except (RuntimeError, ValueError) as error:
        fetched = "Delete it, and it is fetched again; or name" if key == "reader.model" else "Name"
        raise ValueError(
            f"{model} is not a model that MediaPipe can use ({error}). {fetched} another "
            f"{expected} with {key}=<path>"
        ) from error
    weakref.finalize(owner, _close_soon, task)
    return task


def _close_soon(task: Any) -> None:
    """Close a task after its owner is gone, in a separate thread while Python runs.

    The garbage collector calls this at any point, even where the running thread holds the lock of
    the executor that MediaPipe closes with, or that of ``quiet_stderr``.
    """
    if threading.main_thread().is_alive():
        threading.Thread(target=close_task, args=(task,)).start()
    else:  # Python is ending
        close_task(task)


def import_mediapipe() -> Any:
    """Import MediaPipe without its notes on stderr, and make it safe and silent to run."""
    ignore_profiling_signal()
    with quiet_stderr():
        import mediapipe

        block_usage_reports()
    return mediapipe


def to_mediapipe(mediapipe: Any, image: np.ndarray) -> Any:
    """Convert a (height, width, 3) uint8 RGB image to MediaPipe's type."""
    assert image.dtype == np.uint8 and image.shape[2:] == (3,), image.shape
    assert max(image.shape) <= MAX_SIDE, image.shape  # MediaPipe would end the process
    data = np.ascontiguousarray(image)
    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=data)


def close_task(task: Any) -> None:
    """Close a task before Python ends; MediaPipe's own ``__del__`` hangs after a failed run."""
    try:
        with quiet_stderr():
            task.close()
    except RuntimeError:  # Python is ending and has ended the thread that MediaPipe would use
        task._handle = None  # keeps MediaPipe's __del__ from trying the same again


def ignore_profiling_signal() -> None:
    """Ignore SIGPROF unless the program handles it.

    MediaPipe sometimes sends it to its own threads without a handler, which ends the process (with
    mediapipe 1.2.2, if torch and Lightning were loaded before it).
    """
    in_main = threading.current_thread() is threading.main_thread()  # only it may set signals
    unhandled = hasattr(signal, "SIGPROF") and signal.getsignal(signal.SIGPROF) == signal.SIG_DFL
    if in_main and unhandled:
        signal.signal(signal.SIGPROF, signal.SIG_IGN)


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Drop the output of C++ code to stderr: no setting silences MediaPipe's notes."""
    with _STDERR_LOCK:  # two threads that swap it at once could lose it
        sys.stderr.flush()
        original, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        try:
            yield
        finally:
            os.dup2(original, 2)
            os.close(original)
            os.close(null)
