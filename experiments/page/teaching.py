"""HTTP routes of lessons: a visitor shows each sign, and gets a profile."""

from __future__ import annotations

import base64
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any, Literal

import cv2
from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from experiments.page import markup
from experiments.page.bodies import answer_frame, decode_frame
from experiments.page.profiles import ProfileStore, describe_profile
from experiments.page.sessions import Session, SessionPool
from unvoiced.profile_file import pack_profile
from unvoiced.tasks import get_task, import_object
from unvoiced.teaching.lesson import MAX_LABELS, MAX_SHOTS, Lesson
from unvoiced.teaching.support import SupportSet

ONE_CLASS = (
    "A profile needs two classes or more. Teach some of the model's own first, or use your profile."
)


class LessonRequest(BaseModel):
    """A visitor's plan of a lesson.

    Attributes:
        labels: signs or words, in order; the model need not know them.
        shots: recordings of each.
        profile: key of the profile that is extended; empty for a new one.
    """

    labels: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=MAX_LABELS)]
    shots: Annotated[int, Field(ge=1, le=MAX_SHOTS)] = 3
    profile: Annotated[str, Field(max_length=64)] = ""


def add_teaching_routes(
    app: FastAPI, pool: SessionPool, profiles: ProfileStore, cores: CapacityLimiter
) -> None:
    """Add the routes below /teach: enter, frame, do, finish and leave."""

    @app.post("/teach/enter")
    def open_lesson(wanted: LessonRequest) -> dict[str, Any]:
        key = pool.open_session(_plan_lesson(wanted, profiles, pool.make_engine.keywords))
        return {"session": key} | _describe_lesson(pool.get_session(key).engine)

    @app.post("/teach/frame/{key}")
    async def read_frame(key: str, seconds: float, request: Request) -> JSONResponse:
        session = pool.get_session(key)
        return await answer_frame(request, partial(_read_frame, session, seconds=seconds), cores)

    @app.post("/teach/do/{key}")
    def steer_lesson(key: str, action: Literal["redo", "skip", "stop"]) -> dict[str, Any]:
        with pool.get_session(key).lock_engine(Lesson) as lesson:
            getattr(lesson, action)()
            return _describe_lesson(lesson)

    @app.post("/teach/finish/{key}")
    async def finish_lesson(key: str) -> JSONResponse:
        finish = partial(_finish_lesson, pool, profiles, key)
        return JSONResponse(await run_sync(finish, limiter=cores))

    @app.post("/teach/leave/{key}")
    def close_lesson(key: str) -> dict[str, str]:
        pool.close_session(key)
        return {}


def _plan_lesson(
    wanted: LessonRequest, profiles: ProfileStore, settings: dict[str, Any]
) -> partial[Lesson]:
    """Return the constructor of a lesson.

    Raises:
        ValueError: the labels are not valid, or a profile of them would have one class.
    """
    profile = profiles.get(wanted.profile) if wanted.profile else None
    support = SupportSet(profiles.recognizer, profile)
    labels = support.check_labels(wanted.labels)
    if len({*labels, *(shot.label for shot in support.shots)}) < 2:
        raise ValueError(ONE_CLASS)
    return partial(Lesson, profiles.recognizer, labels, wanted.shots, support, **settings)


def _finish_lesson(pool: SessionPool, profiles: ProfileStore, key: str) -> dict[str, str]:
    """Close a lesson; return the key and file of its profile."""
    with pool.get_session(key).lock_engine(Lesson) as lesson:
        profile = lesson.support.build_profile()
        content, text = pack_profile(profile), compare_accuracy(lesson.support)
    answer = {
        "profile": profiles.add(profile),
        "text": describe_profile(profile),
        "comparison": text,
        "file": base64.b64encode(content).decode(),
    }
    pool.close_session(key)
    return answer


def add_example_route(app: FastAPI, task: str) -> None:
    """Add the route /teach/example, which draws a sign."""

    @app.get("/teach/example")
    def draw_example(label: str) -> Response:
        path = get_task(task).example
        image = import_object(path)(label) if path else None
        if image is None:
            return Response(status_code=404)
        _, content = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        headers = {"Cache-Control": "private, max-age=86400"}
        return Response(content.tobytes(), media_type="image/png", headers=headers)


def compare_accuracy(support: SupportSet) -> str:
    """Return how well the recordings are read before and after, in words."""
    before, after = support.measure_own_accuracy(), support.build_profile().measure_accuracy()
    if before is None or after is None:
        return "Show each of them twice or more to see how well your profile works."
    return (
        f"Of your recordings, the model alone reads {before:.0%}, and with your profile "
        f"{after:.0%} (each recording read by a profile of all others)."
    )


def _read_frame(session: Session, content: bytes, seconds: float) -> dict[str, Any]:
    """Return the prompt after a frame, and the recording that it completes."""
    with session.lock_engine(Lesson, is_waiting=False) as lesson:
        has_captured = lesson.push(decode_frame(content, seconds), seconds)
        return _describe_lesson(lesson, has_captured)


def _describe_lesson(lesson: Lesson, has_captured: bool = False) -> dict[str, Any]:
    progress = asdict(lesson.progress)
    answer: dict[str, Any] = progress | {"name": markup.format_label(progress["label"])}
    if has_captured and (captured := lesson.captured) is not None:
        answer["captured"] = {
            "name": markup.format_label(captured.label),
            "read": markup.format_label(captured.reading.label),
            "sure": round(captured.reading.probability, 4),
            "image": markup.to_data_url(captured.image),
        }
    return answer
