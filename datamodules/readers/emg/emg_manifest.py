"""Recordings of EMG that a table speaks of, a row a recording."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from datamodules.readers.base import Item
from datamodules.readers.emg.base import EMGReader, Recording, one_line
from datamodules.readers.tables import below, manifest_below, read_table, show_columns, split_named

Row = dict[str, str]
# Columns that are used where the table has them and the configuration names no other.
USUAL = {"group": ("group", "session"), "split": ("split",), "rates": ("rate",)}
SAME_RATE = 0.01  # clocks of recorders differ by less


class EMGManifest(EMGReader):
    """A CSV table: per row the path of a recording (``.npy`` or text table) and its text.

    Args:
        manifest: the table, below ``raw_dir``.
        path: the column with the recordings' paths below ``raw_dir``.
        text: the column with what was said.
        group: the column with the session; None for ``group``, else ``session``, if there.
        split: the column with the split; None for ``split``, if there.
        rates: the column with the sample rate, Hz; None for ``rate``, if there. A row of another
            rate than ``rate`` is rejected.
        rate: sample rate of the recordings, Hz; None for that of most rows.
        options: what every ``EMGReader`` takes.

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
        rates: str | None = None,
        rate: float | None = None,
        **options: Any,
    ) -> None:
        self.columns = {"path": path, "text": text, "group": group, "split": split, "rates": rates}
        self.manifest = Path(raw_dir or "") / manifest_below(manifest, self.key)
        if rate is None and raw_dir and Path(raw_dir).is_dir():
            rate = self._most_common_rate(Path(raw_dir))
        super().__init__(raw_dir, rate=rate, **options)

    def _most_common_rate(self, raw_dir: Path) -> float:
        """The sample rate, Hz, of most rows.

        Raises:
            ValueError: the table has no column of rates.
        """
        header, lines = read_table(self.manifest, raw_dir, "a recording")
        name = self._columns(header).get("rates")
        place = header.index(name) if name else 0
        rates = [row[place] for _, row in lines if len(row) > place] if name else []
        votes = Counter(filter(None, map(_as_rate, rates)))
        if not votes:
            raise ValueError(
                f"{self.key}.rate is missing, and {self.manifest.name} has no column rate that "
                "states it. Set the sample rate at which the recordings were made, such as "
                f"{self.key}.rate=1000 (Hz)"
            )
        return votes.most_common(1)[0][0]

    def items(self) -> list[Item]:
        """One item per row, in the order of the table."""
        header, lines = read_table(self.manifest, self.raw_dir, "a recording")
        columns = self._columns(header)
        self.note_unused_columns(header, columns.values())
        found: list[Item] = []
        seen: set[str] = set()
        for line, fields in lines:
            recording = self._recording(line, header, fields, columns, seen)
            seen.add(recording.id)
            found.append(recording)
        return found

    def files_of(self, item: Item) -> Iterable[str]:
        """The table, and the file that its row names."""
        return (self.name_of(self.manifest), *self.names_below(item.path))

    def _columns(self, found: list[str]) -> Row:
        """Which column says what; those that the table has not and nobody asked for are left out.

        Raises:
            ValueError: the table lacks a column that the configuration names.
        """
        wanted = {key: name for key, name in self.columns.items() if name is not None}
        for key, name in wanted.items():
            if name not in found:
                raise ValueError(
                    f"{self.manifest} has no column {name!r}; found {show_columns(found)}. "
                    f"Say which it is with reader.{key}=<a column>"
                )
        usual = {
            key: next((name for name in names if name in found), "")
            for key, names in USUAL.items()
            if key not in wanted
        }
        return wanted | {key: name for key, name in usual.items() if name}

    def _recording(
        self, line: int, header: list[str], fields: list[str], columns: Row, seen: set[str]
    ) -> Recording:
        """What a row speaks of; a bad row says its problem."""
        if len(fields) != len(header):
            problem = f"line {line}: found {len(fields)} fields, expected {len(header)}"
            return Recording(f"{self.manifest.name}#line{line}", self.manifest, problem=problem)
        row = dict(zip(header, fields, strict=True))
        said = dict.fromkeys(self.columns, "") | {key: row[name] for key, name in columns.items()}
        text, problem, name, split = one_line(said["text"]), "", said["path"], ""
        try:
            name = below(name)
            split = split_named(said["split"])
            self._refuse_row(said)
        except ValueError as error:
            problem = f"line {line}: {error}"
        identity = f"{name}#line{line}" if not name or name in seen else name
        return Recording(identity, self.raw_dir / name, text, said["group"], split, problem)

    def _refuse_row(self, said: Row) -> None:
        for key in ("path", "text"):
            if not said[key]:
                raise ValueError(f"the {key} is missing")
        if not said["rates"]:
            return
        rate = _as_rate(said["rates"])
        if rate is None:
            raise ValueError(f"the rate {said['rates']!r} is not a number above 0 (Hz)")
        if not math.isclose(rate, self.rate, rel_tol=SAME_RATE):
            raise ValueError(
                f"recorded at {rate:g} Hz; reader.rate={self.rate:g} is expected. Prepare the "
                "recordings of each rate on their own"
            )


def _as_rate(text: str) -> float | None:
    """A sample rate, Hz; None where the text is none."""
    try:
        rate = float(text)
    except ValueError:
        return None
    return rate if math.isfinite(rate) and rate > 0 else None
