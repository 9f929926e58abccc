"""The way of a camera's frames: one HTTP request each, answered before the next one is sent."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from experiments.page import markup
from experiments.page.visitors import FullError, GoneError, Visitors
from unvoiced.text import escape_controls
from unvoiced.vision.images import decode_image

FRAME_BYTES = 2_000_000  # of a frame's JPEG; the page sends 640 pixels across, about 40 kB
FRAME_AREA = 4e6  # pixels
FRAME_FORMATS = ("JPEG", "PNG", "WEBP")  # browsers write these; decoded in the program itself
Answer = Callable[[Request, ValueError], Awaitable[JSONResponse]]


class BusyError(ValueError):
    """A visitor's frame came while the one before is still being read."""


KEYS = {"space": "space", "backspace": "del"}  # the page's buttons, and the signs that do the same
STATUS = {GoneError: 410, FullError: 503, BusyError: 429, ValueError: 422}


def add_camera(app: FastAPI, visitors: Visitors) -> None:
    """The routes below /camera: enter, frame, clear, type and leave."""
    for kind, status in STATUS.items():
        app.add_exception_handler(kind, _answer(status))  # type: ignore[arg-type]

    # Frames that wait for a core are answered sooner than frames that share one.
    cores = CapacityLimiter(os.cpu_count() or 1)

    @app.post("/camera/enter")
    def enter() -> dict[str, str]:
        return {"visitor": visitors.enter()}

    @app.post("/camera/frame/{key}")
    async def frame(key: str, seconds: float, request: Request) -> JSONResponse:
        visitor = visitors.find(key)
        content = await _body(request)
        return JSONResponse(await run_sync(_read, visitor, content, seconds, limiter=cores))

    @app.post("/camera/clear/{key}")
    def clear(key: str) -> dict[str, str]:
        visitor = visitors.find(key)
        with visitor.lock:
            visitor.refuse_gone()
            visitor.engine.clear()
        return {"text": ""}

    @app.post("/camera/type/{key}")
    def press(key: str, name: Literal["space", "backspace"]) -> dict[str, str]:
        visitor = visitors.find(key)
        with visitor.lock:
            visitor.refuse_gone()
            visitor.engine.type(KEYS[name])
            return {"text": markup.words(visitor.engine.text)}

    @app.post("/camera/leave/{key}")
    def leave(key: str) -> dict[str, str]:
        visitors.leave(key)
        return {}


def _read(visitor: Any, content: bytes, seconds: float) -> dict[str, Any]:
    """What one frame changed, in plain data."""
    if not math.isfinite(seconds):
        raise ValueError(f"seconds={seconds}: expected the time of the frame.")
    if not visitor.lock.acquire(blocking=False):
        visitor.refuse_gone()
        raise BusyError("The frame before is still being read: send the next one afterwards.")
    try:
        visitor.refuse_gone()
        begun = time.perf_counter()
        picture = decode_image(content, FRAME_AREA, FRAME_FORMATS)
        decoded = time.perf_counter()
        engine = visitor.engine
        events = engine.push(picture, seconds)
        read = time.perf_counter()
        seen = engine.seen
        latency = {"decode": decoded - begun, "model": read - decoded}
        return {
            "text": markup.words(engine.text),
            "top": [(markup.words(label), round(float(p), 4)) for label, p in engine.top],
            "sure": bool(engine.top) and engine.top[0][1] >= engine.min_probability,
            "events": [
                {"kind": event.kind, "label": markup.words(event.label)} for event in events
            ],
            "seen": None if seen is None else markup.data_url(seen),
            "found": seen is not None and seen is not picture,  # else nothing is marked in it
            "ms": {name: round(1000 * value, 2) for name, value in latency.items()}
            | {name: round(float(value), 2) for name, value in engine.latency_ms.items()},
        }
    finally:
        visitor.lock.release()


async def _body(request: Request) -> bytes:
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > FRAME_BYTES:
            raise ValueError(f"The frame is larger than {FRAME_BYTES / 1e6:g} MB.")
    return content


def _answer(status: int) -> Answer:
    async def answer(_: Request, error: ValueError) -> JSONResponse:
        return JSONResponse({"error": escape_controls(str(error))}, status)

    return answer
