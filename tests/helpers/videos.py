"""Write video files."""

from __future__ import annotations

import cv2
import numpy as np


def write_video(path, pictures, rate=25.0, code="FFV1"):
    """(H, W, 3) uint8 pictures, red first, as a video; FFV1 in .mkv or .avi loses nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = pictures[0].shape[1::-1] if len(pictures) else (32, 16)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*code), rate, size)
    assert writer.isOpened()
    for picture in pictures:
        writer.write(np.ascontiguousarray(picture[..., ::-1]))
    writer.release()
    return path


def make_gray_images(frames, shape=(16, 32)):
    """Pictures that say their number: grey, 10 a frame."""
    return [np.full((*shape, 3), 10 * number, np.uint8) for number in range(frames)]


def make_noise_images(frames, shape=(48, 64)):
    """Pictures that do not compress away."""
    return list(np.random.default_rng(0).integers(0, 255, (frames, *shape, 3), np.uint8))
