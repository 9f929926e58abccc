"""Ctrl-C that waits until a piece of work is complete."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def delay_interrupts() -> Iterator[None]:
    """Handle Ctrl-C after the ``with`` block, so that no write is left half done.

    Blocks may be nested; the outermost one handles it. In other threads than the main one, which
    Ctrl-C does not reach, the block changes nothing.
    """
    previous = signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not callable(previous):  # it is ignored, or ends the process at once
        yield
        return
    received: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: received.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        if received:
            previous(*received[0])
