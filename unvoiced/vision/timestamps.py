"""Presentation times of video frames, from the time stamps of a file."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

MAX_GAP_S = 60.0  # a frame that is shown for longer has a damaged time stamp
RESET_S = 1.0  # time stamps that go back by more begin anew; by less they are inexact
DEFAULT_FPS = 25.0
Stamp = Fraction | float | None  # seconds; None if the file does not state it


class Timeline:
    """Seconds since the first frame, never decreasing.

    Args:
        step_s: duration of a frame without a time stamp, or after a reset of the stamps.
    """

    def __init__(self, step_s: float) -> None:
        self.step_s = step_s
        self._offset: float | None = None
        self._last = 0.0

    def next_seconds(self, stamp: Stamp) -> float:
        """Return the time of the next frame, which has this stamp.

        Raises:
            ValueError: the gap since the last frame is too long.
        """
        if self._offset is None:
            self._offset = -float(stamp or 0.0)
            return 0.0
        now = self._last + self.step_s if stamp is None else float(stamp) + self._offset
        if now < self._last - RESET_S:
            self._offset += self._last + self.step_s - now
            now = self._last + self.step_s
        if not now - self._last <= MAX_GAP_S:
            raise ValueError(
                f"no frame comes between {self._last:.1f} s and {now:.1f} s of the video; expected "
                f"one every {MAX_GAP_S:g} s or more often. Convert it to an even frame rate"
            )
        self._last = max(now, self._last)
        return self._last


@dataclass(frozen=True)
class Timing:
    """Presentation times of the frames of a file.

    Attributes:
        times: (n,) seconds since the first frame.
        step_s: duration of the last frame, seconds.
        fps: mean frames per second.
        is_even: whether all frames are shown equally long.
    """

    times: np.ndarray
    step_s: float
    fps: float
    is_even: bool

    @property
    def duration_s(self) -> float:
        """End of the last frame, seconds."""
        return float(self.times[-1]) + self.step_s if len(self.times) else 0.0

    def time_of(self, frame: float) -> float:
        """Return the seconds of a frame number, which may be fractional or beyond the end."""
        if self.is_even or math.isinf(frame):
            return frame / self.fps
        edges = np.append(self.times, self.duration_s)
        beyond = max(0.0, frame - len(self.times))
        return float(np.interp(frame, np.arange(len(edges)), edges)) + beyond * self.step_s

    def frame_at(self, seconds: float) -> float:
        """Return the number of the frame at a time; the inverse of ``time_of``."""
        if self.is_even or math.isinf(seconds):
            return seconds * self.fps
        edges = np.append(self.times, self.duration_s)
        beyond = max(0.0, seconds - self.duration_s)
        return float(np.interp(seconds, edges, np.arange(len(edges)))) + beyond / self.step_s


def measure_timing(stamps: list[Stamp], stated_fps: float | None) -> Timing:
    """Return the timing of frames with these stamps, in presentation order.

    Args:
        stamps: of each frame.
        stated_fps: the frame rate in the file's header, which may be wrong; None if missing.

    Raises:
        ValueError: the gap between two frames is too long.
    """
    if len(stamps) == 1 and not 0 < (stated_fps or 0.0) <= 120:
        stated_fps = DEFAULT_FPS  # one frame has no distances that would correct the header
    timeline = Timeline(1 / (stated_fps or DEFAULT_FPS))
    times = np.array([timeline.next_seconds(stamp) for stamp in stamps], float)
    span_s = times[-1] if len(times) else 0.0
    measured = (len(times) - 1) / span_s if span_s > 0 else None
    numbers = np.arange(len(times))
    for fps in (stated_fps, measured):
        # A deviation below a quarter of a frame is the rounding of the file.
        if fps and np.abs(times * fps - numbers).max(initial=0.0) <= 0.25:
            return Timing(numbers / fps, 1 / fps, fps, True)
    fps = measured or stated_fps or 0.0
    step_s = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    return Timing(times, step_s or (1 / fps if fps else 0.0), fps, False)


def sort_stamps(stamps: Iterable[tuple[Stamp, Stamp]]) -> list[Stamp]:
    """Return the presentation stamps in presentation order.

    Args:
        stamps: (presentation, decoding) of each packet, in the order of the file. Decoding stamps
            that go back mark joined files; their frames are sorted separately.
    """
    parts: list[list[Stamp]] = [[]]
    previous: Stamp = None
    for shown, decoded in stamps:
        if decoded is not None:
            if previous is not None and decoded < previous - RESET_S:
                parts.append([])
            previous = decoded
        parts[-1].append(decoded if shown is None else shown)
    for part in parts:
        if None not in part:
            part.sort()  # type: ignore[type-var]
    return [stamp for part in parts for stamp in part]
