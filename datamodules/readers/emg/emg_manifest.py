"""EMG recordings that a table lists, one per row."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.readers.base import SPLIT_FOLDERS, Item
from datamodules.readers.emg.base import EMGReader, Recording, join_spaces
from datamodules.readers.manifests import Manifest, ManifestRow, path_below
from datamodules.store.samples import Rejection, Sample
from unvoiced.emg.recordings import cut_span, find_overlaps

RATE_TOLERANCE = 0.01  # clocks of recorders differ by less


@dataclass(frozen=True)
class Word(Recording):
    """A row of the table.

    Attributes:
        span: seconds of the recording from which to which it is read; the end is None for all of
            the rest. None for the whole recording.
        sequence: the name that rows with common samples share.
    """

    span: tuple[float, float | None] | None = None
    sequence: str = ""


class EMGManifest(EMGReader):
    """A CSV table: per row the path of a recording and its text.

    Recordings are ``.npy`` arrays, text tables, and ``.edf``, ``.bdf`` or ``.xdf`` files, whose
    own annotations are not read.

    Without a table in ``raw_dir`` itself, each of its folders ``train``, ``val`` and ``test`` has
    one, with paths below that folder. These folders also set the split of rows that state none.

    Args:
        manifest: the table, below ``raw_dir`` or each split folder.
        path: the column of the recordings' paths below the table's folder.
        text: the column of the spoken text.
        group: the column of the session; None for ``group``, else ``session``, if present.
        split: the column of the split; None for ``split``, if present. Rows without a value take
            the split of their folder.
        start: the column of the first second of a recording that is read; None for ``start``,
            if present. Words are cut out of long recordings with it.
        end: the column of the second after the last one; None for ``end``, if present.
        sample_rates: the column of the sample rate, Hz; None for ``sample_rate``, else ``rate``, if
            present. A row with another rate than ``sample_rate`` is rejected.
        sample_rate: of the recordings, Hz; None for that of most rows.
        options: of ``EMGReader``.

    Raises:
        ValueError: the table is missing, empty, not a table or lacks a column, or the sample rate
            is neither given nor in the table.
    """

    endings = ()  # files that no row names are not listed one by one

    def __init__(
        self,
        raw_dir: str | Path | None,
        manifest: str = "manifest.csv",
        path: str = "path",
        text: str = "text",
        group: str | None = None,
        split: str | None = None,
        start: str | None = None,
        end: str | None = None,
        sample_rates: str | None = None,
        sample_rate: float | None = None,
        **options: Any,
    ) -> None:
        self.columns = {"path": path, "text": text, "group": group, "split": split}
        self.columns |= {"start": start, "end": end, "sample_rates": sample_rates}
        self.manifest_name = path_below(manifest, "reader.manifest=")
        self.raw_dir, self.split_folders = Path(raw_dir or ""), options.get("split_folders")
        if sample_rate is None and raw_dir and self.raw_dir.is_dir():
            sample_rate = self._find_most_common_rate()
        super().__init__(raw_dir, sample_rate=sample_rate, **options)

    @cached_property
    def manifest(self) -> dict[str, Manifest]:
        """The tables by their split folder; one of ``""`` in ``raw_dir`` itself."""
        usual = {"group": ("group", "session"), "split": ("split",)}
        usual |= {"start": ("start",), "end": ("end",)}
        usual["sample_rates"] = ("sample_rate", "rate")
        folders = self._list_table_folders()
        return {
            name: Manifest(self.raw_dir / name, self.manifest_name, self.columns, usual)
            for name in folders
        }

    def _list_table_folders(self) -> list[str]:
        if (self.raw_dir / self.manifest_name).exists() or self.split_folders is False:
            return [""]
        names = [path.name for path in self.raw_dir.iterdir() if is_real_folder(path)]
        splits = sorted(name for name in names if name.lower() in SPLIT_FOLDERS)
        is_split = any((self.raw_dir / name / self.manifest_name).exists() for name in splits)
        return splits if is_split else [""]

    def _parse_rows(self, *arguments: Any) -> Iterator[ManifestRow]:
        """Yield the rows of all tables, with names below ``raw_dir``."""
        for folder, table in self.manifest.items():
            for row in table.parse_rows(*arguments):
                names = {"id": row.id, "name": row.name} if folder else {}
                yield replace(row, **{key: f"{folder}/{name}" for key, name in names.items()})

    def _find_most_common_rate(self) -> float:
        rates = (row.texts["sample_rates"] for row in self._parse_rows())
        votes = Counter(filter(None, map(_parse_rate, rates)))
        if not votes:
            raise ValueError(
                f"{self.key}.sample_rate is missing, and {self.manifest_name} has no column "
                "sample_rate or rate that states it. Set the sample rate of the recordings, such "
                f"as {self.key}.sample_rate=1000 (Hz)"
            )
        return votes.most_common(1)[0][0]

    def list_items(self) -> list[Item]:
        """Return an item per row, in the order of the tables."""
        self.notes += dict.fromkeys(n for one in self.manifest.values() for n in one.note_unused())
        rows = list(self._parse_rows(("path", "text"), self._parse_row))
        sequences = _name_sequences(rows)
        splits = [self.split_names.get(row.name.partition("/")[0], "") for row in rows]
        other = sum(
            bool(row.split and split and row.split != split)
            for row, split in zip(rows, splits, strict=True)
        )
        if other:
            self.notes.append(
                f"warning: {other:,} rows state another split than their folder; the column holds"
            )
        return [
            Word(
                row.id,
                self.raw_dir / row.name,
                join_spaces(row.texts["text"]),
                row.texts["group"],
                row.split or split,
                row.problem,
                row.parsed,
                sequences.get(row.id, row.id),
            )
            for row, split in zip(rows, splits, strict=True)
        ]

    def read(self, item: Item) -> Iterable[Sample | Rejection]:
        """Return the sample of a row."""
        assert isinstance(item, Word)
        if item.span is None or item.problem:
            return super().read(item)
        try:
            features = self._cut_word(item, item.span)
        except ValueError as error:
            return [Rejection(item.id, str(error), item.id, item.label)]
        origin = (item.group, item.split, item.id)
        return [Sample(item.id, features, item.label, *origin, sequence=item.sequence)]

    def _cut_word(self, item: Word, span: tuple[float, float | None]) -> np.ndarray:
        counts = self.load_counts(item)
        start_s, end_s = span
        if round(start_s * self.sample_rate) < self.skip_samples:
            raise ValueError(f"start={start_s:g} s lies within reader.skip_samples")
        end_s = len(counts) / self.sample_rate if end_s is None else end_s
        return self.preprocess_counts(cut_span(counts, self.sample_rate, start_s, end_s), 0)

    def files_of(self, item: Item) -> Iterable[str]:
        """Return the table, and the file that its row names."""
        folder = item.id.partition("/")[0]
        folder = folder if folder in self.manifest else ""
        names = self.manifest[folder].files_of(item.path)
        return [f"{folder}/{name}" if folder else name for name in names]

    def _list_recordings(self, folder: str) -> list[str]:
        return [row.name for row in self._parse_rows() if row.name.startswith(f"{folder}/")]

    def _parse_row(self, texts: dict[str, str]) -> tuple[float, float | None] | None:
        """Return the span of a row, seconds; None for the whole recording."""
        self._check_rate(texts)
        start_s, end_s = (_parse_seconds(name, texts[name]) for name in ("start", "end"))
        if start_s is None and end_s is None:
            return None
        if end_s is not None and end_s <= (start_s or 0.0):
            raise ValueError(f"end={end_s:g} s; expected more than start={start_s or 0:g}")
        return start_s or 0.0, end_s

    def _check_rate(self, texts: dict[str, str]) -> None:
        if not texts["sample_rates"]:
            return
        rate = _parse_rate(texts["sample_rates"])
        if rate is None:
            raise ValueError(f"the rate {texts['sample_rates']!r} is not a number above 0 (Hz)")
        if not math.isclose(rate, self.sample_rate, rel_tol=RATE_TOLERANCE):
            raise ValueError(
                f"recorded at {rate:g} Hz; expected reader.sample_rate={self.sample_rate:g}. "
                "Prepare recordings of different rates separately"
            )


def is_real_folder(path: Path) -> bool:
    """Return whether a path is a folder and no link to one."""
    return path.is_dir() and not path.is_symlink()


def _name_sequences(rows: Sequence[ManifestRow]) -> dict[str, str]:
    """Return the sequence of each row with a span: rows that share samples have the same one."""
    by_file: dict[str, list[ManifestRow]] = {}
    for row in rows:
        if row.parsed is not None:
            by_file.setdefault(row.name, []).append(row)
    names = {}
    for cut in by_file.values():
        spans = [(s, math.inf if e is None else e) for s, e in (row.parsed for row in cut)]
        numbers, _ = find_overlaps(spans)
        names |= {row.id: cut[number].id for row, number in zip(cut, numbers, strict=True)}
    return names


def _parse_seconds(name: str, text: str) -> float | None:
    """Return a number of seconds, None if the text is empty."""
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"{name}={text!r} is not a number of seconds from 0 on")
    return seconds


def _parse_rate(text: str) -> float | None:
    """Return a sample rate, Hz; None if the text is not one."""
    try:
        rate = float(text)
    except ValueError:
        return None
    return rate if math.isfinite(rate) and rate > 0 else None
