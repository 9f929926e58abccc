"""Camera sessions: one engine or lesson per browser tab, in a pool of bounded size."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class PoolFullError(ValueError):
    """All sessions of the pool are in use."""


class SessionExpiredError(ValueError):
    """A session that does not exist, or no longer."""

    def __init__(self) -> None:
        super().__init__(
            "This session has expired: the page was idle for too long, or the program was "
            "restarted. Press the button to start again."
        )


class SessionBusyError(ValueError):
    """A frame arrived while the previous one of its session is being read."""

    def __init__(self) -> None:
        super().__init__("The previous frame is still being read. Send the next one later.")


class Session:
    """One browser tab that streams; ``lock`` keeps its engine to one thread at a time.

    Args:
        engine: reads the frames, or is a lesson that captures them.
        now: the time of the pool's clock, seconds.
    """

    def __init__(self, engine: Any, now: float) -> None:
        self.engine, self.last_used = engine, now
        self.is_closed = False
        self.collector: Any = None  # of a self-test, see ``diagnosis``
        self.lock = threading.Lock()

    @contextmanager
    def lock_engine(self, kind: type[T], is_waiting: bool = True) -> Iterator[T]:
        """Provide the engine to this thread alone.

        Args:
            kind: the class that the engine must have.
            is_waiting: wait for a thread that uses the engine.

        Raises:
            SessionExpiredError: the session is closed, or of another kind.
            SessionBusyError: another thread uses the engine.
        """
        if not self.lock.acquire(blocking=is_waiting):
            self.require_open()
            raise SessionBusyError
        try:
            self.require_open()
            if not isinstance(self.engine, kind):
                raise SessionExpiredError
            yield self.engine
        finally:
            self.lock.release()

    def require_open(self) -> None:
        """Refuse a session whose engine is closed or being closed.

        Raises:
            SessionExpiredError: it is.
        """
        if self.is_closed:
            raise SessionExpiredError

    def close(self) -> None:
        """Close the engine, after the frame that it is reading."""
        self.is_closed = True  # before the lock: a frame that finds it taken must see the reason
        with self.lock:
            self.engine.close()


class SessionPool:
    """Sessions by their secret keys.

    Args:
        make_engine: called once per session.
        max_sessions: sessions at the same time.
        idle_s: seconds without a request, after which another session may replace one.
        clock: returns seconds.
    """

    def __init__(
        self,
        make_engine: Callable[[], Any],
        max_sessions: int,
        idle_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.make_engine, self.max_sessions = make_engine, max_sessions
        self.idle_s, self.clock = idle_s, clock
        self._sessions: dict[str, Session] = {}
        self._num_opening = 0  # sessions whose engine is being made
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._sessions)

    def open_session(self, make_engine: Callable[[], Any] | None = None) -> str:
        """Open a session and return its key.

        Args:
            make_engine: returns the receiver of the frames; None for that of the pool.

        Raises:
            PoolFullError: the pool is full, and no session is idle.
        """
        with self._lock:
            idle = self._make_room()
            self._num_opening += 1
        try:
            if idle is not None:
                idle.close()
            session = Session(
                (make_engine or self.make_engine)(), self.clock()
            )  # slow, so not under the lock
            key = secrets.token_urlsafe(16)
            with self._lock:
                self._sessions[key] = session
            return key
        finally:
            with self._lock:
                self._num_opening -= 1

    def _make_room(self) -> Session | None:
        """Return the idle session that was removed for a new one; None if there was room."""
        if len(self._sessions) + self._num_opening < self.max_sessions:
            return None
        key = min(self._sessions, key=lambda key: self._sessions[key].last_used, default=None)
        if key is None or self.clock() - self._sessions[key].last_used < self.idle_s:
            raise PoolFullError(
                f"All {self.max_sessions} places are taken: that many people are using this page "
                "at the moment. Try again in a minute."
            )
        return self._sessions.pop(key)

    def get_session(self, key: str) -> Session:
        """Return the session of a key, and note that it is in use.

        Raises:
            SessionExpiredError: no session has this key.
        """
        with self._lock:
            session = self._sessions.get(key)
            if session is None:
                raise SessionExpiredError
            session.last_used = self.clock()
            return session

    def close_session(self, key: str) -> None:
        """Remove and close a session, if the key is known."""
        with self._lock:
            session = self._sessions.pop(key, None)
        if session is not None:
            session.close()

    def close(self) -> None:
        """Close all sessions."""
        for key in list(self._sessions):
            self.close_session(key)
