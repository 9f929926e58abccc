"""Bodies of requests to the page's own routes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import Request
from fastapi.responses import JSONResponse

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


async def answer_frame(
    request: Request, read_frame: Callable[[bytes], dict[str, Any]], cores: CapacityLimiter
) -> JSONResponse:
    """Read the frame of a request in a thread; ``cores`` bounds the threads.

    Raises:
        ValueError: the frame is too large, or ``read_frame`` refuses it.
    """
    content = await read_body(request, MAX_FRAME_BYTES, "frame")
    return JSONResponse(await run_sync(read_frame, content, limiter=cores))


def decode_frame(content: bytes, seconds: float) -> np.ndarray:
    """Return the image (H, W, 3) uint8 RGB of a frame that the page sent.

    Raises:
        ValueError: no image, one that is too large, or a time that is no number.
    """
    if not math.isfinite(seconds):
        raise ValueError(f"seconds={seconds} is not valid; expected the time of the frame.")
    return decode_image(content, MAX_FRAME_PIXELS, FRAME_FORMATS)
