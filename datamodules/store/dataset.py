"""Reading of a complete prepared set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from datamodules.store.frames import Frames, NpyFrameStore, concat_frames
from datamodules.store.samples import (
    CONSENTS,
    FEATURES_NAME,
    MANIFEST_COLUMNS,
    MANIFEST_NAME,
    META_NAME,
    REJECTED_NAME,
    SHARDS_NAME,
    TEXT_COLUMNS,
    WORD_COLUMNS,
)
from datamodules.store.validation import (
    check_header,
    check_row_ranges,
    find_not_finite,
    read_manifest_file,
    read_meta_file,
)
from unvoiced.text import escape_controls


@dataclass(frozen=True)
class SetSource:
    """Rows of a set that come from one folder.

    Attributes:
        num_rows: their number.
        meta: content of the folder's ``meta.json``.
        prefix, group_prefix: of their ids and groups, which the folder itself does not have.
    """

    num_rows: int
    meta: dict[str, Any]
    prefix: str = ""
    group_prefix: str = ""


class PreparedSet:
    """A complete prepared set, opened for reading.

    Args:
        data_dir: its folder.
        task: the expected task; None for any.
        memory_limit: bytes; features up to this size are loaded into memory, larger ones are read
            from their file on demand.

    Attributes:
        manifest: the rows, a pandas table with ``MANIFEST_COLUMNS``; a sample of unknown sequence
            is a sequence of its own.
        has_sequences: whether the set states the sequence of every sample.
        features: (total frames, *frame_shape).
        starts, lengths: (samples,) int64.
        word_spans: (samples, 2) int64, the first frame of each sample's word and the frame after
            its last, counted within the sample (all frames if its row does not state them); None
            if the manifest has no ``WORD_COLUMNS``.
        note: remark of reports on the rows; may be empty.

    Raises:
        ValueError: no prepared set, of another task, incomplete, damaged or empty.
    """

    note = ""

    def __init__(
        self, data_dir: str | Path, task: str | None = None, memory_limit: int = 1 << 30
    ) -> None:
        self.data_dir = Path(data_dir)
        self.meta = read_meta(self.data_dir)
        self._check_usable(task)
        self.manifest = self._read_manifest()
        self.features = self._read_features(memory_limit)
        self.starts = self.manifest["start"].to_numpy(np.int64)
        self.lengths = self.manifest["length"].to_numpy(np.int64)
        self.word_spans = self._pop_word_spans()

    def __len__(self) -> int:
        return len(self.manifest)

    @property
    def place(self) -> str:
        """The folder, as ``data_dir=`` takes it."""
        return str(self.data_dir)

    @property
    def sources(self) -> list[SetSource]:
        """The folders that the rows come from, in their order."""
        return [SetSource(len(self), self.meta)]

    @property
    def classes(self) -> tuple[str, ...]:
        """The fixed vocabulary in its order if there is one, else the present classes, sorted."""
        return tuple(self.meta["classes"] or self.meta["classes_present"])

    @property
    def simulated(self) -> bool:
        """Whether the samples are simulated."""
        return bool(self.meta.get("simulated", False))  # older sets do not state it

    @property
    def groups(self) -> list[str]:
        """The distinct named groups, sorted."""
        return sorted(set(self.manifest["group"]) - {""})

    def read_sample(self, row: int) -> np.ndarray:
        """Return (length, *frame_shape): the frames of one row."""
        start = self.starts[row]
        return self.features[start : start + self.lengths[row]]

    def append(self, other: PreparedSet) -> None:
        """Append the rows of another set with the same frame shape."""
        mine, theirs = self.meta["frame"], other.meta["frame"]
        assert mine["shape"] == theirs["shape"], (mine, theirs)
        if self.word_spans is not None or other.word_spans is not None:
            self.word_spans = np.concatenate([self.fill_spans(), other.fill_spans()])
        self.starts = np.concatenate([self.starts, other.starts + len(self.features)])
        self.lengths = np.concatenate([self.lengths, other.lengths])
        self.features = concat_frames([self.features, other.features])
        self.manifest = pd.concat([self.manifest, other.manifest], ignore_index=True)
        self.manifest["start"] = self.starts

    def _check_usable(self, task: str | None) -> None:
        if task is not None and self.meta["task"] != task:
            raise ValueError(
                f"data_dir={self.data_dir} was prepared for task {self.meta['task']}, not {task}. "
                f"Use task={self.meta['task']}, or another folder"
            )
        if self.meta["complete"]:
            return
        if self._is_recorded:
            raise ValueError(
                f"data_dir={self.data_dir} holds no complete recording. Run the same stage=record "
                "command again"
            )
        path = self.data_dir / MANIFEST_NAME
        if path.is_file() and path.stat().st_size < 120:  # a header without rows
            raise ValueError(
                f"Preparation of data_dir={self.data_dir} gave no sample ({REJECTED_NAME} there "
                "lists the reasons, if recordings were read). Correct them and run the same "
                "stage=prepare command again"
            )
        raise ValueError(
            f"Preparation of data_dir={self.data_dir} is incomplete. Run the same stage=prepare "
            "command again to resume it"
        )

    @property
    def _is_recorded(self) -> bool:
        return CONSENTS in self.meta

    def _read_manifest(self) -> pd.DataFrame:
        path = self.data_dir / MANIFEST_NAME
        if not path.exists():
            raise ValueError(f"{path} is missing: prepare the set again")
        # While recordings are added, the table may be longer than the set.
        count = self.meta["samples"] if self._is_recorded or "appending" in self.meta else None
        needed = {*MANIFEST_COLUMNS} - {"sequence"}
        rows = read_manifest_file(path, needed, WORD_COLUMNS, count)
        if rows.empty:
            raise ValueError(
                f"data_dir={self.data_dir} holds no sample; {REJECTED_NAME} there lists the reasons"
            )
        return self._fill_sequences(rows)

    def _fill_sequences(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Fill in the sequence of each sample; sets of older versions have no such column."""
        if "sequence" not in rows:
            rows.insert(TEXT_COLUMNS.index("sequence"), "sequence", "")
        is_unknown = rows["sequence"] == ""
        # Each simulated sample is drawn on its own.
        self.has_sequences = self.simulated or not is_unknown.any()
        rows["sequence"] = rows["sequence"].mask(is_unknown, rows["id"])
        return rows

    def _full_spans(self) -> np.ndarray:
        """Return (samples, 2): spans of all frames."""
        return np.stack([np.zeros_like(self.lengths), self.lengths], 1)

    def fill_spans(self) -> np.ndarray:
        """Return the word spans (samples, 2); all frames if the set does not state them."""
        return self._full_spans() if self.word_spans is None else self.word_spans

    def _pop_word_spans(self) -> np.ndarray | None:
        """Remove the word columns from the manifest and return them as ``word_spans``."""
        path, present = self.data_dir / MANIFEST_NAME, set(WORD_COLUMNS) & set(self.manifest)
        if not present:
            return None
        if len(present) < len(WORD_COLUMNS):
            raise ValueError(
                f"{path} has the column {present.pop()} alone; expected "
                f"{' and '.join(WORD_COLUMNS)} or neither: prepare the set again"
            )
        texts = self.manifest[list(WORD_COLUMNS)]
        self.manifest = self.manifest.drop(columns=list(WORD_COLUMNS))
        is_stated = (texts != "").any(axis=1).to_numpy()
        numbers = texts.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
        spans = np.where(is_stated[:, None], numbers, self._full_spans())
        first, stop = spans.T  # NaN, of values that are no numbers, compares as False
        is_valid = (spans == np.rint(spans)).all(1) & (first >= 0) & (first < stop)
        bad = np.flatnonzero(is_stated & ~(is_valid & (stop <= self.lengths)))
        if len(bad):
            raise self._word_span_error(bad[0], *texts.iloc[bad[0]])
        return spans.astype(np.int64)

    def _word_span_error(self, row: int, start: str, end: str) -> ValueError:
        name, length = self.manifest["id"].iloc[row], self.lengths[row]
        return ValueError(
            f"{self.data_dir / MANIFEST_NAME}: the word of {name} lies from frame "
            f"{start or 'none'} to before {end or 'none'} of its {length}; expected whole numbers, "
            "0 <= word_start < word_end <= length, or nothing in both columns. Prepare the set "
            "again"
        )

    def _read_features(self, memory_limit: int) -> Frames:
        path = self.data_dir / FEATURES_NAME
        try:
            features = NpyFrameStore(path)
            check_header(features.shape, features.dtype, self.meta["frame"])
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} cannot be read ({error}): prepare the set again") from error
        manifest_path = self.data_dir / MANIFEST_NAME
        check_row_ranges(manifest_path, self.manifest, self.meta, len(features))
        if features.nbytes > memory_limit:
            return features
        loaded = np.load(path, allow_pickle=False)
        self.check_finite(loaded)
        return loaded

    def check_finite(self, features: np.ndarray) -> None:
        """Refuse features of a row that are not finite numbers.

        Raises:
            ValueError: with the first such row.
        """
        frame = find_not_finite(features)
        if frame is None:
            return
        start = self.manifest["start"]
        is_hit = (start <= frame) & (frame < start + self.manifest["length"])
        if is_hit.any():
            name = escape_controls(self.manifest["id"][is_hit].iloc[0])
            raise ValueError(
                f"{self.data_dir / FEATURES_NAME}: the frames of {name} hold numbers that are not "
                "finite. Prepare the set again"
            )


def read_meta(data_dir: Path) -> dict[str, Any]:
    """Read ``meta.json``.

    Raises:
        ValueError: the folder is missing, or is not a prepared set.
    """
    path = data_dir / META_NAME
    if not data_dir.is_dir():
        raise ValueError(f"data_dir={data_dir} does not exist. stage=prepare makes it")
    if not path.exists() and (data_dir / SHARDS_NAME).is_dir():
        raise ValueError(
            f"Preparation of data_dir={data_dir} is incomplete: it holds shards. Join them with "
            "prepare.merge=true and the settings of their stage=prepare command"
        )
    if not path.exists():
        raise ValueError(
            f"data_dir={data_dir} holds no {META_NAME}: it is not a prepared set. Prepare "
            f"recordings with stage=prepare raw_dir={data_dir} data_dir=<a new folder>"
        )
    return read_meta_file(path)
