"""Uploaded clips, bounded in length, frame rate and size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from unvoiced.streams.trackers import MAX_TRACKED_SIDE
from unvoiced.vision.images import limit_side
from unvoiced.vision.videos import Video

MIN_FPS, MAX_FPS = 5.0, 30.0  # slower clips are refused, faster ones are thinned out


class Clip:
    """An uploaded video.

    Args:
        path: the file.
        max_s: the longest clip that is accepted, seconds.

    Attributes:
        native_fps: frame rate of the file.
        fps: frame rate of ``timed_frames``.
        duration_s: duration.

    Raises:
        ValueError: no video, a clip that is too long, or a frame rate that is too low.
    """

    def __init__(self, path: Path, max_s: float) -> None:
        self.path = path
        self.video = Video(path)
        self.native_fps, self.duration_s = self.video.fps, self.video.timing.duration_s
        self.fps = min(self.native_fps, MAX_FPS)
        if self.native_fps < MIN_FPS:
            raise ValueError(
                f"it has {_format_fps(self.native_fps)}, too few to see a sign or a word in: "
                "record it with 15 or more"
            )
        check_duration(self.duration_s, max_s)

    def timed_frames(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (seconds, image) at up to ``MAX_FPS``, of up to ``MAX_TRACKED_SIDE`` pixels."""
        due = 0.0
        for seconds, image in self.video.timed_frames():
            if seconds >= due - 1e-6:
                due = max(due, seconds - 0.5 / MAX_FPS) + 1 / MAX_FPS
                yield seconds, limit_side(image, MAX_TRACKED_SIDE)

    def resampled_frames(self, fps: float) -> Iterator[np.ndarray]:
        """Yield the images at a constant frame rate, at most ``MAX_TRACKED_SIDE``."""
        for _, image in Video(self.path, fps).frames():
            yield limit_side(image, MAX_TRACKED_SIDE)

    def describe(self) -> str:
        """Return size and frame rate in words, and those that are read if they differ."""
        _, first = next(self.video.timed_frames())
        description = f"{_format_size(first)}, {_format_fps(self.native_fps)}"
        small = limit_side(first, MAX_TRACKED_SIDE)
        changes = [_format_size(small)] if small.shape != first.shape else []
        changes += [f"{self.fps:g} a second"] if self.native_fps > 1.02 * self.fps else []
        return description + (f"; read at {' and '.join(changes)}" if changes else "")


def check_duration(seconds: float, max_s: float) -> None:
    """Refuse more than ``max_s`` seconds, with half a second of tolerance.

    Raises:
        ValueError: it is longer.
    """
    if seconds > max_s + 0.5:
        raise ValueError(f"it lasts {seconds:.0f} s, and at most {max_s:g} s are read here: cut it")


def _format_size(image: np.ndarray) -> str:
    return f"{image.shape[1]} × {image.shape[0]} pixels"


def _format_fps(fps: float) -> str:
    number = f"{fps:,.0f}" if fps >= 100 else f"{fps:.3g}"
    return f"{number} frame{'' if fps == 1 else 's'} a second"
