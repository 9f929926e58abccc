"""Tables of text: from the bytes of a file to rows with the numbers of their lines."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from pathlib import Path

from datamodules.readers.base import SPLIT_FOLDERS
from datamodules.readers.inputs import refuse_outside
from unvoiced.files import MAX_TABLE_BYTES, read_bytes
from unvoiced.text import escape_controls, shorten

SEPARATORS = ",;\t"
MAX_FIELD = 20_000  # characters; csv's own limit is a little higher
SHOWN_COLUMNS, SHOWN_CHARACTERS = 12, 40
Lines = list[tuple[int, list[str]]]


def read_table(path: Path, raw_dir: Path, row_is: str) -> tuple[list[str], Lines]:
    """The header of a manifest, and its other lines in fields, with their numbers.

    Args:
        path: the table.
        raw_dir: the folder that it must lie in: of another file nothing is shown, not even in
            an error.
        row_is: what a row is, for the error.

    Raises:
        ValueError: the table is missing, empty, not a table or lies elsewhere.
    """
    if not path.exists() and not path.is_symlink():
        inside = sorted(file.name for file in path.parent.glob("*.csv"))
        raise ValueError(
            f"{path} is missing. Name the table with reader.manifest=<a file below raw_dir>; the "
            f"CSV files there: {', '.join(map(escape_controls, inside)) or 'none'}"
        )
    refuse_outside(path, raw_dir, str(path), MAX_TABLE_BYTES)
    try:
        text = read_bytes(path, MAX_TABLE_BYTES).decode("utf-8-sig")
        lines = _lines(text)
    except (ValueError, csv.Error) as error:
        raise ValueError(
            f"{path} is not a table of comma-separated values in UTF-8: {_without_content(error)}"
        ) from error
    if len(lines) < 2:
        held = "a header and no row" if lines else "nothing"
        raise ValueError(f"{path} holds {held}; expected a row {row_is}")
    _refuse_twice(path, lines[0][1])
    return lines[0][1], lines[1:]


def read_table_text(path: Path) -> str:
    """The text of a table, which may be compressed (``.gz``), UTF-8, UTF-16 or Latin-1.

    Raises:
        ValueError: it cannot be read, is damaged, too large or no text.
    """
    content = read_bytes(path, MAX_TABLE_BYTES)
    if path.name.lower().endswith(".gz"):
        content = _decompress(content)
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace")
    if b"\0" in content[:4096]:
        raise ValueError("not a text table: the file holds zero bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def find_separator(line: str) -> str:
    """The separator that a table's first line has most of."""
    return max(SEPARATORS, key=line.count)


def show_columns(names: list[str]) -> str:
    """Column names for an error: some of them, shortened."""
    shown = [escape_controls(shorten(name, SHOWN_CHARACTERS)) for name in names[:SHOWN_COLUMNS]]
    return ", ".join([*shown, *(["…"] if len(names) > SHOWN_COLUMNS else [])])


def below(name: str) -> str:
    """``name`` without detours, if it stays below ``raw_dir``.

    Raises:
        ValueError: it leads out.
    """
    name = name.replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or re.match("[A-Za-z]:", name) or ".." in parts:
        raise ValueError(f"the path {name} leads out of raw_dir; expected a path below it")
    return "/".join(parts)


def manifest_below(name: str, key: str) -> str:
    """``name`` of a table, if it stays below ``raw_dir``; ValueError where it leads out."""
    try:
        return below(name)
    except ValueError as error:
        raise ValueError(f"{key}.manifest: {error}") from error


def split_named(text: str) -> str:
    """The split that ``text`` names: train, val, test or "".

    Raises:
        ValueError: it names none of them.
    """
    split = SPLIT_FOLDERS.get(text.lower(), "")
    if text and not split:
        raise ValueError(f"unknown split {text!r}; expected train, val or test")
    return split


def _lines(text: str) -> Lines:
    """The lines that are not empty, in fields, with their numbers."""
    delimiter = find_separator(text.partition("\n")[0])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines = [(reader.line_num, [*map(str.strip, fields)]) for fields in reader if any(fields)]
    for number, fields in lines:
        if any(len(field) > MAX_FIELD for field in fields):
            raise ValueError(f"line {number} has a field of more than {MAX_FIELD:,} characters")
    return lines


def _without_content(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start:,} is none of UTF-8"
    return str(error)


def _refuse_twice(path: Path, header: list[str]) -> None:
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise ValueError(
            f"{path} has more than one column {show_columns(twice)}; rename all but one"
        )


def _decompress(content: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            text = file.read(MAX_TABLE_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"the file is damaged or truncated: {error}") from error
    if len(text) > MAX_TABLE_BYTES:
        raise ValueError(f"more than {MAX_TABLE_BYTES:,} bytes when decompressed")
    return text
