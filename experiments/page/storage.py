"""Uploads on disk: few, bounded in size, and removed with the program."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
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

FOLDER_PREFIX = "unvoiced-page-"
LOCK_NAME = "lock"
STALL_TIMEOUT_S = 20.0  # an upload that sends nothing for so long is given up
FORM_BYTES = 64 * 1024  # of a request in addition to its file
MAX_NAME_LENGTH = 80  # characters of a file's name
FILES_PER_CLIENT = 2  # one that is read and one that arrives

BodyWriter = Callable[["Request", Path, "Quota"], Awaitable[Path]]


class TooLargeError(ValueError):
    """More bytes than may be stored."""


class TooManyError(ValueError):
    """More files than may be stored at a time."""


class UploadError(ValueError):
    """An upload that is refused, with the HTTP status of the answer."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


# ---- the folder


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Provide a folder for uploads, and remove it afterwards.

    Folders of programs that were killed are removed first. Each program locks its own folder, and
    the system releases the lock when the program ends.
    """
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        _remove_abandoned(folder)
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
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


# ---- the quota


@dataclass
class Reservation:
    """Space for one upload, until ``path`` is written and then while it exists."""

    client: str
    size: int
    path: Path | None = None


class Quota:
    """Limits on the size of a file, and on the files of a client and of all clients.

    Args:
        file_bytes: of one file.
        files: of all clients together.
    """

    def __init__(self, file_bytes: int, files: int) -> None:
        self.file_bytes, self.files = file_bytes, files
        self.too_large = f"The file exceeds the maximum allowed size of {file_bytes / 2**20:g} MB."
        self._reservations: list[Reservation] = []
        self._lock = threading.Lock()

    def reserve(self, client: str, size: int) -> Reservation:
        """Reserve space for a file.

        Raises:
            TooLargeError: the file is too large.
            TooManyError: other files are still being read.
        """
        if size > self.file_bytes:
            raise TooLargeError(self.too_large)
        with self._lock:
            self._reservations = [r for r in self._reservations if not r.path or r.path.exists()]
            count = sum(reservation.client == client for reservation in self._reservations)
            if count >= FILES_PER_CLIENT or len(self._reservations) >= self.files:
                raise TooManyError("Other uploads are still being read. Try again in a minute.")
            self._reservations.append(Reservation(client, size))
            return self._reservations[-1]

    def release(self, reservation: Reservation) -> None:
        """Release the space of an upload."""
        with self._lock:
            if reservation in self._reservations:
                self._reservations.remove(reservation)


# ---- the route


def add_upload_route(app: FastAPI, folder: Path, quota: Quota, stored: set[str]) -> None:
    """Add the route of uploads in place of Gradio's, which accepts any number of files.

    Args:
        app: gets the route; Gradio is mounted behind it.
        folder: for the files.
        quota: bounds them.
        stored: gets their paths, so that Gradio deletes those that remain unread.
    """

    @app.post("/gradio_api/upload")
    async def receive_upload(request: Request) -> Any:
        try:
            path = await store_upload(request, folder, quota)
        except UploadError as error:
            return PlainTextResponse(str(error), error.status)
        stored.add(str(path))
        return JSONResponse([str(path)])

    @app.get("/gradio_api/upload_progress")
    async def report_progress() -> PlainTextResponse:
        return PlainTextResponse('data: {"msg": "done"}\n\n', media_type="text/event-stream")


def _get_announced_bytes(request: Request, quota: Quota) -> int:
    """Return the size that the request states; a chunked request may have any size."""
    length = request.headers.get("content-length", "")
    return max(0, int(length) - FORM_BYTES) if length.isdecimal() else quota.file_bytes


async def store_upload(
    request: Request, folder: Path, quota: Quota, write_body: BodyWriter | None = None
) -> Path:
    """Return the path of a request's file, which counts until it is deleted.

    Args:
        request: has the file.
        folder: for a folder with the file.
        quota: bounds it.
        write_body: writes the body to a file and returns its path; None for a form's only file.

    Raises:
        UploadError: the file is too large, is not a form's only file, or the request stalls.
    """
    client = request.client.host if request.client else ""
    try:
        reservation = quota.reserve(client, _get_announced_bytes(request, quota))
    except TooLargeError as error:
        raise UploadError(str(error), 413) from error
    except TooManyError as error:
        raise UploadError(str(error), 429) from error
    try:
        reservation.path = await (write_body or _write_upload)(request, folder, quota)
    except TooLargeError as error:
        raise UploadError(str(error), 413) from error
    except MultiPartException as error:
        raise UploadError(error.message, 400) from error
    except TimeoutError as error:
        raise UploadError("The upload stalled.", 408) from error
    finally:
        if reservation.path is None:
            quota.release(reservation)
    return reservation.path


async def _write_upload(request: Request, folder: Path, quota: Quota) -> Path:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise MultiPartException("Expected one file as multipart/form-data.")
    stream = read_bounded(request, quota.file_bytes + FORM_BYTES, quota.too_large)
    parser = MultiPartParser(request.headers, stream, max_files=1, max_fields=0)
    form = await parser.parse()
    try:
        file = form.get("files")
        if not isinstance(file, UploadFile):
            raise MultiPartException("Expected one file named files.")
        if (file.size or 0) > quota.file_bytes:
            raise TooLargeError(quota.too_large)
        path = folder / secrets.token_urlsafe(16) / make_safe_name(file.filename)
        await run_sync(_write_file, file.file, path)
        return path
    finally:
        await form.close()


def _write_file(source: Any, path: Path) -> None:
    path.parent.mkdir()
    with path.open("xb") as target:
        shutil.copyfileobj(source, target)


async def read_bounded(request: Request, max_bytes: int, too_large: str) -> AsyncIterator[bytes]:
    """Yield the request's body.

    Raises:
        TooLargeError: it has more than ``max_bytes``.
        TimeoutError: it stalls.
    """
    stream, total = request.stream(), 0
    while True:
        with anyio.fail_after(STALL_TIMEOUT_S):
            part = await anext(stream, None)
        if part is None:
            return
        total += len(part)
        if total > max_bytes:
            raise TooLargeError(too_large)
        yield part


def make_safe_name(name: str | None) -> str:
    """Return a file name without folders and unusual characters, with its suffix."""
    path = Path((name or "").replace("\\", "/").rpartition("/")[2])
    stem = "".join(c if c.isalnum() or c in " ._-" else "_" for c in path.stem).strip(" .")
    suffix = "".join(c for c in path.suffix[:8] if c.isalnum() or c == ".")
    return (stem[:MAX_NAME_LENGTH] or "upload") + suffix
