"""When the frames of a video are shown, by the time stamps of its file."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

LONGEST_GAP_S = 60.0  # a frame that is shown for longer is taken for a damaged time stamp
RESET_S = 1.0  # time stamps that go back by more begin anew; by less they are inexact
TOLERANCE = 0.25  # of a frame: less deviation from an even rate is the rounding of the file
USUAL_HZ, BELIEVED_HZ = 25.0, 120.0  # of a single frame
Stamp = Fraction | float | None  # seconds; None where the file does not say


class Timeline:
    """Seconds from the first frame on, never going back.

    Args:
        step_s: a frame's time, where its stamp is missing or begins anew.
    """

    def __init__(self, step_s: float) -> None:
        self.step_s = step_s
        self._offset: float | None = None
        self._last = 0.0

    def seconds(self, stamp: Stamp) -> float:
        """Return the time of the next frame.

        Raises:
            ValueError: no frame comes for too long.
        """
        if self._offset is None:
            self._offset = -float(stamp or 0.0)
            return 0.0
        now = self._last + self.step_s if stamp is None else float(stamp) + self._offset
        if now < self._last - RESET_S:
            self._offset += self._last + self.step_s - now
            now = self._last + self.step_s
        if not now - self._last <= LONGEST_GAP_S:
            raise ValueError(
                f"no frame comes between {self._last:.1f} s and {now:.1f} s of the video; expected "
                f"one every {LONGEST_GAP_S:g} s or more often. Convert it to an even frame rate"
            )
        self._last = max(now, self._last)
        return self._last


@dataclass(frozen=True)
class Timing:
    """When each frame of a file is shown.

    ``times`` (n,) are seconds from the first frame on, ``step_s`` is how long the last one is
    shown, ``fps`` the mean frame rate, and ``is_even`` whether all frames are shown equally long.
    """

    times: np.ndarray
    step_s: float
    fps: float
    is_even: bool

    @property
    def duration_s(self) -> float:
        """The end of the last frame."""
        return float(self.times[-1]) + self.step_s if len(self.times) else 0.0

    def time_of(self, frame: float) -> float:
        """Return the seconds at a frame's number, which may be fractional or beyond the end."""
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


def timing_of(stamps: list[Stamp], stated_fps: float | None) -> Timing:
    """Return the timing of frames with these stamps, in the order in which they are shown.

    Args:
        stamps: of each frame.
        stated_fps: the frame rate in the file's header, which may be wrong; None without one.

    Raises:
        ValueError: no frame comes for too long.
    """
    if len(stamps) == 1 and not 0 < (stated_fps or 0.0) <= BELIEVED_HZ:
        stated_fps = USUAL_HZ
    timeline = Timeline(1 / (stated_fps or USUAL_HZ))
    times = np.array([timeline.seconds(stamp) for stamp in stamps], float)
    span_s = times[-1] if len(times) else 0.0
    measured = (len(times) - 1) / span_s if span_s > 0 else None
    numbers = np.arange(len(times))
    for fps in (stated_fps, measured):
        if fps and np.abs(times * fps - numbers).max(initial=0.0) <= TOLERANCE:
            return Timing(numbers / fps, 1 / fps, fps, True)
    fps = measured or stated_fps or 0.0
    step_s = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    return Timing(times, step_s or (1 / fps if fps else 0.0), fps, False)


def in_shown_order(stamps: Iterable[tuple[Stamp, Stamp]]) -> list[Stamp]:
    """Return the presentation stamps in the order in which the frames are shown.

    Args:
        stamps: (presentation, decoding) of each packet, in the order of the file. Where decoding
            stamps go back, the file is two that were joined, and their frames are kept apart.
    """
    parts: list[list[Stamp]] = [[]]
    before: Stamp = None
    for shown, decoded in stamps:
        if decoded is not None:
            if before is not None and decoded < before - RESET_S:
                parts.append([])
            before = decoded
        parts[-1].append(decoded if shown is None else shown)
    return [stamp for part in parts for stamp in _sorted(part)]


def _sorted(stamps: list[Stamp]) -> list[Stamp]:
    if any(stamp is None for stamp in stamps):
        return stamps
    return sorted(stamps)  # type: ignore[type-var]
