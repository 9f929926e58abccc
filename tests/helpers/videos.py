"""Write and read video files."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from unvoiced.vision.videos import Video, to_frame_range


def write_video(path, images, rate=25.0, code="FFV1"):
    """Write (H, W, 3) uint8 RGB images as a video; FFV1 in .mkv or .avi is lossless."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = images[0].shape[1::-1] if len(images) else (32, 16)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*code), rate, size)
    assert writer.isOpened()
    for image in images:
        writer.write(np.ascontiguousarray(image[..., ::-1]))
    writer.release()
    return path


def write_webm(
    path: Path, images: list[np.ndarray], fps: int, times_ms: list[int] | None = None
) -> Path:
    """Write images (H, W, 3) uint8 RGB as a video that browsers open, shown from these times on."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=fps)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "4", "b": "8M", "g": "3"}
        if times_ms is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            if times_ms is not None:
                frame.pts, frame.time_base = times_ms[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def make_gray_images(frames, shape=(16, 32)):
    """Return gray images whose brightness is 10 times their number."""
    return [np.full((*shape, 3), 10 * number, np.uint8) for number in range(frames)]


def make_noise_images(frames, shape=(48, 64)):
    """Return images of noise, which do not compress."""
    return list(np.random.default_rng(0).integers(0, 255, (frames, *shape, 3), np.uint8))


def read_video(
    path: Path,
    start: float | None = None,
    end: float | None = None,
    output_fps: float | None = None,
) -> Iterator[np.ndarray]:
    """Yield the (H, W, 3) uint8 RGB frames whose centres lie in [start, end) of the file's own."""
    video = Video(path, output_fps)
    stop = math.inf if end is None else end
    frame_range = to_frame_range(start or 0.0, stop, video.to_output_frame)
    for _, image in video.frames((frame_range,)):
        yield image
