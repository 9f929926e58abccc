"""HTTP routes of programs: the facts of the model, and the reading of one recording."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from experiments.page.api.messages import (
    ErrorAnswer,
    ModelFacts,
    ReadAnswer,
    Recording,
    describe_top,
)
from experiments.page.api.numbers import write_numbers
from experiments.page.isolation import IsolatedUploadReader
from experiments.page.profiles import ProfileStore
from experiments.page.storage import Quota, UploadError, store_upload
from experiments.page.uploads import UploadResult
from unvoiced.text import escape_controls

LOGGER = logging.getLogger(__name__)
FORMER_ROUTE = "/read"
BODY = {  # of /api/read, which FastAPI does not parse
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["files"],
            "properties": {"files": {"type": "string", "format": "binary"}},
        }
    },
    "application/json": {"schema": Recording.model_json_schema()},
}
REFUSALS = (401, 403)  # by the name, the password or the origin
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer} for status in (400, *REFUSALS, 408, 410, 413, 422, 429, 500)
}


def add_model_route(app: FastAPI, facts: ModelFacts) -> None:
    """Add the route /api/model."""

    @app.get("/api/model", responses={status: ERRORS[status] for status in REFUSALS})
    def describe_model() -> ModelFacts:
        """Return the facts of the model and its inputs."""
        return facts


@dataclass(frozen=True)
class UploadAnswers:
    """Answers requests with the reading of their file, which is deleted then.

    Attributes:
        uploads: reads the files.
        profiles: those of visitors.
        folder: for the files.
        quota: bounds them, together with those of the page.
        limiter: bounds the files that are read at the same time.
    """

    uploads: IsolatedUploadReader
    profiles: ProfileStore
    folder: Path
    quota: Quota
    limiter: CapacityLimiter

    async def answer(
        self, request: Request, describe: Callable[[UploadResult], Any], key: str = ""
    ) -> JSONResponse:
        """Return the described result, or the error as a sentence.

        Args:
            request: a form with one file, or JSON with landmarks or samples.
            describe: returns plain data of a result.
            key: of a visitor's profile; empty for none.
        """
        profile = self.profiles.get(key) if key else None
        is_json = request.headers.get("content-type", "").startswith("application/json")
        try:
            write = write_numbers if is_json else None
            path = await store_upload(request, self.folder, self.quota, write)
        except UploadError as error:
            return _answer_error(str(error), error.status)
        try:
            read = partial(read_upload, self.uploads, path, profile)
            return JSONResponse(describe(await run_sync(read, limiter=self.limiter)))
        except ValueError as error:
            return _answer_error(str(error), 422)
        except RuntimeError:
            LOGGER.exception("%s could not be read", escape_controls(path.name))
            return _answer_error("The program has an error; its terminal shows it.", 500)
        finally:
            await run_sync(shutil.rmtree, path.parent, True)


def add_reading_route(app: FastAPI, answers: UploadAnswers) -> None:
    """Add the route /api/read, and the one that it replaces."""

    @app.post(
        "/api/read",
        response_model=ReadAnswer,
        responses=ERRORS,
        openapi_extra={"requestBody": {"required": True, "content": BODY}},
    )
    async def read_recording(request: Request, profile: str = "") -> JSONResponse:
        """Read one image, clip or recording.

        Send a form with one file named files, or JSON with landmarks or samples. profile is the
        key of a profile that POST /profile/use has returned.
        """
        return await answers.answer(request, describe_reading, profile)

    @app.post(FORMER_ROUTE)
    async def read_file(request: Request) -> JSONResponse:
        warn_of_former_route()
        response = await answers.answer(request, _describe_as_before)
        response.headers["Deprecation"] = "true"
        return response


def _answer_error(sentence: str, status: int) -> JSONResponse:
    return JSONResponse({"error": escape_controls(sentence)}, status)


def read_upload(uploads: IsolatedUploadReader, path: Path, profile: Any = None) -> UploadResult:
    """Return the last result of a file."""
    return list(uploads.read(path, profile))[-1]


def describe_reading(result: UploadResult) -> dict[str, Any]:
    """Return a result as plain data."""
    top = describe_top(result.top)
    best = top[0] if top else {"label": None, "probability": None}
    return {**best, "top": top, "text": result.text, "note": result.note}


def _describe_as_before(result: UploadResult) -> dict[str, Any]:
    """Return a result as the route before /api/read did."""
    top = [[label, round(float(probability), 4)] for label, probability in result.top]
    return {"text": result.text, "top": top, "note": result.note}


@cache
def warn_of_former_route() -> None:
    """Warn once per process."""
    LOGGER.warning(
        "a program used %s, which is now /api/read and answers more; the old address will be "
        "removed in the next version",
        FORMER_ROUTE,
    )
