"""Signals that end a run: noted at once, obeyed when everything is saved."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class RunInterrupted(SystemExit):
    """End of a run by a signal; ``code`` is 128 + its number, as in shells.

    It is not an Exception, so that code that continues after failures does not continue after it.

    Args:
        number: of the signal.
        place: end of the run and extent of the save, such as ``after epoch 3; all is saved``.
    """

    def __init__(self, number: int, place: str = "") -> None:
        super().__init__(128 + number)
        self.name, self.place = signal.Signals(number).name, place


class StopSignals:
    """Handlers of SIGTERM, SIGUSR1 and Ctrl-C; signals with another handler are left alone.

    While ``is_deferred``, the first signal is only noted in ``received``; otherwise, and for the
    second signal, ``RunInterrupted`` is raised at once.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.received_at = 0.0  # time.monotonic(), s
        self.is_deferred = False
        self._replaced: dict[int, object] = {}  # handlers by signal

    @contextmanager
    def handle(self) -> Iterator[StopSignals]:
        """Handle the signals within the ``with`` block; blocks may be nested."""
        self.received, self.is_deferred = None, False
        if self._replaced:  # a run within a sweep
            yield self
            self.install_handlers()
            return
        if threading.current_thread() is threading.main_thread():
            default = (signal.SIG_DFL, signal.default_int_handler)
            names = [n for n in ("SIGTERM", "SIGUSR1", "SIGINT") if hasattr(signal, n)]
            handlers = {getattr(signal, n): signal.getsignal(getattr(signal, n)) for n in names}
            self._replaced = {n: h for n, h in handlers.items() if h in default}
        self.install_handlers()
        try:
            yield self
        finally:
            for number, handler in self._replaced.items():
                signal.signal(number, handler)  # type: ignore[arg-type]
            self._replaced, self.is_deferred = {}, False

    def install_handlers(self) -> None:
        """Install the handlers, also after Lightning has replaced them with its own."""
        for number in self._replaced:
            signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        is_first, self.received = self.received is None, number
        if not self.is_deferred or not is_first:
            raise RunInterrupted(number)
        self.received_at = time.monotonic()


STOP_SIGNALS = StopSignals()  # a process has one set of handlers
