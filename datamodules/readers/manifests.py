"""Manifests: tables with a row per recording and configurable column names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datamodules.readers.base import SPLIT_FOLDERS, join_names
from datamodules.readers.tables import read_table

COLUMN_PATTERN = re.compile(r"\{([^{}]*)\}")


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
        problem: the reason why it cannot be read, "" if it can.
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
        self.patterns: dict[str, str] = {}
        for key, column in columns.items():
            present = (known for known in usual.get(key, ()) if known in self.header)
            column = next(present, "") if column is None else column
            self.patterns[key] = "{" + column + "}" if column and "{" not in column else column
        self.columns = {key: COLUMN_PATTERN.findall(p) for key, p in self.patterns.items()}
        for key, names in self.columns.items():
            for column in {*names} - {*self.header}:
                raise ValueError(
                    f"{self.path} has no column {column!r}; found {join_names(self.header)}. "
                    f"Set reader.{key}=<a column>"
                )

    def files_of(self, path: Path) -> list[str]:
        """Return the names below ``raw_dir`` of the table and of a row's file, if it is there."""
        paths = [self.path, *([path] if path.is_relative_to(self.raw_dir) else [])]
        return [path.relative_to(self.raw_dir).as_posix() for path in paths]

    def note_unused(self) -> list[str]:
        """Return a warning about columns without a use."""
        used = {column for names in self.columns.values() for column in names}
        unused = sorted({*self.header} - used - {""})
        return [f"warning: the reader does not use the columns {', '.join(unused)}"] * bool(unused)

    def parse_rows(
        self,
        required: tuple[str, ...] = (),
        parse: Callable[[dict[str, str]], Any] = lambda texts: None,
    ) -> Iterator[ManifestRow]:
        """Yield the rows in order; a bad one states its problem.

        Args:
            required: keys of columns that must not be empty; ``path`` is the file's name.
            parse: takes the texts of a row; raises a ValueError if they are not valid.
        """
        seen: set[str] = set()
        for line, fields in self.lines:
            row = dict(zip(self.header, fields, strict=False))
            if len(fields) != len(self.header):
                problem = f"line {line}: found {len(fields)} fields, expected {len(self.header)}"
                texts, name = dict.fromkeys(self.patterns, ""), self.path.name
                yield ManifestRow(line, f"{name}#line{line}", name, texts, problem=problem)
                continue
            texts = {
                key: COLUMN_PATTERN.sub(lambda match: row[match[1]], pattern)  # noqa: B023
                for key, pattern in self.patterns.items()
            }
            name, split, parsed, problem = texts["path"], "", None, ""
            try:
                name = path_below(name)
                for column in (column for key in required for column in self.columns[key]):
                    if not row[column]:
                        raise ValueError(f"{column} is missing")
                split, parsed = parse_split(texts["split"]), parse(texts)
            except ValueError as error:
                problem = f"line {line}: {error}"
            is_cut = texts.get("start") or texts.get("end")
            identity = f"{name}#{texts['start']}-{texts['end']}" if is_cut else name
            identity += f"#line{line}" if not identity or identity in seen else ""
            seen.add(identity)
            yield ManifestRow(line, identity, name, texts, split, parsed, problem)


def path_below(name: str, key: str = "the path ") -> str:
    """Return a path without detours.

    Raises:
        ValueError: it leads out of ``raw_dir``.
    """
    name = name.replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or re.match("[A-Za-z]:", name) or ".." in parts:
        raise ValueError(f"{key}{name} leads out of raw_dir; expected a path below it")
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
