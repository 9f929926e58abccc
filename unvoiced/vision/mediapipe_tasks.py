"""What every use of MediaPipe's Tasks API needs: silence, a clean end, and its pictures.

MediaPipe itself is imported on first use, which takes a second.
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

from unvoiced.vision.images import LARGEST_SIDE

_STDERR = threading.Lock()


def open_task(
    create: Callable[[], Any], owner: object, model: Path, expected: str, key: str = "reader.model"
) -> Any:
    """``create()``, a task's ``create_from_options``, closed when ``owner`` goes.

    Args:
        model: the model's file, for the error.
        expected: the name of the file that it should be.
        key: the key that names the file; only a reader.model is fetched.

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
    weakref.finalize(owner, close_task, task)
    return task


def import_mediapipe() -> Any:
    """The package, imported silently and made safe to run."""
    outlive_profiling_timer()
    with quiet_stderr():
        import mediapipe
    return mediapipe


def as_image(mediapipe: Any, picture: np.ndarray) -> Any:
    """Return MediaPipe's form of a (height, width, 3) uint8 image, red first."""
    assert picture.dtype == np.uint8 and picture.shape[2:] == (3,), picture.shape
    assert max(picture.shape) <= LARGEST_SIDE, picture.shape  # MediaPipe would end the process
    data = np.ascontiguousarray(picture)
    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=data)


def close_task(task: Any) -> None:
    """Close before Python ends: left to MediaPipe's __del__, a run that fails hangs at its end."""
    try:
        with quiet_stderr():
            task.close()
    except RuntimeError:  # Python is ending, and has ended the thread that MediaPipe would use
        task._handle = None  # or MediaPipe's __del__ tries the same again, and complains


def outlive_profiling_timer() -> None:
    """Ignore SIGPROF where nobody handles it.

    MediaPipe's library now and then sends it to its own threads, without a handler, and that ends
    the process (seen with mediapipe 1.2.2 where torch and Lightning were loaded before it).
    """
    in_main = threading.current_thread() is threading.main_thread()  # only it may set signals
    unhandled = hasattr(signal, "SIGPROF") and signal.getsignal(signal.SIGPROF) == signal.SIG_DFL
    if in_main and unhandled:
        signal.signal(signal.SIGPROF, signal.SIG_IGN)


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Drop what C++ notes on stderr: MediaPipe does at every start, and heeds no setting."""
    with _STDERR:  # two threads that swap it at once could leave it lost
        sys.stderr.flush()
        kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)
