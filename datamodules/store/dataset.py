"""Reading a complete prepared set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from datamodules.store.frames import Frames, NpyFrameStore, join_frames
from datamodules.store.samples import (
    FEATURES,
    MANIFEST,
    MANIFEST_COLUMNS,
    META,
    REJECTED,
    TEXT_COLUMNS,
    WORD_COLUMNS,
)
from datamodules.store.validation import (
    check_header,
    check_places,
    find_not_finite,
    read_manifest_file,
    read_meta_file,
)
from unvoiced.text import escape_controls

MAX_EMPTY_BYTES = 120  # a manifest with a header and no row is shorter


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
        self.word_spans = self._take_words()

    def __len__(self) -> int:
        return len(self.manifest)

    @property
    def classes(self) -> tuple[str, ...]:
        """In the order of the vocabulary, where it is fixed; else those that are there, sorted."""
        return tuple(self.meta["classes"] or self.meta["classes_present"])

    @property
    def simulated(self) -> bool:
        return bool(self.meta.get("simulated", False))  # older sets do not state it

    @property
    def groups(self) -> list[str]:
        """The distinct groups, sorted; empty where the set names none."""
        return sorted(set(self.manifest["group"]) - {""})

    def join(self, other: PreparedSet) -> None:
        """Take in the rows of another set of the same frames, after this one's."""
        mine, theirs = self.meta["frame"], other.meta["frame"]
        assert mine["shape"] == theirs["shape"], (mine, theirs)
        if self.word_spans is not None or other.word_spans is not None:
            sides = [s._whole() if s.word_spans is None else s.word_spans for s in (self, other)]
            self.word_spans = np.concatenate(sides)
        self.starts = np.concatenate([self.starts, other.starts + len(self.features)])
        self.lengths = np.concatenate([self.lengths, other.lengths])
        self.features = join_frames(self.features, other.features)
        self.manifest = pd.concat([self.manifest, other.manifest], ignore_index=True)
        self.manifest["start"] = self.starts

    def _refuse_unfit(self, task: str | None) -> None:
        if task is not None and self.meta["task"] != task:
            raise ValueError(
                f"data_dir={self.data_dir} was prepared for task {self.meta['task']}, "
                f"not {task}: say task={self.meta['task']}, or name another folder"
            )
        if not self.meta["complete"]:
            raise self._incomplete()

    def _incomplete(self) -> ValueError:
        path = self.data_dir / MANIFEST
        if path.is_file() and path.stat().st_size < MAX_EMPTY_BYTES:
            return ValueError(
                f"Preparation of data_dir={self.data_dir} gave no sample ({REJECTED} there "
                "says why, if recordings were read). Correct them and run the same stage=prepare "
                "command again"
            )
        return ValueError(
            f"Preparation of data_dir={self.data_dir} is incomplete. Run the same stage=prepare "
            "command again to resume it"
        )

    def _read_manifest(self) -> pd.DataFrame:
        path = self.data_dir / MANIFEST
        if not path.exists():
            raise ValueError(f"{path} is missing: prepare the set again")
        rows = read_manifest_file(path, {*MANIFEST_COLUMNS} - {"sequence"}, WORD_COLUMNS)
        if rows.empty:
            raise ValueError(f"data_dir={self.data_dir} holds no sample; {REJECTED} there says why")
        return self._fill_sequences(rows)

    def _fill_sequences(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Name each sample's sequence; sets prepared before the column existed name none."""
        if "sequence" not in rows:
            rows.insert(TEXT_COLUMNS.index("sequence"), "sequence", "")
        unknown = rows["sequence"] == ""
        # The simulator draws each sample on its own.
        self.has_sequences = self.simulated or not unknown.any()
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
            features = NpyFrameStore(path)
            check_header(features.shape, features.dtype, self.meta["frame"])
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} cannot be read ({error}): prepare the set again") from error
        check_places(self.data_dir / MANIFEST, self.manifest, self.meta, len(features))
        if features.nbytes > memory_limit:
            return features
        loaded = np.load(path, allow_pickle=False)
        self._refuse_not_finite(loaded)
        return loaded

    def _refuse_not_finite(self, features: np.ndarray) -> None:
        frame = find_not_finite(features)
        if frame is None:
            return
        starts, stops = (self.manifest["start"], self.manifest["start"] + self.manifest["length"])
        inside = np.flatnonzero((starts <= frame) & (frame < stops))
        if len(inside):
            name = escape_controls(self.manifest["id"].iloc[inside[0]])
            raise ValueError(
                f"{self.data_dir / FEATURES}: the frames of {name} hold numbers that are not "
                "finite. Prepare the set again"
            )


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
    return read_meta_file(path)
