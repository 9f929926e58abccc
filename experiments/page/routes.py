"""HTTP routes of the camera: one request per frame, answered before the next one is sent."""

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
from experiments.page.sessions import PoolFullError, Session, SessionExpiredError, SessionPool
from unvoiced.text import escape_controls
from unvoiced.vision.images import decode_image

MAX_FRAME_BYTES = 2_000_000  # the page sends 640 pixels across, about 40 kB
MAX_FRAME_PIXELS = 4e6
FRAME_FORMATS = ("JPEG", "PNG", "WEBP")  # browsers write these; decoded in the program itself
TYPED_LABELS = {"space": "space", "backspace": "del"}  # button → the sign that does the same
ErrorHandler = Callable[[Request, ValueError], Awaitable[JSONResponse]]


class SessionBusyError(ValueError):
    """A frame arrived while the previous one of its session is being read."""


STATUS_CODES = {SessionExpiredError: 410, PoolFullError: 503, SessionBusyError: 429}


def add_camera_routes(app: FastAPI, pool: SessionPool) -> None:
    """Add the routes below /camera: enter, frame, clear, type and leave."""
    for kind, status in {**STATUS_CODES, ValueError: 422}.items():
        app.add_exception_handler(kind, _make_error_handler(status))  # type: ignore[arg-type]

    # Frames that wait for a core are answered sooner than frames that share one.
    cores = CapacityLimiter(os.cpu_count() or 1)

    @app.post("/camera/enter")
    def open_session() -> dict[str, str]:
        return {"session": pool.open_session()}

    @app.post("/camera/frame/{key}")
    async def read_frame(key: str, seconds: float, request: Request) -> JSONResponse:
        session = pool.get_session(key)
        content = await _read_body(request)
        return JSONResponse(await run_sync(_read_frame, session, content, seconds, limiter=cores))

    @app.post("/camera/clear/{key}")
    def clear_text(key: str) -> dict[str, str]:
        session = pool.get_session(key)
        with session.lock:
            session.require_open()
            session.engine.clear()
        return {"text": ""}

    @app.post("/camera/type/{key}")
    def type_label(key: str, name: Literal["space", "backspace"]) -> dict[str, str]:
        session = pool.get_session(key)
        with session.lock:
            session.require_open()
            session.engine.type(TYPED_LABELS[name])
            return {"text": markup.format_label(session.engine.text)}

    @app.post("/camera/leave/{key}")
    def close_session(key: str) -> dict[str, str]:
        pool.close_session(key)
        return {}


def _read_frame(session: Session, content: bytes, seconds: float) -> dict[str, Any]:
    """Return what one frame changed, as plain data."""
    if not math.isfinite(seconds):
        raise ValueError(f"seconds={seconds} is not valid; expected the time of the frame.")
    if not session.lock.acquire(blocking=False):
        session.require_open()
        raise SessionBusyError("The previous frame is still being read. Send the next one later.")
    try:
        session.require_open()
        started = time.perf_counter()
        image = decode_image(content, MAX_FRAME_PIXELS, FRAME_FORMATS)
        decoded = time.perf_counter()
        events = session.engine.push(image, seconds)
        durations = {"decode": decoded - started, "model": time.perf_counter() - decoded}
        answer = _describe_reading(session.engine, image)
    finally:
        session.lock.release()
    answer["events"] = [{"kind": e.kind, "label": markup.format_label(e.label)} for e in events]
    answer["ms"] |= {name: round(1000 * value, 2) for name, value in durations.items()}
    return answer


def _describe_reading(engine: Any, image: Any) -> dict[str, Any]:
    """Return the text, the best predictions and the marked image of an engine."""
    seen = engine.annotated_image
    return {
        "text": markup.format_label(engine.text),
        "top": [(markup.format_label(label), round(float(p), 4)) for label, p in engine.top],
        "sure": bool(engine.top) and engine.top[0][1] >= engine.min_probability,
        "seen": None if seen is None else markup.to_data_url(seen),
        "found": seen is not None and seen is not image,  # otherwise nothing is marked in it
        "ms": {name: round(float(value), 2) for name, value in engine.latency_ms.items()},
    }


async def _read_body(request: Request) -> bytes:
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > MAX_FRAME_BYTES:
            raise ValueError(f"The frame is larger than {MAX_FRAME_BYTES / 1e6:g} MB.")
    return content


def _make_error_handler(status: int) -> ErrorHandler:
    async def answer_error(_: Request, error: ValueError) -> JSONResponse:
        return JSONResponse({"error": escape_controls(str(error))}, status)

    return answer_error
