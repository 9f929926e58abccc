"""Bodies of requests to the page's own routes."""

from __future__ import annotations

import math

import numpy as np
from fastapi import Request

from unvoiced.vision.images import decode_image

MAX_FRAME_BYTES = 2_000_000  # the page sends 640 pixels across, about 40 kB
MAX_FRAME_PIXELS = 4e6
FRAME_FORMATS = ("JPEG", "PNG", "WEBP")  # browsers write these; decoded in the program itself


async def read_body(request: Request, max_bytes: int, noun: str) -> bytes:
    """Return the body of a request.

    Raises:
        ValueError: it is too large.
    """
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > max_bytes:
            raise ValueError(f"The {noun} is larger than {max_bytes / 1e6:g} MB.")
    return content


def decode_frame(content: bytes, seconds: float) -> np.ndarray:
    """Return the image (H, W, 3) uint8 RGB of a frame that the page sent.

    Raises:
        ValueError: no image, one that is too large, or a time that is no number.
    """
    if not math.isfinite(seconds):
        raise ValueError(f"seconds={seconds} is not valid; expected the time of the frame.")
    return decode_image(content, MAX_FRAME_PIXELS, FRAME_FORMATS)
