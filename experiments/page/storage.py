"""Uploads on the disk: few and bounded at any time, and gone when the program is."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from anyio.to_thread import run_sync
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

PREFIX = "unvoiced-page-"
LOCK_NAME = "lock"
STALLED_S = 20.0  # an upload that sends nothing for so long is given up
AROUND_BYTES = 64 * 1024  # of a request beside its file
NAME_CHARACTERS = 80  # of a file's name that are kept
FILES_A_VISITOR = 2  # one that is read and one that arrives


class TooLargeError(ValueError):
    """More bytes than may be stored."""


# ---- the folder


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a folder for uploads, which no longer exists afterwards.

    Folders of programs that were killed are removed first: each is locked by its own program,
    and the system unlocks it when that ends in whatever way.
    """
    for old in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        _remove_abandoned(old)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    with (folder / LOCK_NAME).open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(folder: Path) -> None:
    """Remove a folder of this user whose program has ended."""
    path = folder / LOCK_NAME
    try:
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            return
        with path.open("r+") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:  # in use, or just being made or removed by another program
        return


# ---- how much is in it


@dataclass
class Reservation:
    """Room of one upload: bytes that are promised until ``path`` is written, then those of it."""

    visitor: str
    size: int
    path: Path | None = None


class Quota:
    """How much may be stored: in a request, of a visitor, and of all together.

    Args:
        file_bytes: of one file.
        files: of all visitors together.
    """

    def __init__(self, file_bytes: int, files: int) -> None:
        self.file_bytes, self.files = file_bytes, files
        self.too_large = f"The file exceeds the maximum allowed size of {file_bytes / 2**20:g} MB."
        self._reserved: list[Reservation] = []
        self._lock = threading.Lock()

    def reserve(self, visitor: str, size: int) -> Reservation:
        """Keep room for a file.

        Raises:
            TooLargeError: it is too large, or there is no room at the moment.
        """
        if size > self.file_bytes:
            raise TooLargeError(self.too_large)
        with self._lock:
            self._reserved = [one for one in self._reserved if not one.path or one.path.exists()]
            mine = [one for one in self._reserved if one.visitor == visitor]
            if len(mine) >= FILES_A_VISITOR or len(self._reserved) >= self.files:
                raise TooLargeError("Other uploads are still being read. Try again in a minute.")
            made = Reservation(visitor, size)
            self._reserved.append(made)
            return made

    def release(self, reservation: Reservation) -> None:
        """Give the room of an upload back."""
        with self._lock:
            if reservation in self._reserved:
                self._reserved.remove(reservation)


# ---- the route


def add_upload(app: FastAPI, folder: Path, quota: Quota, stored: set[str]) -> None:
    """Add the route of uploads in place of Gradio's, which takes any number of files.

    Args:
        app: gets the route; Gradio is mounted behind it.
        folder: for the files.
        quota: bounds them.
        stored: gets their paths, for Gradio to delete those that nobody reads.
    """

    @app.post("/gradio_api/upload")
    async def upload(request: Request) -> Any:
        try:
            reservation = quota.reserve(_visitor(request), _announced(request, quota))
        except TooLargeError as error:
            return PlainTextResponse(str(error), 413)
        try:
            reservation.path = await _store(request, folder, quota)
        except TooLargeError as error:
            return PlainTextResponse(str(error), 413)
        except MultiPartException as error:
            return PlainTextResponse(error.message, 400)
        except TimeoutError:
            return PlainTextResponse("The upload stalled.", 408)
        finally:
            if reservation.path is None:
                quota.release(reservation)
        stored.add(str(reservation.path))
        return JSONResponse([str(reservation.path)])

    @app.get("/gradio_api/upload_progress")
    async def progress() -> PlainTextResponse:
        return PlainTextResponse('data: {"msg": "done"}\n\n', media_type="text/event-stream")


def _visitor(request: Request) -> str:
    return request.client.host if request.client else ""


def _announced(request: Request, quota: Quota) -> int:
    """Return the bytes that the request says its file has; a chunked one may be of any size."""
    length = request.headers.get("content-length", "")
    return max(0, int(length) - AROUND_BYTES) if length.isdecimal() else quota.file_bytes


async def _store(request: Request, folder: Path, quota: Quota) -> Path:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise MultiPartException("Expected one file as multipart/form-data.")
    stream = _bounded(request, quota.file_bytes + AROUND_BYTES, quota.too_large)
    parser = MultiPartParser(request.headers, stream, max_files=1, max_fields=0)
    form = await parser.parse()
    try:
        file = form.get("files")
        if not isinstance(file, UploadFile):
            raise MultiPartException("Expected one file named files.")
        if (file.size or 0) > quota.file_bytes:
            raise TooLargeError(quota.too_large)
        path = folder / secrets.token_urlsafe(16) / _safe_name(file.filename)
        await run_sync(_write, file.file, path)
        return path
    finally:
        await form.close()


def _write(source: Any, path: Path) -> None:
    path.parent.mkdir()
    with path.open("xb") as target:
        shutil.copyfileobj(source, target)


async def _bounded(request: Request, most: int, too_large: str) -> AsyncIterator[bytes]:
    """Give the request's body.

    Raises:
        TooLargeError: there is more than ``most`` bytes of it.
        TimeoutError: it stalls.
    """
    stream, total = request.stream(), 0
    while True:
        with anyio.fail_after(STALLED_S):
            part = await anext(stream, None)
        if part is None:
            return
        total += len(part)
        if total > most:
            raise TooLargeError(too_large)
        yield part


def _safe_name(name: str | None) -> str:
    """Return a name without folders and unusual characters; its ending says what it is."""
    path = Path((name or "").replace("\\", "/").rpartition("/")[2])
    stem = "".join(c if c.isalnum() or c in " ._-" else "_" for c in path.stem).strip(" .")
    ending = "".join(c for c in path.suffix[:8] if c.isalnum() or c == ".")
    return (stem[:NAME_CHARACTERS] or "upload") + ending
