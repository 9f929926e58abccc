"""HTTP routes of the camera: one request per frame, answered before the next one is sent."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from anyio import CapacityLimiter
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from experiments.page import markup
from experiments.page.bodies import answer_frame, decode_frame
from experiments.page.corrections import CorrectionsGoneError
from experiments.page.profiles import ProfileGoneError
from experiments.page.sessions import (
    PoolFullError,
    Session,
    SessionBusyError,
    SessionExpiredError,
    SessionPool,
)
from experiments.page.writing import describe_text
from unvoiced import Engine
from unvoiced.text import escape_controls

ErrorHandler = Callable[[Request, ValueError], Awaitable[JSONResponse]]


STATUS_CODES = {
    ProfileGoneError: 410,
    CorrectionsGoneError: 410,
    SessionExpiredError: 410,
    PoolFullError: 503,
    SessionBusyError: 429,
}


def add_error_answers(app: FastAPI) -> None:
    """Answer errors of the page's own routes as JSON with a sentence."""
    for kind, status in {**STATUS_CODES, ValueError: 422}.items():
        app.add_exception_handler(kind, _make_error_handler(status))  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, _answer_invalid)  # type: ignore[arg-type]


def add_camera_routes(app: FastAPI, pool: SessionPool, cores: CapacityLimiter) -> None:
    """Add the routes /camera/frame and /camera/leave.

    Args:
        app: gets the routes.
        pool: has a session for each visitor who streams.
        cores: bounds the frames that are read at a time: those that wait for a core are answered
            sooner than those that share one.
    """

    @app.post("/camera/frame/{key}")
    async def read_frame(key: str, seconds: float, request: Request) -> JSONResponse:
        session = pool.get_session(key)
        return await answer_frame(request, partial(_read_frame, session, seconds=seconds), cores)

    @app.post("/camera/leave/{key}")
    def close_session(key: str) -> dict[str, str]:
        pool.close_session(key)
        return {}


def _read_frame(session: Session, content: bytes, seconds: float) -> dict[str, Any]:
    """Return the changes of one frame, as plain data."""
    with session.lock_engine(Engine, is_waiting=False) as engine:
        started = time.perf_counter()
        image = decode_frame(content, seconds)
        decoded = time.perf_counter()
        if session.collector is not None:
            session.collector.push(image, seconds)
        events = engine.push(image, seconds)
        durations = {"decode": decoded - started, "model": time.perf_counter() - decoded}
        answer = _describe_reading(engine, image)
    answer["events"] = [{"kind": e.kind, "label": markup.format_label(e.label)} for e in events]
    answer["ms"] |= {name: round(1000 * value, 2) for name, value in durations.items()}
    return answer


def _describe_reading(engine: Any, image: Any) -> dict[str, Any]:
    """Return the text, the best predictions and the marked image of an engine."""
    seen = engine.annotated_image
    return describe_text(engine) | {
        "top": [(markup.format_label(label), round(float(p), 4)) for label, p in engine.top],
        "sure": bool(engine.top) and engine.top[0][1] >= engine.min_probability,
        "seen": None if seen is None else markup.to_data_url(seen),
        "found": seen is not None and seen is not image,  # otherwise nothing is marked in it
        "ms": {name: round(float(value), 2) for name, value in engine.latency_ms.items()},
    }


async def _answer_invalid(_: Request, error: RequestValidationError) -> JSONResponse:
    """Answer a request of another form with the first thing that is wrong, without its values."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:])
    sentence = f"The request is not valid: {place or 'body'}: {first['msg']}."
    return JSONResponse({"error": escape_controls(sentence)}, 422)


def _make_error_handler(status: int) -> ErrorHandler:
    async def answer_error(_: Request, error: ValueError) -> JSONResponse:
        return JSONResponse({"error": escape_controls(str(error))}, status)

    return answer_error
