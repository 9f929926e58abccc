"""The protocol of a task's stream, its clock, and the timing of its stages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np

from unvoiced.readings import Reading
from unvoiced.streams.decisions import Event

MAX_TIME_S = 1e10  # later times are too coarse in floating point
MAX_GAP_S = 3600.0  # between two frames; a larger step of the clock is an error
LATENCY_STAGES = ("landmarks", "network", "decision")


class StageTimer:
    """Milliseconds of each stage of the last push."""

    def __init__(self) -> None:
        self.latency_ms: dict[str, float] = {}

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the duration of the ``with`` block to a stage."""
        start = time.perf_counter()
        yield
        duration_ms = 1e3 * (time.perf_counter() - start)
        self.latency_ms[stage] = self.latency_ms.get(stage, 0.0) + duration_ms


class StreamClock:
    """The time of a stream, which never goes backwards and makes no large steps.

    If the camera's clock does, for example when a file begins anew, the stream continues from its
    own time: decisions depend on time differences only.
    """

    def __init__(self) -> None:
        self.now_s: float | None = None
        self._offset_s = 0.0

    def advance(self, seconds: float) -> float:
        """Return the stream's time of a frame at ``seconds`` of the camera's clock.

        Raises:
            ValueError: ``seconds`` is not a number, or too large.
        """
        if not abs(seconds) <= MAX_TIME_S:
            raise ValueError(
                f"a frame at {seconds} seconds; expected a number between {-MAX_TIME_S:g} and "
                f"{MAX_TIME_S:g}"
            )
        now_s = seconds + self._offset_s
        if self.now_s is not None and not 0 <= now_s - self.now_s <= MAX_GAP_S:
            now_s = self.now_s + (MAX_GAP_S if now_s > self.now_s else 0.0)
            self._offset_s = now_s - seconds
        self.now_s = now_s
        return now_s


class Stream(Protocol):
    """Turns the frames of one task into events.

    Attributes:
        written_kinds: kinds of events with labels to write.
        has_nested_events: a higher threshold writes a part of the events of a lower one, with
            the same probabilities.
        reading: the last answer.
        min_probability: minimum probability to write an answer.
        annotated_image: the last image with the hand or mouth marked, (H, W, 3) uint8 RGB.
    """

    written_kinds: tuple[str, ...]
    has_nested_events: bool
    reading: Reading
    min_probability: float

    @property
    def annotated_image(self) -> np.ndarray | None:
        """The last image with the hand or mouth marked; None for a signal."""

    def push(self, frame: np.ndarray, seconds: float, timer: StageTimer) -> list[Event]:
        """Read a frame at ``seconds`` of the stream and return the events."""
        ...

    def end(self, seconds: float, timer: StageTimer) -> list[Event]:
        """Return the events that the end of the stream completes."""
        ...


class SignalStream(Stream, Protocol):
    """A stream that reads samples (n, C) of a signal in windows.

    Attributes:
        channels: C.
        sample_rate: of the samples that are pushed, Hz.
        window_readings: (end in seconds, text, probability) of each window of the last push.
    """

    channels: int
    sample_rate: float
    window_readings: list[tuple[float, str, float]]

    @property
    def duration_s(self) -> float:
        """Seconds of input so far."""
        ...

    def describe_input(self) -> str:
        """Return the channels and windows in words."""
        ...

    def summarize(self) -> str:
        """Return how many windows were read, in words."""
        ...
