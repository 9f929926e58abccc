"""Video files, decoded by FFmpeg through PyAV in the order of their time stamps."""

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
from unvoiced.vision.images import MAX_AREA, check_image_size
from unvoiced.vision.timestamps import Stamp, Timeline, measure_timing, sort_stamps

MAX_FPS = 1000.0  # a header that states more is damaged
# Formats that FFmpeg may open. Others are playlists, which name further files, or rarely tested.
VIDEO_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,m4v,h264,hevc,asf,flv,ogg,"
    "mxf,dv,ivf,mjpeg,gif,yuv4mpegpipe"
)
MAX_PIXELS = {"max_pixels": str(int(MAX_AREA))}  # FFmpeg checks it before it allocates memory
ROUNDING_FRAMES = 1e-6
# (first, stop) pairs of frame numbers, sorted and apart; a stop of math.inf is the end.
FrameRanges = Sequence[tuple[int, float]]
NumberedFrames = Iterator[tuple[int, np.ndarray]]
ALL_FRAMES: FrameRanges = ((0, math.inf),)


class TruncatedVideoError(ValueError):
    """The file ends long before the number of frames that it announces."""


class Video:
    """One video file.

    Args:
        path: the file. Alpha is dropped, and 10-bit video becomes 8-bit.
        output_fps: frames per second to convert to, by the file's time stamps; None for every
            frame of the file, once.

    Attributes:
        timing: presentation times of the file's frames.
        fps: the file's own mean frames per second.
        output_fps: frames per second of ``frames``.
        stated_frames: the number of frames that the file states; 0 if it states none.

    Raises:
        ValueError: the file is missing, empty, not a video, too large, or has an impossible rate.
    """

    def __init__(self, path: str | Path, output_fps: float | None = None) -> None:
        self.path = Path(path)
        _check_is_video(self.path)
        with self._open() as (container, stream):
            stated = stream.average_rate or stream.guessed_rate
            stamps = sort_stamps(_read_stamps(container, stream))
            self.timing = measure_timing(stamps, float(stated) if stated else None)
            self.fps = self.timing.fps
            self.stated_frames = stream.frames or _expected_frames(container, self.fps)
        if len(stamps) > 1 and not 0 < self.fps <= MAX_FPS:
            raise ValueError(
                f"the file states {self.fps:g} frames a second; expected more than 0, at most "
                f"{MAX_FPS:g}. Write it again with its true rate"
            )
        self.is_resampled = output_fps is not None
        self.output_fps = self.fps if output_fps is None else float(output_fps)

    def to_output_frame(self, frame: float) -> float:
        """Convert a frame number of the file, which may be fractional, to one of ``frames``."""
        return self.timing.time_of(frame) * self.output_fps if self.is_resampled else frame

    def to_file_frame(self, number: float) -> float:
        """Convert a number of ``frames`` to one of the file; the inverse of ``to_output_frame``."""
        return self.timing.frame_at(number / self.output_fps) if self.is_resampled else number

    def frames(self, ranges: FrameRanges = ALL_FRAMES, grey: bool = False) -> NumberedFrames:
        """Yield (number, image) of the frames in ``ranges``, counted at ``output_fps`` from 0.

        An image is (height, width, 3) uint8 RGB; (height, width) with ``grey``.

        Raises:
            ValueError: no frame can be decoded; TruncatedVideoError where the file ends early.
        """
        number = 0
        for position, end_s, frame in self._frames_until():
            following = self._first_after(position, end_s)
            numbers = [n for n in range(number, following) if _is_in_ranges(n, ranges)]
            number = max(number, following)
            if numbers:
                image = _to_array(frame, grey)
                yield from ((n, image) for n in numbers)
            if number >= ranges[-1][1]:
                return

    def timed_frames(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (seconds, image) of every frame of the file, as ``frames`` does."""
        for seconds, frame in self._decode_frames():
            yield seconds, _to_array(frame, grey=False)

    def _first_after(self, position: int, end_s: float) -> int:
        """Return the first output frame with a centre after ``end_s``."""
        if not self.is_resampled:
            return position + 1
        return max(0, math.ceil(end_s * self.output_fps - 0.5 - ROUNDING_FRAMES))

    def _frames_until(self) -> Iterator[tuple[int, float, Any]]:
        """Yield the position of each frame, the end of its presentation in seconds, and itself."""
        previous, position = None, 0
        for seconds, frame in self._decode_frames():
            if previous is not None:
                yield position, seconds, previous[1]
                position += 1
            previous = seconds, frame
        if previous is not None:
            yield position, previous[0] + self.timing.step_s, previous[1]
        self._check_end(position + 1 if previous else 0)

    def _decode_frames(self) -> Iterator[tuple[float, Any]]:
        """Yield (seconds, frame) in presentation order."""
        timeline, last = Timeline(self.timing.step_s), -1
        with self._open() as (container, stream):
            for frame in _decode_packets(container, stream):
                stamp = None if frame.pts is None else frame.pts * stream.time_base
                seconds = timeline.next_seconds(stamp)
                if self.timing.is_even:  # without the rounding of the file
                    last = max(last + 1, round(seconds * self.fps))
                    seconds = last / self.fps
                yield seconds, frame

    def _check_end(self, num_decoded: int) -> None:
        """Refuse a file that ended before the number of frames that it states."""
        if not num_decoded:
            raise ValueError("the video holds no frame that can be decoded")
        if num_decoded < 0.9 * self.stated_frames - 1:  # some headers derive it from the seconds
            raise TruncatedVideoError(
                f"only {num_decoded:,} of {self.stated_frames:,} frames can be decoded: the file "
                "is truncated or damaged"
            )

    @contextmanager
    def _open(self) -> Iterator[tuple[Any, Any]]:
        """Open the file and its first video stream."""
        options = MAX_PIXELS | {"format_whitelist": VIDEO_FORMATS}
        try:  # FFmpeg takes no absolute path for a protocol
            container = av.open(str(self.path.absolute()), options=options)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise ValueError("not a video that FFmpeg can decode, or its end is missing") from error
        with container:
            if not container.streams.video:
                raise ValueError("the file holds no video")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise ValueError("the video is coded in a way that FFmpeg does not decode")
            if stream.codec_context.width:
                check_image_size(stream.codec_context.width, stream.codec_context.height)
            # Starting more threads takes longer than a clip; preparing runs one process per core.
            stream.codec_context.thread_count = 1
            stream.codec_context.options = MAX_PIXELS
            yield container, stream


def to_frame_range(
    start: float, end: float, convert: Callable[[float], float] = float
) -> tuple[int, float]:
    """Return the (first, stop) output frames with centres in [start, end), at least one.

    Args:
        start, end: frames of the file; ``end`` may be math.inf.
        convert: converts frame numbers, see ``Video.to_output_frame``.

    Raises:
        ValueError: start is negative, or end is not after start.
    """
    if not start >= 0:
        raise ValueError(f"the start, frame {start:g}, is negative")
    if not end > start:
        raise ValueError(f"the end, frame {end:g}, is not after the start, frame {start:g}")
    first = max(0, math.ceil(convert(start) - 0.5 - ROUNDING_FRAMES))
    if math.isinf(end):
        return first, end
    return first, max(first + 1, math.ceil(convert(end) - 0.5 - ROUNDING_FRAMES))


def merge_ranges(ranges: FrameRanges) -> list[tuple[int, float]]:
    """Merge ranges that overlap or touch; the result is sorted."""
    merged: list[tuple[int, float]] = []
    for first, stop in sorted(ranges):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], stop))
        else:
            merged.append((first, stop))
    return merged


def _is_in_ranges(number: int, ranges: FrameRanges) -> bool:
    return any(first <= number < stop for first, stop in ranges)


def _read_stamps(container: Any, stream: Any) -> Iterator[tuple[Stamp, Stamp]]:
    """Yield the presentation and decoding stamps of all packets with a frame, in seconds."""
    base, is_vp8 = stream.time_base, stream.codec_context.name == "vp8"
    for packet in _read_packets(container, stream):
        # VP8 has hidden frames, which only serve as references.
        if packet.size and not packet.is_discard and not (is_vp8 and not _is_shown(packet)):
            yield (
                None if packet.pts is None else packet.pts * base,
                None if packet.dts is None else packet.dts * base,
            )


def _is_shown(packet: Any) -> bool:
    """Return whether the frame of a VP8 packet is shown, by the fifth bit of its header."""
    return bool(memoryview(packet)[0] & 0x10)


def _read_packets(container: Any, stream: Any) -> Iterator[Any]:
    """Yield packets until the file ends, or cannot be read further."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except (av.FFmpegError, OSError):  # the tail is missing; _check_end counts the frames
            return
        if packet is None:
            return
        yield packet


def _decode_packets(container: Any, stream: Any) -> Iterator[Any]:
    """Yield the frames that can be decoded."""
    for packet in _read_packets(container, stream):
        try:
            frames = packet.decode()
        except (av.FFmpegError, OSError):
            continue
        yield from frames


def _expected_frames(container: Any, fps: float) -> int:
    """Return the number of frames by the duration in the header; 0 if it states none."""
    frames = (container.duration or 0) / av.time_base * fps
    return round(frames) if 0 < frames < 1e9 else 0


def _to_array(frame: Any, grey: bool) -> np.ndarray:
    """Return (height, width, 3) uint8 RGB, upright; (height, width) with ``grey``."""
    check_image_size(frame.width, frame.height)
    image = frame.to_ndarray(format="rgb24", threads=1)
    if frame.rotation % 360:
        image = np.rot90(image, round(frame.rotation / 90))
    image = np.ascontiguousarray(image)
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if grey else image


def _check_is_video(path: Path) -> None:
    """Refuse texts before FFmpeg opens them: they may be playlists, which name other files."""
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
