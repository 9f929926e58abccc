"""Uploaded tables, bounded in rows before any of them is parsed."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from unvoiced.files import EMG_SUFFIXES, LANDMARK_SUFFIXES, open_regular

CHUNK_BYTES = 1 << 20
# All that str.splitlines() takes for the end of a line, but for b"\r\n".
LINE_ENDS = (b"\n", b"\r", b"\v", b"\f", b"\x1c", b"\x1d", b"\x1e", b"\xc2\x85")
WIDE_LINE_ENDS = (b"\xe2\x80\xa8", b"\xe2\x80\xa9")
SPARE_LINES = 1000  # of headers; as many lines again may be empty


def check_rows(path: Path, rate: float, max_s: float) -> None:
    """Refuse a table that is surely longer than ``max_s`` seconds; other files pass.

    Args:
        path: the file.
        rate: rows a second.
        max_s: the longest recording that is accepted, seconds.

    Raises:
        ValueError: it has too many lines, or cannot be read.
    """
    if not path.name.lower().endswith((*LANDMARK_SUFFIXES, *EMG_SUFFIXES)):
        return
    limit, found = round(2 * max_s * rate) + SPARE_LINES, 0
    for chunk in _read_chunks(path):
        found += sum(map(chunk.count, (*LINE_ENDS, *WIDE_LINE_ENDS))) - chunk.count(b"\r\n")
        if found > limit:
            raise ValueError(
                f"it has more than {limit:,} lines, and at most {max_s:g} s of {rate:g} rows a "
                "second are read here: cut it"
            )


def _read_chunks(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, decompressed, until a damaged part."""
    with open_regular(path) as file:
        is_packed = path.name.lower().endswith(".gz")
        content = gzip.GzipFile(fileobj=file) if is_packed else file
        try:
            while chunk := content.read(CHUNK_BYTES):
                yield chunk
        except (OSError, EOFError, zlib.error):
            return  # the reader of the table says so
