"""Text tables: from the bytes of a file to fields with line numbers."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from pathlib import Path

from datamodules.readers.base import join_names
from datamodules.readers.inputs import check_named_file
from unvoiced.files import MAX_TABLE_BYTES, read_bytes
from unvoiced.text import escape_controls

MAX_FIELD = 20_000  # characters; csv's own limit is a little higher
Lines = list[tuple[int, list[str]]]


def read_table(path: Path, raw_dir: Path) -> tuple[list[str], Lines]:
    """Return the header of a manifest, and the numbers and fields of its other lines.

    Args:
        path: the table.
        raw_dir: the folder that must contain it: nothing of another file is shown, not even in
            an error.

    Raises:
        ValueError: the table is missing, empty, not a table or elsewhere.
    """
    if not path.exists() and not path.is_symlink():
        inside = sorted(file.name for file in path.parent.glob("*.csv"))
        raise ValueError(
            f"{path} is missing. Set reader.manifest=<a file below raw_dir>; the CSV files there: "
            f"{', '.join(map(escape_controls, inside)) or 'none'}"
        )
    check_named_file(path, raw_dir, str(path), MAX_TABLE_BYTES)
    try:
        lines = _split_lines(read_bytes(path, MAX_TABLE_BYTES).decode("utf-8-sig"))
    except (ValueError, csv.Error) as error:
        is_encoding = isinstance(error, UnicodeDecodeError)
        reason = f"byte {error.start:,} is not UTF-8" if is_encoding else error
        raise ValueError(
            f"{path} is not a table of comma-separated values in UTF-8: {reason}"
        ) from error
    if len(lines) < 2:
        content = "a header and no row" if lines else "nothing"
        raise ValueError(f"{path} holds {content}; expected a row per recording")
    header = lines[0][1]
    duplicates = sorted({name for name in header if name and header.count(name) > 1})
    if duplicates:
        raise ValueError(
            f"{path} has more than one column {join_names(duplicates)}; rename all but one"
        )
    return header, lines[1:]


def read_table_text(path: Path) -> str:
    """Return the text of a table in UTF-8, UTF-16 or Latin-1, with or without ``.gz``.

    Raises:
        ValueError: it cannot be read, is damaged, too large or not a text.
    """
    content = read_bytes(path, MAX_TABLE_BYTES)
    if path.name.lower().endswith(".gz"):
        content = _decompress_gzip(content)
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace")
    if b"\0" in content[:4096]:
        raise ValueError("not a text table: the file holds zero bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def find_separator(line: str) -> str:
    """Return the most frequent separator of a table's first line."""
    return max(",;\t", key=line.count)


def split_line(line: str, separator: str) -> list[str]:
    """Return the fields of a line of a table.

    Raises:
        ValueError: it is not a line of a table.
    """
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error as error:
        raise ValueError(f"not a table: {error}") from error


def _split_lines(text: str) -> Lines:
    """Return the numbers and fields of the lines that are not empty."""
    delimiter = find_separator(text.partition("\n")[0])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines = [(reader.line_num, [*map(str.strip, fields)]) for fields in reader if any(fields)]
    for number, fields in lines:
        if any(len(field) > MAX_FIELD for field in fields):
            raise ValueError(f"line {number} has a field of more than {MAX_FIELD:,} characters")
    return lines


def _decompress_gzip(content: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            text = file.read(MAX_TABLE_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"the file is damaged or truncated: {error}") from error
    if len(text) > MAX_TABLE_BYTES:
        raise ValueError(f"more than {MAX_TABLE_BYTES:,} bytes when decompressed")
    return text
