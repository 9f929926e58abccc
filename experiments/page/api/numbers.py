"""Recordings that programs send as numbers, stored as the file that the model reads."""

from __future__ import annotations

import secrets
from pathlib import Path

import numpy as np
from anyio.to_thread import run_sync
from fastapi import Request
from pydantic import ValidationError

from experiments.page.api.messages import Recording, Rows, explain_invalid
from experiments.page.storage import Quota, TooLargeError, UploadError, read_bounded

MAX_JSON_BYTES = 8_000_000  # a minute of 8 channels at 1000 Hz
MAX_JSON_ROWS = 100_000  # other visitors wait while they are parsed
TOO_LARGE = f"JSON of more than {MAX_JSON_BYTES / 1e6:g} MB is not read; send a file instead."
TOO_LONG = f"JSON of more than {MAX_JSON_ROWS:,} rows is not read; send a file instead."
FILE_NAMES = {"landmarks": "landmarks.npy", "samples": "samples.npy"}


async def write_numbers(request: Request, folder: Path, quota: Quota) -> Path:
    """Return the path of an array with the numbers of a JSON body.

    Raises:
        UploadError: the body is not what ``Recording`` describes.
        TooLargeError: it is too large.
    """
    limit = min(MAX_JSON_BYTES, quota.file_bytes)
    parts = [part async for part in read_bounded(request, limit, TOO_LARGE)]
    return await run_sync(_write_array, b"".join(parts), folder)


def _write_array(content: bytes, folder: Path) -> Path:
    if content.count(b"[") > MAX_JSON_ROWS + 1:
        raise TooLargeError(TOO_LONG)
    try:
        recording = Recording.model_validate_json(content)
    except ValidationError as error:
        raise UploadError(f"The request is not valid: {explain_invalid(error)}", 422) from error
    given = {name: rows for name, rows in recording if rows is not None}
    if len(given) != 1:
        raise UploadError('Expected either "landmarks" or "samples" in the JSON.', 422)
    [(name, rows)] = given.items()
    path = folder / secrets.token_urlsafe(16) / FILE_NAMES[name]
    path.parent.mkdir()
    np.save(path, to_array(rows), allow_pickle=False)
    return path


def to_array(rows: Rows) -> np.ndarray:
    """Return rows of numbers as (T, C) float32.

    Raises:
        UploadError: they have different lengths.
    """
    lengths = {len(row) for row in rows}
    if len(lengths) != 1:
        found = f"{min(lengths)} and {max(lengths)}"
        raise UploadError(f"All rows must have the same number of values, not {found}.", 422)
    with np.errstate(over="ignore"):
        array = np.array(rows, np.float32)
    if not np.isfinite(array).all():
        raise UploadError("A number is too large.", 422)
    return array
