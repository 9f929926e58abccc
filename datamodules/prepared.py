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
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd

MANIFEST, FEATURES, META, REJECTED = "manifest.csv", "features.npy", "meta.json", "rejected.csv"
FORMAT_VERSION = 1
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # disk full, quota, limit on a file's size
MANIFEST_COLUMNS = ("id", "label", "group", "split", "source", "start", "length")


@dataclass(frozen=True)
class Sample:
    """One recording, ready to be stored: ``features`` is (frames, *frame_shape)."""

    id: str
    features: np.ndarray
    label: str
    group: str = ""
    split: str = ""
    source: str = ""


@dataclass(frozen=True)
class Rejected:
    """A recording that could not be prepared, and why, in words for its owner."""

    id: str
    reason: str
    source: str = ""
    label: str = ""


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
        buffer_samples: how many samples are held before data and rows are written.

    Raises:
        ValueError: the folder holds a set prepared with other settings, or something else.
    """

    def __init__(
        self, data_dir: str | Path, description: Description, buffer_samples: int = 512
    ) -> None:
        self.data_dir = Path(data_dir)
        self.description = description
        self.buffer_samples = buffer_samples
        self.complete = False
        self._samples: list[Sample] = []
        self._rejected: list[Rejected] = []
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
        else:
            self._rejected.append(outcome)
        if len(self._samples) + len(self._rejected) >= self.buffer_samples:
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
        self._samples, self._rejected = [], []

    def finish(self) -> None:
        """Declare the set complete: training refuses a set that is not."""
        self.flush()
        rows = pd.read_csv(self.data_dir / MANIFEST, dtype=str, keep_default_na=False)
        found = set(rows["label"])
        classes = [c for c in self.description.classes if c in found]
        self._write_meta(
            complete=True,
            samples=len(rows),
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
            rows = pd.read_csv(path, dtype=str, keep_default_na=False)
            self.done.update(rows["id"])
            if list(rows) != list(columns):  # half prepared before a column was added
                rows.reindex(columns=columns, fill_value="").to_csv(path, index=False)
            if name == MANIFEST and len(rows):
                frames = int(rows["start"].iloc[-1]) + int(rows["length"].iloc[-1])
        return frames

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
        rows, start = [], self.frames
        for sample in self._samples:
            features = np.ascontiguousarray(sample.features, dtype=self.description.frame.dtype)
            self._features.write(features.tobytes())
            row = {name: getattr(sample, name) for name in MANIFEST_COLUMNS[:5]}
            rows.append(row | {"start": start, "length": len(features)})
            start += len(features)
        end = self._features.tell()
        self._features.seek(0)
        self._features.write(self._header(start))
        self._features.seek(end)
        self._features.flush()
        os.fsync(self._features.fileno())
        self._append(MANIFEST, rows)
        self.frames = start

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


class PreparedSet:
    """A complete prepared set, opened for reading.

    Args:
        data_dir: the folder.
        task: the task that wants it; None to take any.
        memory_limit: bytes up to which the features are held in memory; larger sets stay
            memory-mapped.

    Attributes:
        manifest: the rows, a pandas table with MANIFEST_COLUMNS.
        features: (total frames, *frame_shape).
        starts, lengths: (samples,) int64.

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
        """Take in the rows of another set of the same frames, after this one's; in memory."""
        mine, theirs = self.meta["frame"], other.meta["frame"]
        assert mine["shape"] == theirs["shape"], (mine, theirs)
        self.starts = np.concatenate([self.starts, other.starts + len(self.features)])
        self.lengths = np.concatenate([self.lengths, other.lengths])
        self.features = np.concatenate([self.features, other.features])
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
        text = dict.fromkeys(MANIFEST_COLUMNS[:5], str)
        rows = pd.read_csv(path, dtype=text, keep_default_na=False)
        missing = sorted(set(MANIFEST_COLUMNS) - set(rows.columns))
        if missing:
            raise ValueError(f"{path} has no column {', '.join(missing)}: prepare the set again")
        if rows.empty:
            raise ValueError(f"data_dir={self.data_dir} holds no sample; {REJECTED} there says why")
        return rows

    def _read_features(self, memory_limit: int) -> np.ndarray:
        path = self.data_dir / FEATURES
        try:
            features = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} cannot be read ({error}): prepare the set again") from error
        needed = int(self.manifest["start"].iloc[-1] + self.manifest["length"].iloc[-1])
        if len(features) < needed:
            raise ValueError(
                f"{path} holds {len(features):,} frames where {MANIFEST} speaks of {needed:,}: "
                "prepare the set again"
            )
        return np.array(features) if features.nbytes <= memory_limit else features


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


def _drop_partial_line(path: Path) -> None:
    content = path.read_bytes()
    if not content.endswith(b"\n"):
        path.write_bytes(content[: content.rfind(b"\n") + 1])
