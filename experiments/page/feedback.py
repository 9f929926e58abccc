"""HTTP routes of corrections: a visitor gives the right label of a wrong answer."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from experiments.page import markup
from experiments.page.corrections import (
    MAX_TEXT,
    SET_NAME,
    Correction,
    CorrectionStore,
    VisitorCorrections,
    pack_corrections,
)
from experiments.page.profiles import ProfileStore, describe_profile
from experiments.page.sessions import SessionPool
from unvoiced import Engine
from unvoiced.profile_file import pack_profile
from unvoiced.readings import Answer
from unvoiced.teaching.support import SupportSet

NO_CORRECTIONS = "You have corrected nothing yet."
MAX_OFFERED_LABELS = 1000  # of the list below the text field


class LabelRequest(BaseModel):
    """The right label of a wrong answer.

    Attributes:
        label: the sign, word or text.
    """

    label: Annotated[str, Field(max_length=MAX_TEXT)]


def add_feedback_routes(
    app: FastAPI, pool: SessionPool, profiles: ProfileStore, store: CorrectionStore, folder: Path
) -> None:
    """Add the routes below /feedback: enter, mark, correct, set and leave.

    Args:
        app: gets the routes.
        pool: has the cameras' sessions, whose last answers are corrected.
        profiles: the visitors' profiles.
        store: keeps the corrections.
        folder: for a set while it is packed.
    """
    recognizer = profiles.recognizer

    @app.post("/feedback/enter")
    def open_session(session: str = "") -> dict[str, str]:
        key = store.open_session(session)
        return {"session": key, "text": store.get(key).describe()}

    @app.post("/feedback/mark/{key}")
    def mark_answer(key: str, camera: str = "") -> dict[str, object]:
        visitor = store.get(key)
        answer, classes = _find_answer(pool, visitor, camera)
        with visitor.lock:
            visitor.begin_correction(answer, classes)
        label = "" if answer is None else answer.label
        return {"answer": markup.format_label(label), "labels": classes[:MAX_OFFERED_LABELS]}

    @app.post("/feedback/correct/{key}")
    def correct_answer(key: str, wanted: LabelRequest) -> dict[str, str]:
        visitor = store.get(key)
        with visitor.lock:
            correction = visitor.correct(wanted.label)
            return {"label": markup.format_label(correction.label), "text": visitor.describe()}

    @app.post("/feedback/set/{key}")
    def download_set(key: str) -> Response:
        items = _require_items(store.get(key))
        content = pack_corrections(recognizer.metadata, items, folder)
        headers = {"Content-Disposition": f'attachment; filename="{SET_NAME}.zip"'}
        return Response(content, media_type="application/zip", headers=headers)

    @app.post("/feedback/leave/{key}")
    def forget_corrections(key: str) -> dict[str, str]:
        store.remove(key)
        return {}


def _find_answer(
    pool: SessionPool, visitor: VisitorCorrections, camera: str
) -> tuple[Answer | None, Sequence[str]]:
    """Return the last answer of a camera's session, or of an upload, and the model's classes."""
    if not camera:
        return visitor.offered[:2] if visitor.offered else (None, [])
    with pool.get_session(camera).lock_engine(Engine) as engine:
        return engine.last_answer, engine.recognizer.classes


def add_extension_route(
    app: FastAPI, profiles: ProfileStore, store: CorrectionStore, cores: CapacityLimiter
) -> None:
    """Add the route /feedback/profile, which adds the corrections to a visitor's profile."""

    @app.post("/feedback/profile/{key}")
    async def extend_profile(key: str, profile: str) -> JSONResponse:
        extend = partial(_extend_profile, profiles, store.get(key), profile)
        return JSONResponse(await run_sync(extend, limiter=cores))


def _extend_profile(
    profiles: ProfileStore, visitor: VisitorCorrections, key: str
) -> dict[str, str]:
    """Return the key and file of a profile with the corrections that it does not hold yet."""
    support = SupportSet(profiles.recognizer, profiles.get(key))
    with visitor.lock:
        added = [item for item in _require_items(visitor) if not item.is_in_profile]
        if not added:
            raise ValueError("Your profile holds all your corrections already.")
        for item in added:
            support.add(item.label, [item.answer.inputs])
        profile = support.build_profile()
        content = pack_profile(profile)
        visitor.note_profile()
    return {
        "profile": profiles.add(profile),
        "text": describe_profile(profile),
        "file": base64.b64encode(content).decode(),
    }


def _require_items(visitor: VisitorCorrections) -> list[Correction]:
    if not visitor.items:
        raise ValueError(NO_CORRECTIONS)
    return list(visitor.items)
