"""Writing a prepared set, new or interrupted.

Data is written before the manifest row that speaks of it, so that whatever stops a preparation
(a signal, a full disk, a power cut), the rows that stand are true and the next run goes on there.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd

from datamodules.store.copies import CopyFinder
from datamodules.store.dataset import read_meta
from datamodules.store.frames import NpyFrameStore, npy_header
from datamodules.store.locks import LOCK, lock_folder
from datamodules.store.samples import (
    FEATURES,
    FORMAT_VERSION,
    MANIFEST,
    MANIFEST_COLUMNS,
    META,
    REJECTED,
    WORD_COLUMNS,
    Description,
    Rejected,
    Sample,
    manifest_row,
)
from datamodules.store.tables import differences, drop_partial_line, read_rows
from datamodules.store.validation import MAX_FRAMES, describe_error
from unvoiced.files import require_regular_file
from unvoiced.metadata import rename_reader_settings

ROW_TYPES = {"id": str, "label": str, "start": np.int64, "length": np.int64}
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # disk full, quota, limit on a file's size


class PreparedWriter:
    """Adds samples to a prepared set, new or interrupted.

    Args:
        data_dir: the folder; made if it is missing.
        description: what the set holds and how it is prepared.
        buffer_samples: how many samples are held before data and rows are written;
        buffer_bytes: or how much data, whichever is reached first.

    Raises:
        ValueError: the folder holds a set prepared with other settings, or something else.
    """

    def __init__(
        self,
        data_dir: str | Path,
        description: Description,
        buffer_samples: int = 512,
        buffer_bytes: int = 1 << 26,
    ) -> None:
        self.data_dir = Path(data_dir)
        self.description = description
        self.buffer_samples, self.buffer_bytes = buffer_samples, buffer_bytes
        self.complete = False
        self._samples: list[Sample] = []
        self._rejected: list[Rejected] = []
        self._held_bytes = 0
        self._copies = CopyFinder()
        self.warnings: list[str] = []  # for the user, once the set is complete
        self._lock = contextlib.ExitStack()
        self._lock.enter_context(lock_folder(self.data_dir, "a preparation"))
        try:
            self._open_folder()
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> PreparedWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        with self._lock:
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                with contextlib.suppress(OSError):  # its buffer has no room either
                    self._features.close()
                return
            self.flush()  # what was read before any other error, or Ctrl-C, is not lost
            self._features.close()

    def add(self, outcome: Sample | Rejected) -> None:
        """Take one sample or rejection; writes when the buffer is full."""
        if outcome.id in self.done:
            return
        self.done.add(outcome.id)
        if isinstance(outcome, Sample):
            self._check(outcome)
            self._samples.append(outcome)
            self._held_bytes += outcome.features.nbytes
        else:
            self._rejected.append(outcome)
        held = len(self._samples) + len(self._rejected)
        if held >= self.buffer_samples or self._held_bytes >= self.buffer_bytes:
            self.flush()

    def flush(self) -> None:
        """Write what is held: first the data, then the rows that speak of it."""
        try:
            self._write_features()
            self._append(REJECTED, [asdict(row) for row in self._rejected])
        except OSError as error:
            if error.errno in NO_ROOM:
                raise OSError(
                    error.errno,
                    f"the disk is full; {self.frames:,} frames in {self.data_dir} are safe. "
                    "Free some space and run the same command again: it goes on from there",
                ) from error
            raise
        self._samples, self._rejected, self._held_bytes = [], [], 0

    def finish(self) -> None:
        """Declare the set complete: training refuses a set that is not."""
        self.flush()
        path = self.data_dir / MANIFEST
        rows = read_rows(path, usecols=["id", "label", "start", "length"], dtype=ROW_TYPES)
        labels = rows["label"]
        found = set(labels)
        classes = [c for c in self.description.classes if c in found]
        self._write_meta(
            complete=True,
            samples=len(labels),
            frames=self.frames,
            classes_present=classes or sorted(found),
        )
        self._find_copies(rows)
        self.complete = True

    def _find_copies(self, rows: pd.DataFrame) -> None:
        if len(self._copies) < len(rows):  # an earlier run wrote the first ones
            earlier = rows.iloc[: len(rows) - len(self._copies)]
            self._copies.add_earlier(NpyFrameStore(self.data_dir / FEATURES), earlier)
        self.warnings = self._copies.conflicts(rows["id"], rows["label"])

    # ---- the folder

    def _open_folder(self) -> None:
        meta_path = self.data_dir / META
        if not meta_path.exists():
            self._refuse_foreign_folder()
            self.data_dir.mkdir(parents=True, exist_ok=True)
            self._write_meta(complete=False)
        else:
            self.complete = self._refuse_other_settings(read_meta(self.data_dir))
        try:
            self.frames = self._repair()
            self._features = self._open_features()
        except (ValueError, LookupError, StopIteration, csv.Error) as error:
            raise ValueError(
                f"data_dir={self.data_dir} is damaged ({describe_error(error)}). Delete it and "
                "prepare the recordings again"
            ) from error

    def _refuse_foreign_folder(self) -> None:
        if any(path.name != LOCK for path in self.data_dir.iterdir()):
            raise ValueError(
                f"data_dir={self.data_dir} is not empty and holds no {META}: it is not a prepared "
                "set. Name a new or empty folder"
            )

    def _refuse_other_settings(self, meta: dict[str, Any]) -> bool:
        mine, stored = json.loads(json.dumps(self.description.settings)), meta["settings"]
        if isinstance(stored.get("reader"), dict):
            has_images = len(self.description.frame.shape) > 1
            stored = stored | {"reader": rename_reader_settings(stored["reader"], has_images)}
        if meta["task"] != self.description.task or stored != mine:
            keys = list(differences(mine, stored))
            raise ValueError(
                f"data_dir={self.data_dir} was prepared for task {meta['task']} with other "
                f"settings ({', '.join(keys) or 'the task'} differ). Name another folder, or "
                "delete this one"
            )
        return bool(meta["complete"])

    def _repair(self) -> int:
        """Cut a half-written last row; returns how many frames the rows that stand speak of."""
        self.done: set[str] = set()
        frames = 0
        for name, columns in ((MANIFEST, MANIFEST_COLUMNS), (REJECTED, _names(Rejected))):
            path = self.data_dir / name
            if not (path.exists() or path.is_symlink()):
                path.write_text(",".join(columns) + "\n", encoding="utf-8")
            require_regular_file(path)
            drop_partial_line(path)
            if name == REJECTED and not frames:  # not one sample: what failed is read again
                path.write_text(",".join(columns) + "\n", encoding="utf-8")
                self.done.clear()
            found, last = self._take_ids(path)
            if name == MANIFEST:
                self._has_words = not set(WORD_COLUMNS).isdisjoint(found)
                columns += WORD_COLUMNS if self._has_words else ()
                frames = int(last.get("start", 0)) + int(last.get("length", 0))
                if not 0 <= frames <= MAX_FRAMES:
                    raise ValueError(f"{name} ends at frame {frames:,}")
            if found != list(columns):  # half prepared before a column was added
                rows = read_rows(path, dtype=str)
                rows.reindex(columns=columns, fill_value="").to_csv(path, index=False)
        return frames

    def _take_ids(self, path: Path) -> tuple[list[str], dict[str, str]]:
        """Add the table's ids to ``done``; returns its columns and its last row."""
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            columns, last = next(rows), []
            place = columns.index("id")
            for last in rows:
                self.done.add(last[place])
        return columns, dict(zip(columns, last, strict=False))

    def _open_features(self) -> Any:
        path = self.data_dir / FEATURES
        if not (path.exists() or path.is_symlink()):
            path.write_bytes(npy_header(self.description.frame, 0))
        require_regular_file(path)
        features = path.open("r+b")
        size = len(npy_header(self.description.frame, 0)) + self.frames * self._frame_bytes
        if features.seek(0, os.SEEK_END) < size:
            features.close()
            raise ValueError(f"{path.name} is shorter than {MANIFEST} says")
        features.truncate(size)
        features.seek(size)
        return features

    # ---- writing

    def _check(self, sample: Sample) -> None:
        expected = self.description.frame.shape
        assert sample.features.shape[1:] == expected, (sample.id, sample.features.shape, expected)

    @property
    def _frame_bytes(self) -> int:
        frame = self.description.frame
        return int(np.prod(frame.shape, dtype=np.int64)) * np.dtype(frame.dtype).itemsize

    def _write_features(self) -> None:
        if not self._samples:
            return
        adds_words = not self._has_words and any(sample.word_span for sample in self._samples)
        rows, start = [], self.frames
        for sample in self._samples:
            features = np.ascontiguousarray(sample.features, dtype=self.description.frame.dtype)
            self._features.write(features.data)
            self._copies.add(features)
            rows.append(manifest_row(sample, start, self._has_words or adds_words))
            start += len(features)
        end = self._features.tell()
        self._features.seek(0)
        self._features.write(npy_header(self.description.frame, start))
        self._features.seek(end)
        self._features.flush()
        os.fsync(self._features.fileno())
        if adds_words:
            self._add_word_columns()
        self._append(MANIFEST, rows)
        self.frames = start

    def _add_word_columns(self) -> None:
        """Add WORD_COLUMNS to the manifest; in the rows that stand they are empty."""
        path = self.data_dir / MANIFEST
        partial = path.with_suffix(".partial")
        with (
            path.open(newline="", encoding="utf-8") as old,
            partial.open("w", newline="", encoding="utf-8") as new,
        ):
            rows, writer = csv.reader(old), csv.writer(new, lineterminator="\n")
            writer.writerow([*next(rows), *WORD_COLUMNS])
            writer.writerows([*row, *("" for _ in WORD_COLUMNS)] for row in rows)
            new.flush()
            os.fsync(new.fileno())
        partial.replace(path)
        self._has_words = True

    def _append(self, name: str, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        with (self.data_dir / name).open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, list(rows[0]), lineterminator="\n").writerows(rows)

    def _write_meta(self, **state: Any) -> None:
        about = asdict(self.description)
        versions = {"python": platform.python_version(), "numpy": version("numpy")}
        meta = {"format": FORMAT_VERSION, **about, "versions": versions, **state}
        path = self.data_dir / META
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")
        partial.replace(path)


def write_all(
    data_dir: Path, description: Description, samples: Iterable[Sample | Rejected]
) -> None:
    """Write a whole set at once."""
    with PreparedWriter(data_dir, description) as writer:
        for sample in samples:
            writer.add(sample)
        writer.finish()


def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))
