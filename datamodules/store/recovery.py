"""Open a prepared set for writing: a new one, or one with an interrupted preparation."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, BinaryIO

from datamodules.store.dataset import read_meta
from datamodules.store.frames import MAX_FRAMES, npy_header
from datamodules.store.locks import LOCK_NAME
from datamodules.store.samples import (
    MANIFEST_COLUMNS,
    MANIFEST_NAME,
    META_NAME,
    REJECTED_NAME,
    SHARDS_NAME,
    WORD_COLUMNS,
    Description,
    Frame,
    Rejection,
)
from datamodules.store.validation import read_rows
from unvoiced.files import require_regular_file
from unvoiced.metadata import rename_reader_settings

MAX_LINE_BYTES = 1 << 20  # of a row of a table


@dataclass
class WrittenRows:
    """The rows that an earlier run has written.

    Attributes:
        done: ids of samples and rejections.
        frames: frames of all samples.
        has_words: whether the manifest has ``WORD_COLUMNS``.
    """

    done: set[str] = field(default_factory=set)
    frames: int = 0
    has_words: bool = False


def check_resumable(data_dir: Path, description: Description) -> bool:
    """Check that the set may be continued with these settings; return whether it is complete.

    Raises:
        ValueError: it was prepared for another task or with other settings.
    """
    meta = read_meta(data_dir)
    keys = list_differences(meta, description)
    if keys:
        raise ValueError(
            f"data_dir={data_dir} was prepared for task {meta['task']} with other settings "
            f"({', '.join(keys)} differ). Use another folder, or delete this one"
            + (", or add these recordings with prepare.append=true" * (keys == ["reader.raw_dir"]))
        )
    return bool(meta["complete"])


def list_differences(meta: dict[str, Any], description: Description) -> list[str]:
    """Return the dotted names of settings in which a set differs from ``description``.

    Args:
        meta: content of the set's ``meta.json``.
        description: of the preparation.
    """
    settings, stored = json.loads(json.dumps(description.settings)), meta["settings"]
    if isinstance(stored.get("reader"), dict):
        has_images = len(description.frame.shape) > 1
        before = rename_reader_settings(stored["reader"], has_images)
        stored = stored | {"reader": _with_moved_class(before, settings.get("reader"))}
    keys = list(_differing_keys(settings, stored))  # a new setting that is null changes nothing
    frame = {"shape": list(description.frame.shape), "dtype": description.frame.dtype}
    keys += [f"frame.{name}" for name, value in frame.items() if meta["frame"][name] != value]
    return keys or ["the task"] * (meta["task"] != description.task)


def _with_moved_class(stored: dict[str, Any], current: Any) -> dict[str, Any]:
    """Return stored settings with the dotted path that their class has today."""
    old, new = (str((node or {}).get("_target_")) for node in (stored, current))
    is_same = old.startswith("datamodules.") and old.rpartition(".")[2] == new.rpartition(".")[2]
    return stored | {"_target_": new} if is_same else stored


def is_prepared(data_dir: Path) -> bool:
    """Return whether the folder holds a complete set."""
    return (data_dir / META_NAME).exists() and bool(read_meta(data_dir)["complete"])


def refuse_foreign_folder(data_dir: Path) -> None:
    """Raise ``ValueError`` if the folder holds anything but a lock file or shards.

    A full disk or a kill may leave a ``meta.partial`` next to it.
    """
    own_names = LOCK_NAME, SHARDS_NAME, Path(META_NAME).with_suffix(".partial").name
    if any(path.name not in own_names for path in data_dir.iterdir()):
        raise ValueError(
            f"data_dir={data_dir} is not empty and holds no {META_NAME}: it is not a prepared "
            "set. Use a new or empty folder"
        )


def recover_tables(data_dir: Path, *, is_complete: bool = False) -> WrittenRows:
    """Drop half-written last rows of the tables, make missing ones, and return their rows.

    Args:
        data_dir: folder of the set.
        is_complete: whether its preparation is complete.

    Raises:
        ValueError, LookupError, StopIteration, csv.Error: a table is damaged.
    """
    written = WrittenRows()
    columns, last = _recover_table(data_dir / MANIFEST_NAME, MANIFEST_COLUMNS, written.done)
    written.has_words = not set(WORD_COLUMNS).isdisjoint(columns)
    written.frames = int(last.get("start", 0)) + int(last.get("length", 0))
    if not 0 <= written.frames <= MAX_FRAMES:
        raise ValueError(f"{MANIFEST_NAME} ends at frame {written.frames:,}")
    expected = (*MANIFEST_COLUMNS, *(WORD_COLUMNS if written.has_words else ()))
    _add_missing_columns(data_dir / MANIFEST_NAME, columns, expected)

    rejected, names = data_dir / REJECTED_NAME, tuple(one.name for one in fields(Rejection))
    if not written.frames and not is_complete:  # without a sample, rejected files are read again
        _ensure_table(rejected, names, is_new=True)
        written.done.clear()
    columns, _ = _recover_table(rejected, names, written.done)
    _add_missing_columns(rejected, columns, names)
    return written


def _recover_table(
    path: Path, columns: tuple[str, ...], ids: set[str]
) -> tuple[list[str], dict[str, str]]:
    """Drop a half-written last row and add the ids; return the columns and the last row."""
    _ensure_table(path, columns)
    _drop_partial_line(path)
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        found, last = next(rows), []
        id_index = found.index("id")
        for last in rows:
            ids.add(last[id_index])
    return found, dict(zip(found, last, strict=False))


def _ensure_table(path: Path, columns: tuple[str, ...], is_new: bool = False) -> None:
    """Write the header of a missing or new table."""
    exists = path.exists() or path.is_symlink()
    if exists:
        require_regular_file(path)
    if is_new or not exists:
        path.write_text(",".join(columns) + "\n", encoding="utf-8")


def _drop_partial_line(path: Path) -> None:
    with path.open("r+b") as file:
        begin = max(0, file.seek(0, os.SEEK_END) - MAX_LINE_BYTES)
        file.seek(begin)
        file.truncate(begin + file.read().rfind(b"\n") + 1)


def _add_missing_columns(path: Path, columns: list[str], expected: tuple[str, ...]) -> None:
    if columns != list(expected):  # prepared by a version without one of them
        rows = read_rows(path, dtype=str)
        rows.reindex(columns=list(expected), fill_value="").to_csv(path, index=False)


def open_features(path: Path, frame: Frame, frames: int) -> BinaryIO:
    """Open ``features.npy`` for appending after ``frames`` frames; make it if it is missing.

    Raises:
        ValueError: it is shorter.
    """
    if not (path.exists() or path.is_symlink()):
        path.write_bytes(npy_header(frame, 0))
    require_regular_file(path)
    features = path.open("r+b")
    size = len(npy_header(frame, 0)) + frames * frame.num_bytes
    if features.seek(0, os.SEEK_END) < size:
        features.close()
        raise ValueError(f"{path.name} is shorter than {MANIFEST_NAME} lists")
    features.seek(0)
    features.write(npy_header(frame, frames))  # states no frame that is cut off next
    features.flush()
    features.truncate(size)
    features.seek(size)
    return features


def _differing_keys(first: Any, second: Any, name: str = "") -> Iterator[str]:
    """Yield the dotted names of settings that differ."""
    if not (isinstance(first, dict) and isinstance(second, dict)):
        if first != second:
            yield name
        return
    for key in sorted({*first, *second}):
        yield from _differing_keys(first.get(key), second.get(key), f"{name}.{key}".lstrip("."))
