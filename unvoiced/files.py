"""Suffixes of recordings, and safe opening of untrusted files."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif"),
    *(".avif", ".jp2", ".ppm", ".pgm", ".pnm", ".heic", ".heif"),
)
VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".asf", ".flv"),
    *(".3gp", ".3g2", ".mts", ".m2ts", ".ts", ".ogv", ".vob", ".mxf"),
)
ARRAY_SUFFIXES = (".npy",)
ARCHIVE_SUFFIXES = (".npz",)
LANDMARK_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
EMG_SUFFIXES = (".csv", ".tsv", ".txt")
EDF_SUFFIXES = (".edf", ".bdf")
XDF_SUFFIXES = (".xdf",)

MAX_IMAGE_BYTES = 100_000_000
MAX_TABLE_BYTES = 500_000_000
MAX_TEXT_BYTES = 10_000_000  # of a file that describes a recording
MAX_ARRAY_BYTES = 2_000_000_000

_KINDS = {
    stat.S_IFIFO: "a named pipe (FIFO)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


def describe_special_file(mode: int) -> str:
    """Return the kind of a file that is not a regular one, by its mode; else ""."""
    return "" if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "a special file")


def require_regular_file(path: Path, limit: int | None = None) -> None:
    """Refuse anything but a regular file, without opening it: a FIFO would never end.

    Args:
        path: the file; links are followed.
        limit: largest size in bytes; None for any size.

    Raises:
        ValueError: the file is missing, a FIFO, a device, a socket, a folder, or too large.
    """
    try:
        state = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"cannot be read: {reason}") from error
    _check_state(state, limit)


def open_regular(path: Path, limit: int | None = None) -> BinaryIO:
    """Open a regular file for reading, without waiting for the writer of a FIFO.

    Raises:
        ValueError: as ``require_regular_file``, or the file may not be read.
    """
    require_regular_file(path, limit)
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    file = os.fdopen(descriptor, "rb")
    try:
        _check_state(os.fstat(descriptor), limit)  # it may have been replaced meanwhile
    except ValueError:
        file.close()
        raise
    return file


def read_bytes(path: Path, limit: int = MAX_IMAGE_BYTES) -> bytes:
    """Return the content of a regular file of at most ``limit`` bytes.

    Raises:
        ValueError: as ``open_regular``, or reading fails.
    """
    with open_regular(path, limit) as file:
        try:
            return file.read(limit + 1)[:limit]
        except OSError as error:
            raise ValueError(f"cannot be read: {error.strerror}") from error


def read_text(path: Path, limit: int = MAX_TEXT_BYTES) -> str:
    """Return the text of a regular UTF-8 file; a byte order mark is dropped.

    Raises:
        ValueError: as ``read_bytes``, or it is not UTF-8.
    """
    try:
        return read_bytes(path, limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("not a text in UTF-8") from error


def _check_state(state: os.stat_result, limit: int | None) -> None:
    kind = describe_special_file(state.st_mode)
    if kind:
        raise ValueError(f"cannot be read: {kind}, not a regular file")
    if limit is not None and state.st_size > limit:
        raise ValueError(f"{state.st_size:,} bytes; at most {limit:,} are read")
