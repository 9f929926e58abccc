"""Clips that somebody hands in: bounded in length, rate and size, whatever the file says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from unvoiced.eyes import LARGEST
from unvoiced.vision.images import limit_side
from unvoiced.vision.videos import Video

SLOWEST_HZ, FASTEST_HZ = 5.0, 30.0  # slower clips are refused, of faster ones a part is read


class Clip:
    """A video as it is read here.

    Args:
        path: the file.
        max_s: seconds that are read at most.

    Attributes:
        fps: its own frames a second (Hz).
        rate: of ``timed_frames``, Hz.
        seconds: how long it is.

    Raises:
        ValueError: no video, one that is too long, or one of too few frames a second.
    """

    def __init__(self, path: Path, max_s: float) -> None:
        self.path, self.max_s = path, max_s
        self.video = Video(path)
        self.fps, self.seconds = self.video.fps, self.video.timing.duration_s
        self.rate = min(self.fps, FASTEST_HZ)
        if self.fps < SLOWEST_HZ:
            raise ValueError(
                f"it has {_frames_a_second(self.fps)}, too few to see a sign or a word in: "
                "record it with 15 or more"
            )
        refuse_long(self.seconds, max_s)

    def timed_frames(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (seconds, image), at most ``FASTEST_HZ``: (H, W, 3) uint8, at most ``LARGEST``."""
        due = 0.0
        for seconds, image in self.video.timed_frames():
            if seconds >= due - 1e-6:
                due = max(due, seconds - 0.5 / FASTEST_HZ) + 1 / FASTEST_HZ
                yield seconds, limit_side(image, LARGEST)

    def frames(self, rate: float) -> Iterator[np.ndarray]:
        """Yield the images at an even rate (Hz), at most ``LARGEST``."""
        for _, image in Video(self.path, rate).frames():
            yield limit_side(image, LARGEST)

    def described(self) -> str:
        """Return its size and rate, and those that it is read at where they differ."""
        _, first = next(self.video.timed_frames())
        said = f"{_size(first)} pixels, {_frames_a_second(self.fps)}"
        small = limit_side(first, LARGEST)
        changed = [f"{_size(small)} pixels"] if small.shape != first.shape else []
        changed += [f"{self.rate:g} a second"] if self.fps > 1.02 * self.rate else []
        return said + (f"; read at {' and '.join(changed)}" if changed else "")


def refuse_long(seconds: float, max_s: float) -> None:
    """Refuse more than ``max_s`` seconds, with half a second's grace.

    Raises:
        ValueError: it is longer.
    """
    if seconds > max_s + 0.5:
        raise ValueError(f"it lasts {seconds:.0f} s, and at most {max_s:g} s are read here: cut it")


def _size(image: np.ndarray) -> str:
    return f"{image.shape[1]} × {image.shape[0]}"


def _frames_a_second(rate: float) -> str:
    return f"{rate:.3g} frame{'' if rate == 1 else 's'} a second"
