"""The one on-disk format of samples: manifest.csv, features.npy, meta.json, rejected.csv.

Data is written before the manifest row that speaks of it, so that whatever stops a preparation
(a signal, a full disk, a power cut), the rows that stand are true and the next run goes on there.
This file knows neither torch nor MediaPipe: preparing processes import it and must start fast.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import json
import os
import platform
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from io import BytesIO, FileIO
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd

from unvoiced.text import escape_controls, normal_form, shorten

MANIFEST, FEATURES, META, REJECTED = "manifest.csv", "features.npy", "meta.json", "rejected.csv"
FORMAT_VERSION = 1
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # disk full, quota, limit on a file's size
TEXT_COLUMNS = ("id", "label", "group", "sequence", "split", "source")
MANIFEST_COLUMNS = (*TEXT_COLUMNS, "start", "length")
WORD_COLUMNS = ("word_start", "word_end")  # only where a sample says which frames its word takes
SPARSE = 4  # a stretch this many times as long as what is wanted of it is still read in one piece
MAX_LABEL, MAX_REASON = 1_000, 2_000  # characters
LINE_BYTES = 1 << 20  # no row of a table is longer
PIECE = 100_000  # rows of a table that are read at once: pandas takes much memory for a moment


@dataclass(frozen=True)
class Sample:
    """One recording, ready to be stored: ``features`` is (frames, *frame_shape).

    ``word`` is the first frame that the word itself takes and the one after its last, counted
    within the sample; what is around it is context. None where nobody knows.

    ``sequence`` names the recording that the sample was cut from, unique in the set: samples of
    one sequence are near-copies and stay on one side of a split. Empty where it is unknown.
    """

    id: str
    features: np.ndarray
    label: str
    group: str = ""
    split: str = ""
    source: str = ""
    word: tuple[int, int] | None = None
    sequence: str = ""

    def __post_init__(self) -> None:
        for name in ("label", "group"):
            object.__setattr__(self, name, normal_form(getattr(self, name)))
        if self.word is not None:
            first, stop = self.word
            assert 0 <= first < stop <= len(self.features), (self.id, self.word, len(self.features))


@dataclass(frozen=True)
class Rejected:
    """A recording that could not be prepared, and why, in words for its owner."""

    id: str
    reason: str
    source: str = ""
    label: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", shorten(escape_controls(self.reason), MAX_REASON))
        object.__setattr__(self, "label", shorten(normal_form(self.label), MAX_LABEL))


@dataclass(frozen=True)
class Frame:
    """What one row of ``features.npy`` is.

    ``rate`` is in Hz; None where frames are single pictures without a rate.
    """

    shape: tuple[int, ...]
    dtype: str
    meaning: str
    rate: float | None = None


@dataclass(frozen=True)
class Description:
    """What ``meta.json`` says about a prepared set beside the counts.

    ``settings`` are the plain numbers and strings that it was prepared with: a folder is gone on
    with only under the same settings.
    """

    task: str
    frame: Frame
    settings: dict[str, Any]
    classes: tuple[str, ...] = ()
    simulated: bool = False


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
        self._open_folder()

    def __enter__(self) -> PreparedWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
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
        labels = _read_table(path, usecols=["label"], dtype=str)["label"]
        found = set(labels)
        classes = [c for c in self.description.classes if c in found]
        self._write_meta(
            complete=True,
            samples=len(labels),
            frames=self.frames,
            classes_present=classes or sorted(found),
        )
        self.complete = True

    # ---- the folder

    def _open_folder(self) -> None:
        meta_path = self.data_dir / META
        if not meta_path.exists():
            self._refuse_foreign_folder()
            self.data_dir.mkdir(parents=True, exist_ok=True)
            self._write_meta(complete=False)
        else:
            self.complete = self._refuse_other_settings(read_meta(self.data_dir))
        self.frames = self._repair()
        self._features = self._open_features()

    def _refuse_foreign_folder(self) -> None:
        if self.data_dir.is_dir() and any(self.data_dir.iterdir()):
            raise ValueError(
                f"data_dir={self.data_dir} is not empty and holds no {META}: it is not a prepared "
                "set. Name a new or empty folder"
            )

    def _refuse_other_settings(self, meta: dict[str, Any]) -> bool:
        mine = json.loads(json.dumps(self.description.settings))
        if meta["task"] != self.description.task or meta["settings"] != mine:
            keys = list(_differences(mine, meta["settings"]))
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
            if not path.exists():
                path.write_text(",".join(columns) + "\n", encoding="utf-8")
            _drop_partial_line(path)
            found, last = self._take_ids(path)
            if name == MANIFEST:
                self._has_words = not set(WORD_COLUMNS).isdisjoint(found)
                columns += WORD_COLUMNS if self._has_words else ()
                frames = int(last.get("start", 0)) + int(last.get("length", 0))
            if found != list(columns):  # half prepared before a column was added
                rows = _read_table(path, dtype=str)
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
        if not path.exists():
            path.write_bytes(self._header(0))
        features = path.open("r+b")
        size = len(self._header(0)) + self.frames * self._frame_bytes
        if features.seek(0, os.SEEK_END) < size:
            raise ValueError(f"{path} is shorter than {MANIFEST} says: delete {self.data_dir}")
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

    def _header(self, frames: int) -> bytes:
        """The .npy header; numpy leaves room in it for the first axis to grow."""
        frame, buffer = self.description.frame, BytesIO()
        descr = np.lib.format.dtype_to_descr(np.dtype(frame.dtype))
        shape = (frames, *frame.shape)
        np.lib.format.write_array_header_1_0(
            buffer, {"descr": descr, "fortran_order": False, "shape": shape}
        )
        return buffer.getvalue()

    def _write_features(self) -> None:
        if not self._samples:
            return
        adds_words = not self._has_words and any(sample.word for sample in self._samples)
        rows, start = [], self.frames
        for sample in self._samples:
            features = np.ascontiguousarray(sample.features, dtype=self.description.frame.dtype)
            self._features.write(features.data)
            rows.append(_row(sample, start, self._has_words or adds_words))
            start += len(features)
        end = self._features.tell()
        self._features.seek(0)
        self._features.write(self._header(start))
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


class StoredFrames(ABC):
    """Frames that are indexed as an array (frames, *frame_shape) is, and give an array in memory.

    They are indexed by a slice or by places (..., T), of which those along the last axis are of
    one sample.
    """

    shape: tuple[int, ...]
    dtype: np.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: slice | np.ndarray) -> np.ndarray:
        return self.take(np.arange(*at.indices(len(self))) if isinstance(at, slice) else at)

    def take(self, at: np.ndarray, axis: int = 0) -> np.ndarray:
        """(*at.shape, *frame_shape), as numpy's ``take``."""
        assert axis == 0, axis
        found = np.empty((*at.shape, *self.shape[1:]), self.dtype)
        if at.size:
            self._read_into(found, at)
        return found

    @abstractmethod
    def _read_into(self, found: np.ndarray, at: np.ndarray) -> None:
        """Fill ``found`` with the frames ``at``, of which there are some."""


