"""What the readers of manifests share: a CSV table with the numbers of its lines, its columns."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from datamodules.readers.base import SPLIT_FOLDERS

Lines = list[tuple[int, list[str]]]


def read_table(path: Path, row_is: str) -> tuple[list[str], Lines]:
    """The header of a manifest, and its other lines in fields, with their numbers.

    Args:
        path: the table.
        row_is: what a row is, for the error.

    Raises:
        ValueError: the table is missing, empty or not a table.
    """
    if not path.is_file():
        inside = sorted(file.name for file in path.parent.glob("*.csv"))
        raise ValueError(
            f"{path} is missing. Name the table with reader.manifest=<a file below raw_dir>; the "
            f"CSV files there: {', '.join(inside) or 'none'}"
        )
    try:
        lines = _lines(path.read_text(encoding="utf-8-sig"))
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path} is not a table of comma-separated values in UTF-8: {error}"
        ) from error
    if len(lines) < 2:
        held = "a header and no row" if lines else "nothing"
        raise ValueError(f"{path} holds {held}; expected a row {row_is}")
    return lines[0][1], lines[1:]


def _lines(text: str) -> Lines:
    """The lines that are not empty, in fields, with their numbers."""
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    return [(reader.line_num, [*map(str.strip, fields)]) for fields in reader if any(fields)]


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


def split_named(text: str) -> str:
    """The split that ``text`` names: train, val, test or "".

    Raises:
        ValueError: it names none of them.
    """
    split = SPLIT_FOLDERS.get(text.lower(), "")
    if text and not split:
        raise ValueError(f"unknown split {text!r}; expected train, val or test")
    return split
