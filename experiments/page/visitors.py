"""Who is on the page: an engine for each, in a bounded table."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from typing import Any


class FullError(ValueError):
    """As many people stream as are allowed to."""


class GoneError(ValueError):
    """A visitor who is not in the table, or not any more."""


GONE = (
    "The page was quiet for so long that its place went to somebody else, or the program was "
    "started again. Press the button to begin anew."
)


class Visitor:
    """One tab that streams: its engine, which ``lock`` keeps to one thread at a time."""

    def __init__(self, engine: Any, now: float) -> None:
        self.engine, self.seen_at = engine, now
        self.gone = False
        self.lock = threading.Lock()

    def refuse_gone(self) -> None:
        """Refuse a visitor whose engine is closed, or about to be.

        Raises:
            GoneError: always for such a visitor.
        """
        if self.gone:
            raise GoneError(GONE)

    def close(self) -> None:
        """Free the engine, once it has read what it is reading."""
        self.gone = True  # before the lock: a frame that finds it taken must see why
        with self.lock:
            self.engine.close()


class Visitors:
    """Visitors by their secret keys.

    Args:
        make_engine: called once a visitor.
        most: visitors at the same time.
        idle_s: seconds without a sign of life, after which somebody else may have the place.
        clock: seconds.
    """

    def __init__(
        self,
        make_engine: Callable[[], Any],
        most: int,
        idle_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.make_engine, self.most, self.idle_s, self.clock = make_engine, most, idle_s, clock
        self._table: dict[str, Visitor] = {}
        self._coming = 0  # places of those whose engine is being made
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._table)

    def enter(self) -> str:
        """The key of a new visitor.

        Raises:
            FullError: every place is taken by somebody who is there.
        """
        with self._lock:
            idle = self._room()
            self._coming += 1
        try:
            if idle is not None:
                idle.close()
            visitor = Visitor(self.make_engine(), self.clock())  # slow, so not under the lock
            key = secrets.token_urlsafe(16)
            with self._lock:
                self._table[key] = visitor
            return key
        finally:
            with self._lock:
                self._coming -= 1

    def _room(self) -> Visitor | None:
        """Room for one more; the visitor whose place that was, if it was somebody's."""
        if len(self._table) + self._coming < self.most:
            return None
        key = min(self._table, key=lambda key: self._table[key].seen_at, default=None)
        if key is None or self.clock() - self._table[key].seen_at < self.idle_s:
            raise FullError(
                f"All {self.most} places are taken: so many people are reading with this page at "
                "the moment. Try again in a minute."
            )
        return self._table.pop(key)

    def find(self, key: str) -> Visitor:
        """The visitor of that key, who has just shown a sign of life.

        Raises:
            GoneError: nobody has that key.
        """
        with self._lock:
            visitor = self._table.get(key)
            if visitor is None:
                raise GoneError(GONE)
            visitor.seen_at = self.clock()
            return visitor

    def leave(self, key: str) -> None:
        """Free the visitor's engine, once it has read what it is reading; unknown keys are fine."""
        with self._lock:
            visitor = self._table.pop(key, None)
        if visitor is not None:
            visitor.close()

    def close(self) -> None:
        """Everybody leaves."""
        for key in list(self._table):
            self.leave(key)
