"""Streams with the text that a model should write, if any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class SpokenWord:
    """A letter or word of a stream.

    Attributes:
        label: the expected text.
        start_s, stop_s: seconds of the stream.
    """

    label: str
    start_s: float
    stop_s: float


@dataclass(frozen=True)
class RecordedStream:
    """Frames that an engine reads from first to last.

    Attributes:
        kind: content of the stream, such as ``resting face``.
        frames: (T, *frame_shape) as a prepared set stores them; of a signal in µV.
        fps: frames or samples per second.
        words: the expected text; empty for nothing.
        is_talk: the person says or signs words that the model does not know.
        is_simulated: a simulator made the frames.
        settings: of the stream class that reads the frames.
    """

    kind: str
    frames: np.ndarray = field(repr=False)
    fps: float
    words: tuple[SpokenWord, ...] = ()
    is_talk: bool = False
    is_simulated: bool = True
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def duration_s(self) -> float:
        """The length of the stream, seconds."""
        return len(self.frames) / self.fps

    def iterate_chunks(self, size_s: float | None) -> Iterator[tuple[float, np.ndarray]]:
        """Yield seconds and frames (n, *frame_shape) of ``size_s``; None: frames one by one."""
        size = 1 if size_s is None else max(1, round(size_s * self.fps))
        for first in range(0, len(self.frames), size):
            chunk = self.frames[first : first + size]
            seconds = (first + len(chunk) - 1) / self.fps
            yield seconds, chunk[0] if size_s is None else chunk


class Silence(Protocol):
    """Streams of one task.

    Args:
        classes: labels that the model knows.
        metadata: of the model: ``frame`` with ``shape`` and ``rate``, and ``reader``.
    """

    def __init__(self, classes: Sequence[str], metadata: dict[str, Any]) -> None: ...

    def simulate_silence(self, seconds: float, seed: int) -> Iterator[RecordedStream]:
        """Yield streams of each kind of at least so many seconds, without a word of the model."""
        ...

    def simulate_words(self, seconds: float, seed: int) -> Iterator[RecordedStream]:
        """Yield streams with words of the model; none if it cannot."""
        ...

    def arrange_recording(self, label: str, frames: np.ndarray, kind: str) -> RecordedStream:
        """Return a recording (T, *frame_shape) of a prepared set as a stream."""
        ...


def smooth_noise(
    frames: int, width: int, rng: np.random.Generator, fps: float, period_s: float
) -> np.ndarray:
    """Return slow random movement (frames, width) of about unit deviation.

    Args:
        frames, width: the shape.
        rng: draws the movement.
        fps: frames per second.
        period_s: seconds between two independent values.
    """
    knots = int(frames / fps / period_s) + 3
    values = rng.standard_normal((knots, width))
    times = np.arange(frames) / fps / period_s + rng.random()
    before = times.astype(int)
    share = times - before
    share = (share * share * (3 - 2 * share))[:, None]
    return values[before] * (1 - share) + values[before + 1] * share


def ease_between(times: np.ndarray, start_s: float, stop_s: float, ramp_s: float) -> np.ndarray:
    """Return a smooth bump (times,) that is 1 between two times, with ramps around them."""
    up = np.clip((times - start_s) / ramp_s + 1, 0, 1)
    down = np.clip((stop_s - times) / ramp_s + 1, 0, 1)
    rise = np.minimum(up, down)
    return rise * rise * (3 - 2 * rise)
