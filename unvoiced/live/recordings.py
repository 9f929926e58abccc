"""Recordings that are complete, read as if they were being made: frames, landmarks, signals."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from unvoiced.vision.images import load_image

LANDMARK_FPS = 30.0  # files of landmarks do not state a frame rate
CHUNK_S = 0.25  # of a signal that is read at once


class FrameSequence:
    """Frames of a clip in order, each with its time.

    Args:
        frames: image files, or arrays that an engine reads.
        rate: frames per second.
        paced: as fast as they were recorded; else as fast as they are read.
    """

    def __init__(
        self, frames: Sequence[Path] | np.ndarray, rate: float, paced: bool = False
    ) -> None:
        self.frames, self.rate, self.paced = frames, rate, paced

    def timed_frames(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield frames with their times, in seconds.

        Raises:
            ValueError: an image cannot be read.
        """
        begun = time.monotonic()
        for number, frame in enumerate(self.frames):
            seconds = number / self.rate
            if self.paced:
                time.sleep(max(0.0, seconds - (time.monotonic() - begun)))
            yield seconds, load_image(frame) if isinstance(frame, Path) else frame


class Recording:
    """A signal in memory, given in chunks.

    Args:
        samples: (T, C), as recorded.
        rate: Hz.
    """

    def __init__(self, samples: np.ndarray, rate: float) -> None:
        self.samples, self.size = samples, max(1, round(CHUNK_S * rate))

    def chunks(self) -> Iterator[np.ndarray]:
        """Yield (n, C) samples in order."""
        for first in range(0, len(self.samples), self.size):
            yield self.samples[first : first + self.size]
