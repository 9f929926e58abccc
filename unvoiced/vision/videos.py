"""Video files: decoded by FFmpeg through PyAV, from the first frame on, by their time stamps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from unvoiced.files import open_regular
from unvoiced.vision.images import LARGEST_AREA, refuse_size
from unvoiced.vision.timestamps import Stamp, Timeline, in_shown_order, timing_of

MAX_RATE = 1000.0  # Hz; whatever says more is a damaged header
# What FFmpeg may take a file for: others are playlists, which name further files, or rarely tested.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,m4v,h264,hevc,asf,flv,ogg,"
    "mxf,dv,ivf,mjpeg,gif,yuv4mpegpipe"
)
# FFmpeg refuses frames of more pixels before it takes memory for them.
OPTIONS = {"max_pixels": str(int(LARGEST_AREA)), "format_whitelist": FORMATS}
ROUNDING = 1e-6  # of a frame
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
        rate: frames a second (Hz) to convert to: each is the frame that is shown at that moment by
            the file's time stamps; None for every frame of the file, once.

    Attributes:
        timing: when each frame of the file is shown.
        fps: the file's own mean frame rate, Hz.
        rate: the rate of ``frames``, Hz.
        announced: how many frames the file says it has; 0 where it does not say.

    Raises:
        ValueError: the file is missing, empty, not a video, too large, or says an impossible rate.
    """

    def __init__(self, path: str | Path, rate: float | None = None) -> None:
        self.path = Path(path)
        _refuse_unlike_video(self.path)
        with self._open() as (container, stream):
            stated = stream.average_rate or stream.guessed_rate
            stamps = in_shown_order(_stamps(container, stream))
            self.timing = timing_of(stamps, float(stated) if stated else None)
            self.fps = self.timing.fps
            self.announced = stream.frames or _expected_frames(container, self.fps)
        if len(stamps) > 1 and not 0 < self.fps <= MAX_RATE:
            raise ValueError(
                f"the file says {self.fps:g} frames a second; expected more than 0, at most "
                f"{MAX_RATE:g}. Write it again with its true rate"
            )
        self.is_resampled = rate is not None
        self.rate = self.fps if rate is None else float(rate)

    def to_output(self, frame: float) -> float:
        """Return where a frame of the file, which may be fractional, lies among ``frames``."""
        return self.timing.time_of(frame) * self.rate if self.is_resampled else frame

    def to_file(self, number: float) -> float:
        """Return the frame of the file for one of ``frames``; the inverse of ``to_output``."""
        return self.timing.frame_at(number / self.rate) if self.is_resampled else number

    def frames(self, ranges: Ranges = WHOLE, grey: bool = False) -> Frames:
        """Yield (number, image) of the frames in ``ranges``, counted at ``rate`` from 0.

        An image is (height, width, 3) uint8, red first; (height, width) with ``grey``.

        Raises:
            ValueError: no frame can be decoded; TruncatedVideoError where the file ends early.
        """
        number = 0
        for position, end_s, frame in self._shown():
            following = self._first_after(position, end_s)
            wanted = [n for n in range(number, following) if _is_in(n, ranges)]
            number = max(number, following)
            if wanted:
                image = _to_array(frame, grey)
                yield from ((n, image) for n in wanted)
            if number >= ranges[-1][1]:
                return

    def moments(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (seconds, image) of every frame of the file, as ``frames`` does."""
        for seconds, frame in self._decoded():
            yield seconds, _to_array(frame, grey=False)

    def _first_after(self, position: int, end_s: float) -> int:
        """Return the first number whose centre lies beyond a frame that ends at ``end_s``."""
        if not self.is_resampled:
            return position + 1
        return max(0, math.ceil(end_s * self.rate - 0.5 - ROUNDING))

    def _shown(self) -> Iterator[tuple[int, float, Any]]:
        """Yield the position of each frame, how long it is shown (seconds), and itself."""
        before, position = None, 0
        for seconds, frame in self._decoded():
            if before is not None:
                yield position, seconds, before[1]
                position += 1
            before = seconds, frame
        if before is not None:
            yield position, before[0] + self.timing.step_s, before[1]
        self._refuse_early_end(position + 1 if before else 0)

    def _decoded(self) -> Iterator[tuple[float, Any]]:
        """Yield (seconds, frame) in the order in which they are shown."""
        timeline, last = Timeline(self.timing.step_s), -1
        with self._open() as (container, stream):
            for frame in _decode(container, stream):
                stamp = None if frame.pts is None else frame.pts * stream.time_base
                seconds = timeline.seconds(stamp)
                if self.timing.is_even:  # without the rounding of the file
                    last = max(last + 1, round(seconds * self.fps))
                    seconds = last / self.fps
                yield seconds, frame

    def _refuse_early_end(self, decoded: int) -> None:
        if not decoded:
            raise ValueError("the video holds no frame that can be decoded")
        if decoded < 0.9 * self.announced - 1:  # some formats count from the length in seconds
            raise TruncatedVideoError(
                f"only {decoded:,} of {self.announced:,} frames can be decoded: the file is "
                "truncated or damaged"
            )

    @contextmanager
    def _open(self) -> Iterator[tuple[Any, Any]]:
        """Open the file and its first video stream."""
        try:  # FFmpeg takes no absolute path for a protocol
            container = av.open(str(self.path.absolute()), options=OPTIONS)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise ValueError("not a video that FFmpeg can decode, or its end is missing") from error
        with container:
            if not container.streams.video:
                raise ValueError("the file holds no video")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise ValueError("the video is coded in a way that FFmpeg does not decode")
            if stream.codec_context.width:
                refuse_size(stream.codec_context.width, stream.codec_context.height)
            # Starting more threads takes longer than a clip; preparing runs a process a core.
            stream.codec_context.thread_count = 1
            stream.codec_context.options = {"max_pixels": OPTIONS["max_pixels"]}
            yield container, stream


def read_video(
    path: str | Path,
    start: float | None = None,
    end: float | None = None,
    rate: float | None = None,
) -> Iterator[np.ndarray]:
    """Yield the frames of a video file between two of its frames, one after the other.

    Args:
        start, end: numbers of frames of the file, from 0, may be fractional: a frame belongs to
            [start, end) if its centre (its number and a half) does; at least one is given.
        rate: Hz to convert to; None for every frame of the file.

    Returns:
        (height, width, 3) uint8 images, red first.

    Raises:
        ValueError: as ``Video`` and its ``frames``, or the end is not after the start.
    """
    video = Video(path, rate)
    first, stop = span(start or 0.0, math.inf if end is None else end, video.to_output)
    for _, image in video.frames(((first, stop),)):
        yield image


def span(start: float, end: float, convert: Callable[[float], float] = float) -> tuple[int, float]:
    """Return the (first, stop) frames at another rate whose centres lie in [start, end).

    At least one is given.

    Args:
        start, end: frames of the file; ``end`` may be math.inf.
        convert: where a frame of the file lies at the other rate, see ``Video.to_output``.

    Raises:
        ValueError: start is negative, or end is not after start.
    """
    if not start >= 0:
        raise ValueError(f"the start, frame {start:g}, is negative")
    if not end > start:
        raise ValueError(f"the end, frame {end:g}, is not after the start, frame {start:g}")
    first = max(0, math.ceil(convert(start) - 0.5 - ROUNDING))
    if math.isinf(end):
        return first, end
    return first, max(first + 1, math.ceil(convert(end) - 0.5 - ROUNDING))


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


def _stamps(container: Any, stream: Any) -> Iterator[tuple[Stamp, Stamp]]:
    """Yield the presentation and decoding stamps of all packets with a frame, in seconds."""
    base, is_vp8 = stream.time_base, stream.codec_context.name == "vp8"
    for packet in _packets(container, stream):
        # A hidden frame of VP8, which others refer to, is not shown.
        if packet.size and not packet.is_discard and not (is_vp8 and not _is_shown(packet)):
            yield (
                None if packet.pts is None else packet.pts * base,
                None if packet.dts is None else packet.dts * base,
            )


def _is_shown(packet: Any) -> bool:
    """Return whether the frame of a VP8 packet is shown, by the fifth bit of its header."""
    return bool(memoryview(packet)[0] & 0x10)


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    """Yield packets until the file ends, or cannot be read further."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except (av.FFmpegError, OSError):  # the tail is missing; how much is checked at the end
            return
        if packet is None:
            return
        yield packet


def _decode(container: Any, stream: Any) -> Iterator[Any]:
    """Yield frames; those that are damaged are left out."""
    for packet in _packets(container, stream):
        try:
            frames = packet.decode()
        except (av.FFmpegError, OSError):
            continue
        yield from frames


def _expected_frames(container: Any, fps: float) -> int:
    """Return the number of frames by the length in the header; 0 where it has none."""
    frames = (container.duration or 0) / av.time_base * fps
    return round(frames) if 0 < frames < 1e9 else 0


def _to_array(frame: Any, grey: bool) -> np.ndarray:
    """Return (height, width, 3) uint8, red first and upright; (height, width) with ``grey``."""
    refuse_size(frame.width, frame.height)
    image = frame.to_ndarray(format="rgb24", threads=1)
    if frame.rotation % 360:
        image = np.rot90(image, round(frame.rotation / 90))
    image = np.ascontiguousarray(image)
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if grey else image


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
