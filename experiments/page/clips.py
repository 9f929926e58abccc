"""Clips that somebody hands in: bounded in length, rate and size, whatever the file says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from unvoiced.eyes import LARGEST
from unvoiced.vision.images import limit_side
from unvoiced.vision.mediapipe_tasks import quiet_stderr
from unvoiced.vision.videos import Video

SLOWEST_HZ, FASTEST_HZ = 5.0, 30.0  # slower clips are refused, of faster ones a part is read
# What browsers record has no even rate, and may say 1000 frames a second: of such files, and of
# slow motion, the time of each frame is looked at.
BELIEVED_HZ, UNEVEN = 120.0, (".webm", ".mkv")


class Clip:
    """A video as it is read here.

    Args:
        path: the file.
        max_s: seconds that are read at most.

    Attributes:
        fps: its own frames a second (Hz).
        rate: of ``frames``, Hz.
        seconds: how long it is; 0 where the file does not say.

    Raises:
        ValueError: no video, one that is too long, or one of too few frames a second.
    """

    def __init__(self, path: Path, max_s: float) -> None:
        self.path, self.max_s = path, max_s
        video = Video(path)
        uneven = video.fps > BELIEVED_HZ or path.suffix.lower() in UNEVEN
        self._times = _times(path, max_s) if uneven else None
        if self._times is None:
            self.fps, self.seconds = video.fps, video.announced / video.fps
        else:
            self.seconds = self._times[-1]
            self.fps = (len(self._times) - 1) / self.seconds if self.seconds else video.fps
        self.rate = min(self.fps, FASTEST_HZ)
        if self.fps < SLOWEST_HZ:
            raise ValueError(
                f"it has {_frames_a_second(self.fps)}, too few to see a sign or a word in: "
                "record it with 15 or more"
            )
        refuse_long(self.seconds, max_s)

    def frames(self) -> Iterator[tuple[float, np.ndarray]]:
        """(seconds, picture) at ``rate``: (H, W, 3) uint8, red first, at most ``LARGEST``."""
        if self._times is None:
            count = round(self.max_s * self.rate)
            for number, picture in Video(self.path, self.rate).frames(((0, count),)):
                yield number / self.rate, limit_side(picture, LARGEST)
            return
        due = 0.0
        pictures = (picture for _, picture in Video(self.path).frames())
        for seconds, picture in zip(self._times, pictures, strict=False):
            if seconds >= due:
                due = seconds + 0.75 / FASTEST_HZ  # uneven ones of a slow camera are all taken
                yield seconds, limit_side(picture, LARGEST)

    def described(self) -> str:
        """Its size and rate, and those that it is read at where they are others."""
        _, first = next(Video(self.path).frames(((0, 1),)))
        said = f"{_size(first)} pixels, {_frames_a_second(self.fps)}"
        small = limit_side(first, LARGEST)
        changed = [f"{_size(small)} pixels"] if small.shape != first.shape else []
        changed += [f"{self.rate:g} a second"] if self.fps > 1.02 * self.rate else []
        said += f"; read at {' and '.join(changed)}" if changed else ""
        return said if self.seconds else f"{said}; no more than {self.max_s:g} s of it are read"


def refuse_long(seconds: float, max_s: float) -> None:
    """Complain of more than ``max_s`` seconds, with half a second's grace.

    Raises:
        ValueError: it is longer.
    """
    if seconds > max_s + 0.5:
        raise ValueError(f"it lasts {seconds:.0f} s, and at most {max_s:g} s are read here: cut it")


def _times(path: Path, max_s: float) -> list[float]:
    """Seconds of each frame, as the file has them, until it is clear that there are too many."""
    with quiet_stderr():
        video = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
    found: list[float] = []
    try:
        while video.grab() and (not found or found[-1] - found[0] < max_s + 1):
            found.append(video.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    finally:
        video.release()
    if not found:
        raise ValueError("the video holds no frame that can be decoded")
    return [seconds - found[0] for seconds in found]


def _size(picture: np.ndarray) -> str:
    return f"{picture.shape[1]} × {picture.shape[0]}"


def _frames_a_second(rate: float) -> str:
    return f"{rate:.3g} frame{'' if rate == 1 else 's'} a second"
