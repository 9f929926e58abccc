"""What a cluster or a person sends to end a run: heard at once, obeyed when all is saved."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = [
    getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGINT") if hasattr(signal, name)
]


class Interrupted(SystemExit):
    """A signal ended the run; ``code`` is 128 + its number, as shells say it.

    Not an Exception: what goes on after a failure must not go on after this.
    """

    def __init__(self, number: int, told: str = "") -> None:
        super().__init__(128 + number)
        self.name, self.told = signal.Signals(number).name, told


class Signals:
    """Hears SIGTERM, SIGUSR1 and Ctrl-C; those that another handler has already stay with it.

    While ``waits``, the first one is only noted, for whoever saves; otherwise, and the second
    time, ``Interrupted`` is raised at once.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.at = 0.0  # time.monotonic(), s
        self.waits = False
        self._before: dict[int, object] = {}

    @contextmanager
    def heard(self) -> Iterator[Signals]:
        """Hear them within the ``with`` block, in the main thread; blocks may be nested."""
        self.received, self.waits = None, False
        if self._before:  # a run within a sweep
            yield self
            self.take_over()
            return
        default = (signal.SIG_DFL, signal.default_int_handler)
        if threading.current_thread() is threading.main_thread():
            self._before = {n: h for n in SIGNALS if (h := signal.getsignal(n)) in default}
        self.take_over()
        try:
            yield self
        finally:
            for number, handler in self._before.items():
                signal.signal(number, handler)  # type: ignore[arg-type]
            self._before, self.waits = {}, False

    def take_over(self) -> None:
        """Hear again what Lightning has put its own handlers before, which end within a step."""
        for number in self._before:
            signal.signal(number, self._hear)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        first, self.received = self.received is None, number
        if not self.waits or not first:
            raise Interrupted(number)
        self.at = time.monotonic()


SIGNALS_HEARD = Signals()  # a process has one set of handlers
