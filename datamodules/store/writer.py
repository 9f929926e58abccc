"""Writing of a prepared set, new or resumed.

Frames are written before the manifest rows that list them. Whatever stops a preparation (a signal,
a full disk, a power cut), the written rows are valid and the next run resumes after them.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd

from datamodules.store.append import Addition
from datamodules.store.copies import CopyFinder, fingerprint
from datamodules.store.frames import NpyFrameStore, npy_header
from datamodules.store.interrupts import delay_interrupts
from datamodules.store.locks import lock_folder
from datamodules.store.recovery import (
    check_resumable,
    open_features,
    recover_tables,
    refuse_foreign_folder,
)
from datamodules.store.samples import (
    FEATURES_NAME,
    FORMAT_VERSION,
    MANIFEST_NAME,
    META_NAME,
    REJECTED_NAME,
    WORD_COLUMNS,
    Description,
    Rejection,
    Sample,
    manifest_row,
)
from datamodules.store.validation import describe_error, read_rows

NO_SPACE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # disk full, quota, file size limit


class PreparedWriter:
    """A prepared set that samples are added to, new or resumed.

    Args:
        data_dir: its folder; made if it is missing.
        description: content of the set, and how it is prepared.
        buffer_samples: number of outcomes that are buffered before they are written;
        buffer_bytes: or bytes of their frames, whichever is reached first.
        addition: the source that is added to a complete set; None to prepare a set.
        extra_meta: further plain content of meta.json; None for none.

    Attributes:
        complete: whether the set is finished.
        done: ids of all added samples and rejections.
        frames: number of written frames.
        warnings: messages for the user, once the set is complete.

    Raises:
        ValueError: the folder holds a set prepared with other settings, or something else.
    """

    def __init__(
        self,
        data_dir: str | Path,
        description: Description,
        buffer_samples: int = 512,
        buffer_bytes: int = 1 << 26,
        *,
        addition: Addition | None = None,
        extra_meta: dict[str, Any] | None = None,
    ) -> None:
        self.data_dir = Path(data_dir)
        self.description, self.addition = description, addition
        self.buffer_samples, self.buffer_bytes = buffer_samples, buffer_bytes
        self.extra_meta = extra_meta or {}
        self.complete = False
        self.warnings: list[str] = []
        self._samples: list[Sample] = []
        self._rejected: list[Rejection] = []
        self._buffered_bytes = 0
        self._copies = CopyFinder()
        self._known: dict[int, str] = {}  # ids of the samples that a source is added to
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
            if isinstance(error, OSError) and error.errno in NO_SPACE_ERRORS:
                with contextlib.suppress(OSError):  # there is no space for its buffer either
                    self._features.close()
                return
            self.flush()  # keeps the samples so far after any other error, or Ctrl-C
            self._features.close()

    def add(self, outcome: Sample | Rejection) -> None:
        """Add a sample or rejection; a full buffer is written."""
        if self.addition:
            outcome = self._refuse_copy(self.addition.rename_outcome(outcome))
        if outcome.id in self.done:
            return
        self.done.add(outcome.id)
        if isinstance(outcome, Sample):
            expected = self.description.frame.shape
            found = outcome.features.shape[1:]
            assert found == expected, (outcome.id, found, expected)
            self._samples.append(outcome)
            self._buffered_bytes += outcome.features.nbytes
        else:
            self._rejected.append(outcome)
        buffered = len(self._samples) + len(self._rejected)
        if buffered >= self.buffer_samples or self._buffered_bytes >= self.buffer_bytes:
            self.flush()

    def flush(self) -> None:
        """Write the buffer: first the frames, then the rows that list them.

        Raises:
            OSError: the disk is full; all written frames are safe.
        """
        try:
            with delay_interrupts():
                self._write_buffer()
        except OSError as error:
            if error.errno in NO_SPACE_ERRORS:
                raise OSError(
                    error.errno,
                    f"the disk is full; {self.frames:,} frames in {self.data_dir} are safe. "
                    "Free some space and run the same command again to resume",
                ) from error
            raise

    def _write_buffer(self) -> None:
        if self.addition and (self._samples or self._rejected):
            self._save_meta(self.addition.plan_meta())  # the set stays as it was, see append.py
        self._write_samples()
        self._append_rows(REJECTED_NAME, [asdict(row) for row in self._rejected])
        self._samples, self._rejected, self._buffered_bytes = [], [], 0

    def finish(self) -> None:
        """Mark the set as complete; sets that are not complete cannot be trained on."""
        self.flush()
        types = {"id": str, "label": str, "start": np.int64, "length": np.int64}
        rows = read_rows(self.data_dir / MANIFEST_NAME, usecols=list(types), dtype=types)
        present = set(rows["label"])
        self._write_meta(
            complete=True,
            samples=len(rows),
            frames=self.frames,
            classes_present=[c for c in self.description.classes if c in present]
            or sorted(present),
        )
        self._find_copies(rows)
        self.complete = True

    def _find_copies(self, rows: pd.DataFrame) -> None:
        if len(self._copies) < len(rows):  # an earlier run wrote the first ones
            earlier = rows.iloc[: len(rows) - len(self._copies)]
            self._copies.add_earlier(NpyFrameStore(self.data_dir / FEATURES_NAME), earlier)
        self.warnings = self._copies.describe_conflicts(rows["id"], rows["label"])

    def _refuse_copy(self, outcome: Sample | Rejection) -> Sample | Rejection:
        """Return a rejection of a sample that the set holds already."""
        if isinstance(outcome, Rejection):
            return outcome
        features = np.ascontiguousarray(outcome.features, dtype=self.description.frame.dtype)
        known = self._known.get(fingerprint(features))
        if known is None or (features == features.flat[0]).all():  # such as black clips
            return outcome
        reason = f"a copy of {known}, which the set holds already"
        return Rejection(outcome.id, reason, outcome.source, outcome.label)

    def _open_folder(self) -> None:
        if self.addition:
            check_resumable(self.data_dir, self.description)
        elif (self.data_dir / META_NAME).exists():
            self.complete = check_resumable(self.data_dir, self.description)
        else:
            refuse_foreign_folder(self.data_dir)
            self._write_meta(complete=False)
        try:
            written = recover_tables(self.data_dir, is_complete=self.complete)
            self.done, self.frames = written.done, written.frames
            self._has_words = written.has_words
            self._features = open_features(
                self.data_dir / FEATURES_NAME, self.description.frame, self.frames
            )
            if self.addition:
                self._read_known(self.addition.num_rows)
        except (ValueError, LookupError, StopIteration, csv.Error) as error:
            raise ValueError(
                f"data_dir={self.data_dir} is damaged ({describe_error(error)}). Delete it and "
                "prepare the recordings again"
            ) from error

    def _read_known(self, count: int) -> None:
        """Read the fingerprints of the first ``count`` samples, and those added to them so far."""
        types = {"id": str, "start": np.int64, "length": np.int64}
        rows = read_rows(self.data_dir / MANIFEST_NAME, usecols=list(types), dtype=types)
        self._copies.add_earlier(NpyFrameStore(self.data_dir / FEATURES_NAME), rows)
        prints = self._copies.fingerprints[:count].tolist()
        self._known = dict(zip(prints, rows["id"].tolist(), strict=False))

    def _write_samples(self) -> None:
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
        self._append_rows(MANIFEST_NAME, rows)
        self.frames = start

    def _add_word_columns(self) -> None:
        """Add ``WORD_COLUMNS`` to the manifest, empty in the rows that it has."""
        path = self.data_dir / MANIFEST_NAME
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

    def _append_rows(self, name: str, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        with (self.data_dir / name).open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, list(rows[0]), lineterminator="\n").writerows(rows)

    def _write_meta(self, **state: Any) -> None:
        description = asdict(self.description)
        versions = {"python": platform.python_version(), "numpy": version("numpy")}
        if self.addition and self.addition.list_sources():
            state["appended"] = self.addition.list_sources()
        meta = {"format": FORMAT_VERSION, **description, "versions": versions, **state}
        self._save_meta(meta | self.extra_meta)

    def _save_meta(self, meta: dict[str, Any]) -> None:
        path = self.data_dir / META_NAME
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")
        partial.replace(path)


def write_all(
    data_dir: Path, description: Description, samples: Iterable[Sample | Rejection]
) -> None:
    """Write a whole set at once."""
    with PreparedWriter(data_dir, description) as writer:
        for sample in samples:
            writer.add(sample)
        writer.finish()
