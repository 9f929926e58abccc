"""HTTP route for other programs: a file is read, and the answer is JSON."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from experiments.page.isolation import IsolatedUploadReader
from experiments.page.storage import Quota, UploadError, store_upload
from unvoiced.text import escape_controls

LOGGER = logging.getLogger(__name__)


def add_reading_route(
    app: FastAPI, uploads: IsolatedUploadReader, folder: Path, quota: Quota, readers: int
) -> None:
    """Add the route /read, which answers a form with one file named ``files``.

    Args:
        app: gets the route.
        uploads: reads the files.
        folder: for the files, each of which is deleted after it was read.
        quota: bounds them, together with those of the page.
        readers: files that are read at the same time.
    """
    limiter = CapacityLimiter(readers)

    @app.post("/read")
    async def read_file(request: Request) -> JSONResponse:
        try:
            path = await store_upload(request, folder, quota)
        except UploadError as error:
            return JSONResponse({"error": escape_controls(str(error))}, error.status)
        try:
            return JSONResponse(await run_sync(_describe_file, uploads, path, limiter=limiter))
        except ValueError as error:
            return JSONResponse({"error": escape_controls(str(error))}, 422)
        except RuntimeError:
            LOGGER.exception("%s could not be read", escape_controls(path.name))
            return JSONResponse({"error": "The program has an error; its terminal shows it."}, 500)
        finally:
            await run_sync(shutil.rmtree, path.parent, True)


def _describe_file(uploads: IsolatedUploadReader, path: Path) -> dict[str, Any]:
    """Return the text and the best predictions of a file, as plain data."""
    result = list(uploads.read(path))[-1]
    top = [[label, round(float(probability), 4)] for label, probability in result.top]
    return {"text": result.text, "top": top, "note": result.note}