class FrameFile(StoredFrames):
    """The frames of a ``features.npy`` that is too large for memory, read when they are wanted.

    A memory map would do so too, but what it has once read counts as memory of the process, up to
    the size of the file, and the whole file counts where address space is limited (``ulimit -v``).

    Args:
        path: the file.

    Raises:
        OSError, ValueError: it is no ``.npy`` file as PreparedWriter writes it, or is too short.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            if np.lib.format.read_magic(file) != (1, 0):
                raise ValueError("not of .npy version 1.0")
            self.shape, by_columns, self.dtype = np.lib.format.read_array_header_1_0(file)
            self.offset = file.tell()
        if by_columns or self.dtype.hasobject:
            raise ValueError(f"{self.dtype} by {'columns' if by_columns else 'rows'}")
        size = path.stat().st_size
        if size < self.offset + self.nbytes:
            raise ValueError(f"{size:,} bytes, and {self.offset + self.nbytes:,} are announced")

    @property
    def nbytes(self) -> int:
        return len(self) * self._frame_bytes

    @property
    def _frame_bytes(self) -> int:
        return int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize

    def _read_into(self, found: np.ndarray, at: np.ndarray) -> None:
        rows = at.reshape(-1, at.shape[-1])  # (..., T) → (rows, T)
        # Opened each time: a loader's processes then share no position in the file.
        with self.path.open("rb", buffering=0) as file:
            for row, into in zip(rows, found.reshape(*rows.shape, *self.shape[1:]), strict=True):
                self._read_row(file, row, into)

    def _read_row(self, file: FileIO, row: np.ndarray, into: np.ndarray) -> None:
        """Read the frames ``row`` (T,) into ``into`` (T, *frame_shape)."""
        first = int(row.min())
        span = int(row.max()) + 1 - first
        if span == len(row) and (row[1:] > row[:-1]).all():
            self._read(file, first, into)
        elif span <= SPARSE * len(row):
            between = np.empty((span, *self.shape[1:]), self.dtype)
            self._read(file, first, between)
            np.take(between, row - first, axis=0, out=into, mode="clip")  # "raise" would copy
        else:
            for place, frame in zip(row.tolist(), into, strict=True):
                self._read(file, place, frame)

    def _read(self, file: FileIO, first: int, into: np.ndarray) -> None:
        wanted = into.reshape(-1).view(np.uint8)
        file.seek(self.offset + first * self._frame_bytes)
        while len(wanted):
            count = file.readinto(wanted)
            if not count:
                raise OSError(f"{self.path} has become shorter: prepare the set again")
            wanted = wanted[count:]


class JoinedFrames(StoredFrames):
    """The frames of two sets end to end, each in memory or in a file."""

    def __init__(self, first: Frames, second: Frames) -> None:
        self.first, self.second = first, second
        self.dtype = first.dtype
        self.shape = (len(first) + len(second), *first.shape[1:])

    def _read_into(self, found: np.ndarray, at: np.ndarray) -> None:
        later = at[..., 0] >= len(self.first)  # (...,) for each sample
        assert (later == (at[..., -1] >= len(self.first))).all(), "a sample lies in one set"
        found[~later] = self.first.take(at[~later], axis=0)
        found[later] = self.second.take(at[later] - len(self.first), axis=0)


Frames = np.ndarray | StoredFrames


class PreparedSet:
    """A complete prepared set, opened for reading.

    Args:
        data_dir: the folder.
        task: the task that wants it; None to take any.
        memory_limit: bytes up to which the features are held in memory; of larger sets, what is
            asked for is read from the file.

    Attributes:
        manifest: the rows, a pandas table with MANIFEST_COLUMNS; a sample whose sequence is
            unknown is a sequence of its own.
        has_sequences: whether the set names the sequence of every sample.
        features: (total frames, *frame_shape), an array, or what is indexed like one.
        starts, lengths: (samples,) int64.
        words: (samples, 2) int64, the first frame that each sample's word takes and the one after
            its last, counted within the sample (all frames where its row does not say); None where
            the manifest has no WORD_COLUMNS.

    Raises:
        ValueError: not a prepared set, of another task, incomplete, damaged or empty.
    """

    def __init__(
        self, data_dir: str | Path, task: str | None = None, memory_limit: int = 1 << 30
    ) -> None:
        self.data_dir = Path(data_dir)
        self.meta = read_meta(self.data_dir)
        self._refuse_unfit(task)
        self.manifest = self._read_manifest()
        self.features = self._read_features(memory_limit)
        self.starts = self.manifest["start"].to_numpy(np.int64)
        self.lengths = self.manifest["length"].to_numpy(np.int64)
        self.words = self._take_words()

    def __len__(self) -> int:
        return len(self.manifest)

    @property
    def classes(self) -> tuple[str, ...]:
        """In the order of the vocabulary, where it is fixed; else those that are there, sorted."""
        return tuple(self.meta["classes"] or self.meta["classes_present"])

    @property
    def simulated(self) -> bool:
        return bool(self.meta["simulated"])

    @property
    def groups(self) -> list[str]:
        """The distinct groups, sorted; empty where the set names none."""
        return sorted(set(self.manifest["group"]) - {""})

    def join(self, other: PreparedSet) -> None:
        """Take in the rows of another set of the same frames, after this one's."""
        mine, theirs = self.meta["frame"], other.meta["frame"]
        assert mine["shape"] == theirs["shape"], (mine, theirs)
        if self.words is not None or other.words is not None:
            sides = [s._whole() if s.words is None else s.words for s in (self, other)]
            self.words = np.concatenate(sides)
        self.starts = np.concatenate([self.starts, other.starts + len(self.features)])
        self.lengths = np.concatenate([self.lengths, other.lengths])
        self.features = _joined(self.features, other.features)
        self.manifest = pd.concat([self.manifest, other.manifest], ignore_index=True)
        self.manifest["start"] = self.starts

    def _refuse_unfit(self, task: str | None) -> None:
        if task is not None and self.meta["task"] != task:
            raise ValueError(
                f"data_dir={self.data_dir} was prepared for task {self.meta['task']}, "
                f"not {task}: say task={self.meta['task']}, or name another folder"
            )
        if not self.meta["complete"]:
            raise ValueError(
                f"data_dir={self.data_dir} is half prepared: run the same stage=prepare command "
                "again, it goes on where it stopped"
            )

    def _read_manifest(self) -> pd.DataFrame:
        path = self.data_dir / MANIFEST
        if not path.exists():
            raise ValueError(f"{path} is missing: prepare the set again")
        text = dict.fromkeys((*TEXT_COLUMNS, *WORD_COLUMNS), str)
        rows = _read_table(path, dtype=text)
        missing = sorted(set(MANIFEST_COLUMNS) - set(rows.columns) - {"sequence"})
        if missing:
            raise ValueError(f"{path} has no column {', '.join(missing)}: prepare the set again")
        if rows.empty:
            raise ValueError(f"data_dir={self.data_dir} holds no sample; {REJECTED} there says why")
        return self._fill_sequences(rows)

    def _fill_sequences(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Name each sample's sequence; sets prepared before the column existed name none."""
        if "sequence" not in rows:
            rows.insert(TEXT_COLUMNS.index("sequence"), "sequence", "")
        unknown = rows["sequence"] == ""
        self.has_sequences = not unknown.any()
        rows["sequence"] = rows["sequence"].mask(unknown, rows["id"])
        return rows

    def _whole(self) -> np.ndarray:
        """(samples, 2) as ``words``: all frames of each."""
        return np.stack([np.zeros_like(self.lengths), self.lengths], 1)

    def _take_words(self) -> np.ndarray | None:
        """``words``, whose columns are taken out of ``manifest``."""
        path, there = self.data_dir / MANIFEST, set(WORD_COLUMNS) & set(self.manifest)
        if not there:
            return None
        if len(there) < len(WORD_COLUMNS):
            raise ValueError(
                f"{path} has the column {there.pop()} alone; expected {' and '.join(WORD_COLUMNS)} "
                "or neither: prepare the set again"
            )
        texts = self.manifest[list(WORD_COLUMNS)]
        self.manifest = self.manifest.drop(columns=list(WORD_COLUMNS))
        said = (texts != "").any(axis=1).to_numpy()
        numbers = texts.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
        words = np.where(said[:, None], numbers, self._whole())
        first, stop = words.T  # NaN, of what is no number, compares as False
        good = (words == np.rint(words)).all(1) & (first >= 0) & (first < stop)
        bad = np.flatnonzero(said & ~(good & (stop <= self.lengths)))
        if len(bad):
            raise self._bad_word(bad[0], *texts.iloc[bad[0]])
        return words.astype(np.int64)

    def _bad_word(self, row: int, start: str, end: str) -> ValueError:
        name, length = self.manifest["id"].iloc[row], self.lengths[row]
        return ValueError(
            f"{self.data_dir / MANIFEST}: the word of {name} lies from frame {start or 'none'} to "
            f"before {end or 'none'} of its {length}; expected whole numbers, 0 <= word_start < "
            "word_end <= length, or nothing in both columns: prepare the set again"
        )

    def _read_features(self, memory_limit: int) -> Frames:
        path = self.data_dir / FEATURES
        try:
            features = FrameFile(path)
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} cannot be read ({error}): prepare the set again") from error
        needed = int(self.manifest["start"].iloc[-1] + self.manifest["length"].iloc[-1])
        if len(features) < needed:
            raise ValueError(
                f"{path} holds {len(features):,} frames where {MANIFEST} speaks of {needed:,}: "
                "prepare the set again"
            )
        return features if features.nbytes > memory_limit else np.load(path, allow_pickle=False)


