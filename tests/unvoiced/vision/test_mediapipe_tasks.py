"""Tasks of MediaPipe are closed with their owners, wherever the garbage collector runs."""

from __future__ import annotations

import threading
from pathlib import Path

from unvoiced.vision.mediapipe_tasks import open_task

LOCK = threading.Lock()


class Owner:
    """An object that owns a task."""


class Task:
    """A task whose end needs a lock, as that of MediaPipe does."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def close(self) -> None:
        with LOCK:
            self.closed.set()


def test_an_owner_that_ends_where_the_lock_is_held_does_not_wait_for_it() -> None:
    owner = Owner()
    task = open_task(Task, owner, Path("model.task"), "model.task")
    with LOCK:
        del owner
        assert not task.closed.is_set()
    assert task.closed.wait(10)
