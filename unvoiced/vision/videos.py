"""Video files, frame by frame, from the first one on: seeking is not exact in most formats."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from unvoiced.files import open_regular
from unvoiced.vision.mediapipe_tasks import quiet_stderr

# FFmpeg reads it at the first video; the errors here say what it would say on stderr.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

MAX_RATE = 1000.0  # Hz; whatever says more is a damaged header
# (first, stop) pairs of frame numbers, in order and apart; stop may be math.inf, "to the end".
Ranges = Sequence[tuple[int, float]]
Frames = Iterator[tuple[int, np.ndarray]]
WHOLE: Ranges = ((0, math.inf),)


class TruncatedVideoError(ValueError):
    """The file ends long before the number of frames that it announces."""


class Video:
    """One video file.

    Args:
        path: the file. Alpha is dropped, and 10-bit video becomes 8-bit.
        rate: frames a second (Hz) to convert to, by the nearest frame; None for the file's own.

    Attributes:
        fps: the file's own rate, Hz.
        rate: the rate of ``frames``, Hz.
        announced: how many frames the file says it has; 0 where it does not say.

    Raises:
        ValueError: the file is missing, empty, not a video, or says an impossible rate.
    """

    def __init__(self, path: str | Path, rate: float | None = None) -> None:
        self.path = Path(path)
        video = self._open()
        self.fps, announced = video.get(cv2.CAP_PROP_FPS), video.get(cv2.CAP_PROP_FRAME_COUNT)
        video.release()
        if not 0 < self.fps <= MAX_RATE:  # NaN too
            raise ValueError(
                f"the file says {self.fps:g} frames a second; expected more than 0, at most "
                f"{MAX_RATE:g}. Write it again with its true rate"
            )
        self.rate = self.fps if rate is None else float(rate)
        self.announced = int(announced) if 0 < announced < 1e9 else 0

    @property
    def scale(self) -> float:
        """Frames of ``frames`` a frame of the file."""
        return self.rate / self.fps

    def frames(self, ranges: Ranges = WHOLE, grey: bool = False) -> Frames:
        """(number, picture) of the frames in ``ranges``, counted at ``rate`` from 0.

        A picture is (height, width, 3) uint8, red first; (height, width) with ``grey``.

        Raises:
            ValueError: no frame can be decoded; TruncatedVideoError where the file ends early.
        """
        video, code = self._open(), cv2.COLOR_BGR2GRAY if grey else cv2.COLOR_BGR2RGB
        number = decoded = 0
        try:
            while number < ranges[-1][1]:
                if not video.grab():
                    self._refuse_early_end(decoded)
                    return
                decoded += 1
                following = self._first_after(decoded)
                wanted = [n for n in range(number, following) if _is_in(n, ranges)]
                number = following
                if wanted:
                    picture = self._retrieve(video, decoded, code)
                    yield from ((n, picture) for n in wanted)
        finally:
            video.release()

    def _first_after(self, decoded: int) -> int:
        """The first frame at ``rate`` whose centre lies beyond ``decoded`` frames of the file."""
        return max(0, math.ceil(decoded * self.scale - 0.5))

    def _retrieve(self, video: cv2.VideoCapture, decoded: int, code: int) -> np.ndarray:
        read, picture = video.retrieve()
        if not read or picture.ndim != 3 or picture.dtype != np.uint8:
            raise ValueError(f"frame {decoded} cannot be decoded as a colour picture")
        return cv2.cvtColor(picture, code)

    def _refuse_early_end(self, decoded: int) -> None:
        if not decoded:
            raise ValueError("the video holds no frame that can be decoded")
        if decoded < 0.9 * self.announced - 1:  # some formats count from the length in seconds
            raise TruncatedVideoError(
                f"only {decoded:,} of {self.announced:,} frames can be decoded: the file is "
                "truncated or damaged"
            )

    def _open(self) -> cv2.VideoCapture:
        _refuse_unlike_video(self.path)
        with quiet_stderr():
            # FFmpeg takes no absolute path for a protocol. One thread: starting more takes longer
            # than a clip, and preparing runs a process a core.
            options = [cv2.CAP_PROP_N_THREADS, 1]
            video = cv2.VideoCapture(str(self.path.absolute()), cv2.CAP_FFMPEG, options)
        if not video.isOpened():
            raise ValueError("not a video that OpenCV can decode, or its end is missing")
        return video


def read_video(
    path: str | Path,
    start: float | None = None,
    end: float | None = None,
    rate: float | None = None,
) -> Iterator[np.ndarray]:
    """The frames of a video file between two of its frames, one after the other.

    Args:
        start, end: numbers of frames of the file, from 0, may be fractional: a frame belongs to
            [start, end) if its centre (its number and a half) does; at least one is given.
        rate: Hz to convert to by the nearest frame; None for the file's own.

    Returns:
        (height, width, 3) uint8 pictures, red first.

    Raises:
        ValueError: as ``Video`` and its ``frames``, or the end is not after the start.
    """
    video = Video(path, rate)
    first, stop = span(start or 0.0, math.inf if end is None else end, video.scale)
    for _, picture in video.frames(((first, stop),)):
        yield picture


def span(start: float, end: float, scale: float = 1.0) -> tuple[int, float]:
    """The (first, stop) frames at another rate whose centres lie in [start, end); at least one.

    Args:
        start, end: frames of the file; ``end`` may be math.inf.
        scale: frames at the other rate a frame of the file.

    Raises:
        ValueError: start is negative, or end is not after start.
    """
    if not start >= 0:
        raise ValueError(f"the start, frame {start:g}, is negative")
    if not end > start:
        raise ValueError(f"the end, frame {end:g}, is not after the start, frame {start:g}")
    first = max(0, math.ceil(start * scale - 0.5))
    stop = end if math.isinf(end) else max(first + 1, math.ceil(end * scale - 0.5))
    return first, stop


def merged(spans: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """The same frames as ranges: in order, none touching the next."""
    ranges: list[tuple[int, float]] = []
    for first, stop in sorted(spans):
        if ranges and first <= ranges[-1][1]:
            ranges[-1] = (ranges[-1][0], max(ranges[-1][1], stop))
        else:
            ranges.append((first, stop))
    return ranges


def _is_in(number: int, ranges: Ranges) -> bool:
    return any(first <= number < stop for first, stop in ranges)


def _refuse_unlike_video(path: Path) -> None:
    """Refuse what FFmpeg should not see: a text may be a playlist that names other files."""
    with open_regular(path) as file:
        head = file.read(512)
    if not head:
        raise ValueError("the file is empty")
    if all(byte >= 32 or byte in b"\t\n\r\f" for byte in head) and _is_utf8(head):
        raise ValueError("not a video but a text")


def _is_utf8(head: bytes) -> bool:
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4 and len(head) == 512  # a letter cut in two
    return True
