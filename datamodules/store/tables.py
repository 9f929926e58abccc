"""The tables and settings of a prepared set: reading in pieces, cutting, comparing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

LINE_BYTES = 1 << 20  # no row of a table is longer
PIECE = 100_000  # rows of a table that are read at once: pandas takes much memory for a moment


def read_rows(path: Path, **named: Any) -> pd.DataFrame:
    pieces = pd.read_csv(path, keep_default_na=False, chunksize=PIECE, **named)
    return pd.concat(pieces, ignore_index=True)


def drop_partial_line(path: Path) -> None:
    with path.open("r+b") as file:
        begin = max(0, file.seek(0, os.SEEK_END) - LINE_BYTES)
        file.seek(begin)
        file.truncate(begin + file.read().rfind(b"\n") + 1)


def differences(one: Any, other: Any, name: str = "") -> Iterator[str]:
    """The dotted names of the settings that differ."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        if one != other:
            yield name
        return
    for key in sorted({*one, *other}):
        yield from differences(one.get(key), other.get(key), f"{name}.{key}".lstrip("."))
