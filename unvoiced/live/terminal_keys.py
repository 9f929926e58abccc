"""Keys of a terminal, without Enter, while something else runs."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable
from typing import Any, Self

POLL_S = 0.1


class TerminalKeys:
    """Reads keys from a terminal, or from another stream as its bytes arrive.

    Args:
        stream: with a file descriptor; None for standard input.
    """

    def __init__(self, stream: Any = None) -> None:
        self._stream = sys.stdin if stream is None else stream
        self._settings: Any = None
        if os.name == "posix" and self._stream.isatty():
            import termios
            import tty

            self._settings = termios.tcgetattr(self._stream)
            tty.setcbreak(self._stream)  # keys arrive without Enter

    def read_key(self, wait_s: float = 0.0) -> str:
        """Return the next key as it was typed; empty if there is none within ``wait_s``."""
        try:
            if not select.select([self._stream], [], [], wait_s)[0]:
                return ""
            return os.read(self._stream.fileno(), 1).decode(errors="replace")
        except (OSError, ValueError, TypeError):  # a stream that cannot be waited for
            return ""

    def close(self) -> None:
        """Give the terminal its settings back."""
        if self._settings is not None:
            import termios

            termios.tcsetattr(self._stream, termios.TCSADRAIN, self._settings)


class KeyThread:
    """Passes keys on while the ``with`` block runs, and those that were typed before its end.

    Args:
        keys: of the terminal; closed at the end.
        take_key: called with each key, in a separate thread.
    """

    def __init__(self, keys: TerminalKeys, take_key: Callable[[str], object]) -> None:
        self.keys, self.take_key = keys, take_key
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._pass_keys, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._has_ended.set()
        self._thread.join()
        self.keys.close()

    def _pass_keys(self) -> None:
        while True:
            has_ended = self._has_ended.is_set()  # before the read, which may find a last key
            key = self.keys.read_key()
            if key:
                self.take_key(key)
            elif has_ended:
                return
            else:
                self._has_ended.wait(POLL_S)
