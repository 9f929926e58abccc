"""Manifests: tables with a row per recording, whose columns the configuration names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datamodules.readers.base import SPLIT_FOLDERS, join_names
from datamodules.readers.tables import read_table


@dataclass(frozen=True)
class ManifestRow:
    """A row of a manifest.

    Attributes:
        line: its number, from 1.
        id: of its sample, unique in the table.
        name: of its file below ``raw_dir``; of the table, if the row states no file.
        texts: of its columns by their keys in the configuration, "" if there is none.
        split: train, val, test, or "".
        parsed: result of the reader's own parser; None if there is a problem.
        problem: the reason for which it cannot be read, "" if it can.
    """

    line: int
    id: str
    name: str
    texts: dict[str, str]
    split: str = ""
    parsed: Any = None
    problem: str = ""


class Manifest:
    """A CSV table below ``raw_dir``.

    Args:
        raw_dir: the folder of the table and its recordings.
        name: of the table.
        columns: keys of the configuration → names of columns, or patterns of columns such as
            ``mouth/{clip}.mp4``; None for a usual name.
        usual: keys → usual names; the first one in the table is taken.

    Raises:
        ValueError: the table is missing, empty, not a table or lacks a column.
    """

    def __init__(
        self,
        raw_dir: Path,
        name: str,
        columns: dict[str, str | None],
        usual: dict[str, tuple[str, ...]],
    ) -> None:
        self.raw_dir, self.path = raw_dir, raw_dir / name
        self.header, self.lines = read_table(self.path, raw_dir)
        self.no_texts = dict.fromkeys(columns, "")
        self.patterns: dict[str, str] = {}
        for key, column in columns.items():
            present = (known for known in usual.get(key, ()) if known in self.header)
            column = next(present, None) if column is None else column
            if column is not None:
                self.patterns[key] = column if "{" in column else "{" + column + "}"
                self._require_columns(key)

    def columns_of(self, key: str) -> list[str]:
        """Return the columns of a key; empty if the table has none for it."""
        return re.findall(r"\{([^{}]*)\}", self.patterns.get(key, ""))

    def files_of(self, path: Path) -> list[str]:
        """Return the names below ``raw_dir`` of the table and of a row's file, if it is there."""
        paths = [self.path, *([path] if path.is_relative_to(self.raw_dir) else [])]
        return [path.relative_to(self.raw_dir).as_posix() for path in paths]

    def _require_columns(self, key: str) -> None:
        for column in self.columns_of(key):
            if column not in self.header:
                raise ValueError(
                    f"{self.path} has no column {column!r}; found {join_names(self.header)}. "
                    f"Set reader.{key}=<a column>"
                )

    def note_unused(self) -> list[str]:
        """Return a warning about columns without a use."""
        used = {column for key in self.patterns for column in self.columns_of(key)}
        unused = sorted({*self.header} - used - {""})
        return [f"warning: the reader does not use the columns {', '.join(unused)}"] * bool(unused)

    def parse_rows(
        self, required: tuple[str, ...], parse: Callable[[dict[str, str]], Any]
    ) -> Iterator[ManifestRow]:
        """Yield the rows in order; a bad one states its problem.

        Args:
            required: keys whose columns must not be empty; ``path`` is the file's name.
            parse: takes the texts of a row; raises a ValueError if they are not valid.
        """
        seen: set[str] = set()
        for line, fields in self.lines:
            row = self._parse_row(line, fields, required, parse, seen)
            seen.add(row.id)
            yield row

    def _parse_row(
        self,
        line: int,
        fields: list[str],
        required: tuple[str, ...],
        parse: Callable[[dict[str, str]], Any],
        seen: set[str],
    ) -> ManifestRow:
        if len(fields) != len(self.header):
            problem = f"line {line}: found {len(fields)} fields, expected {len(self.header)}"
            identity = f"{self.path.name}#line{line}"
            return ManifestRow(line, identity, self.path.name, self.no_texts, problem=problem)
        row = dict(zip(self.header, fields, strict=True))
        texts = self.no_texts | {
            key: re.sub(r"\{([^{}]*)\}", lambda match: row[match[1]], pattern)
            for key, pattern in self.patterns.items()
        }
        name, problem = texts["path"], ""
        try:
            name = path_below(name)
        except ValueError as error:
            problem = f"line {line}: {error}"
        is_cut = texts.get("start") or texts.get("end")
        identity = f"{name}#{texts['start']}-{texts['end']}" if is_cut else name
        identity += f"#line{line}" if not identity or identity in seen else ""
        if problem:
            return ManifestRow(line, identity, name, texts, problem=problem)
        try:
            for column in (column for key in required for column in self.columns_of(key)):
                if not row[column]:
                    raise ValueError(f"{column} is missing")
            return ManifestRow(
                line, identity, name, texts, parse_split(texts["split"]), parse(texts)
            )
        except ValueError as error:
            return ManifestRow(line, identity, name, texts, problem=f"line {line}: {error}")


def manifest_path(name: str) -> str:
    """Return the path of a table without detours.

    Raises:
        ValueError: it leads out of ``raw_dir``.
    """
    try:
        return path_below(name)
    except ValueError as error:
        raise ValueError(f"reader.manifest: {error}") from error


def path_below(name: str) -> str:
    """Return a path without detours.

    Raises:
        ValueError: it leads out of ``raw_dir``.
    """
    name = name.replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or re.match("[A-Za-z]:", name) or ".." in parts:
        raise ValueError(f"the path {name} leads out of raw_dir; expected a path below it")
    return "/".join(parts)


def parse_split(text: str) -> str:
    """Return the split of a text: train, val, test or "".

    Raises:
        ValueError: it is another text.
    """
    split = SPLIT_FOLDERS.get(text.lower(), "")
    if text and not split:
        raise ValueError(f"unknown split {text!r}; expected train, val or test")
    return split
