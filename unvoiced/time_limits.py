"""End runs of ONNX Runtime that take too long: one thread watches all of them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

TICK_S = 0.2  # how often deadlines are looked at


class RunWatch:
    """Sets ``terminate`` of the options of runs whose time is over."""

    def __init__(self) -> None:
        self._deadlines: dict[int, tuple[float, Any]] = {}
        self._process = 0  # whose thread watches; a forked process has none

    @contextmanager
    def limit(self, options: Any, seconds: float) -> Iterator[None]:
        """Have the run with these options end after so many seconds."""
        self._start()
        self._deadlines[id(options)] = time.monotonic() + seconds, options
        try:
            yield
        finally:
            self._deadlines.pop(id(options), None)

    def _start(self) -> None:
        if self._process != os.getpid():
            self._process = os.getpid()
            self._deadlines.clear()  # of the parent process
            threading.Thread(target=self._watch, name="onnx-deadlines", daemon=True).start()

    def _watch(self) -> None:
        while True:
            time.sleep(TICK_S)
            now = time.monotonic()
            for deadline, options in list(self._deadlines.values()):
                if now > deadline:
                    options.terminate = True


RUN_WATCH = RunWatch()