def read_meta(data_dir: Path) -> dict[str, Any]:
    """Read ``meta.json``.

    Raises:
        ValueError: the folder is missing, or is not a prepared set.
    """
    path = data_dir / META
    if not data_dir.is_dir():
        raise ValueError(f"data_dir={data_dir} does not exist. stage=prepare makes it")
    if not path.exists():
        raise ValueError(
            f"data_dir={data_dir} holds no {META}: it is not a prepared set. Recordings become one "
            f"with stage=prepare raw_dir={data_dir} data_dir=<a new folder>"
        )
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is damaged ({error}): prepare the set again") from error
    if not isinstance(meta, dict) or meta.get("format") != FORMAT_VERSION:
        raise ValueError(f"{path} is not of prepared-set format {FORMAT_VERSION}: prepare it again")
    return meta


def write_all(
    data_dir: Path, description: Description, samples: Iterable[Sample | Rejected]
) -> None:
    """Write a whole set at once."""
    with PreparedWriter(data_dir, description) as writer:
        for sample in samples:
            writer.add(sample)
        writer.finish()


def _row(sample: Sample, start: int, has_words: bool) -> dict[str, Any]:
    """The row of the manifest for a sample whose frames begin at ``start``."""
    row: dict[str, Any] = {name: getattr(sample, name) for name in TEXT_COLUMNS}
    row |= {"start": start, "length": len(sample.features)}
    if has_words:
        row |= zip(WORD_COLUMNS, sample.word or ("", ""), strict=True)
    return row


def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _differences(one: Any, other: Any, name: str = "") -> Iterator[str]:
    """The dotted names of the settings that differ."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        if one != other:
            yield name
        return
    for key in sorted({*one, *other}):
        yield from _differences(one.get(key), other.get(key), f"{name}.{key}".lstrip("."))


def _read_table(path: Path, **named: Any) -> pd.DataFrame:
    pieces = pd.read_csv(path, keep_default_na=False, chunksize=PIECE, **named)
    return pd.concat(pieces, ignore_index=True)


def _drop_partial_line(path: Path) -> None:
    with path.open("r+b") as file:
        begin = max(0, file.seek(0, os.SEEK_END) - LINE_BYTES)
        file.seek(begin)
        file.truncate(begin + file.read().rfind(b"\n") + 1)


def _joined(first: Frames, second: Frames) -> Frames:
    """Both end to end; in memory only where both are there already."""
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        return np.concatenate([first, second])
    return JoinedFrames(first, second)
