"""Videos that a table speaks of, a row a sample: whole clips, or words cut out of sentences."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from datamodules.readers.base import Item
from datamodules.readers.inputs import refuse_outside
from datamodules.readers.lips.mouths import Clip, Cut, MouthReader
from datamodules.readers.tables import below, manifest_below, read_table, show_columns, split_named
from unvoiced.tasks import get_task
from unvoiced.vision.videos import Video, to_frame_range

Row = dict[str, str]
# Columns that are used where the manifest has them and the configuration names no other.
USUAL = {"group": "group", "split": "split", "start": "start_frame", "end": "end_frame"}

# The lips shape a word before it is heard, and words of vsr are told with what is around them, as
# in LRW's clips; those of lipread are commands that stand alone.


class VideoManifest(MouthReader):
    """A CSV table with a path and a label a row.

    Args:
        manifest: the table, below ``raw_dir``.
        path: the column with the videos' paths below ``raw_dir``, or a pattern of columns such as
            ``mouth/{clip}.mp4``.
        label: the column with the labels.
        group, split: columns; None for ``group`` and ``split``, if the table has them.
        start, end: columns with the sample's first frame and the first one after it, counted from
            0 in the file, may be fractional; None for ``start_frame`` and ``end_frame``, if the
            table has them.
        context_s: seconds taken in addition before and after each cut, as far as the video goes;
            where it is above 0, the samples tell which of their frames the cut itself takes. None
            for ``context_s`` of the task.
        options: what every ``MouthReader`` takes.

    Raises:
        ValueError: the table is missing, empty, not a table or lacks a column.
    """

    def __init__(
        self,
        raw_dir: str | Path | None,
        manifest: str = "manifest.csv",
        path: str = "path",
        label: str = "label",
        group: str | None = None,
        split: str | None = None,
        start: str | None = None,
        end: str | None = None,
        context_s: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(raw_dir, **options)
        self.context_s = get_task(self.task).context_s if context_s is None else context_s
        self.manifest = self.raw_dir / manifest_below(manifest, self.key)
        self.path = path if "{" in path else "{" + path + "}"
        self.columns = {"label": label, "group": group, "split": split, "start": start, "end": end}

    def items(self) -> list[Item]:
        """One item a video, with all rows that speak of it: it is decoded once."""
        header, lines = read_table(self.manifest, self.raw_dir, "a sample")
        columns = self._columns(header)
        self.note_unused_columns(header, [*_fields(self.path), *columns.values()])
        cuts: dict[str, list[Cut]] = {}
        seen: set[str] = set()
        for line, fields in lines:
            name, cut = self._cut(line, header, fields, columns)
            if cut.id in seen:
                cut = replace(cut, id=f"{cut.id}#line{line}")
            seen.add(cut.id)
            cuts.setdefault(name, []).append(cut)
        self.find_models()
        clips = (Clip(name, self.raw_dir / name, cuts=tuple(c)) for name, c in cuts.items())
        return self.wanted(clips)

    def open(self, item: Item) -> Video:
        name = f"the file {item.id} that {self.manifest.name} names"
        refuse_outside(item.path, self.raw_dir, name, limit=None)
        return Video(item.path, self.rate)

    # ---- the table

    def files_of(self, item: Item) -> Iterable[str]:
        """The table, and the file that its row names."""
        return (self.name_of(self.manifest), *self.names_below(item.path))

    def _columns(self, found: list[str]) -> Row:
        """Which column says what; those that the table has not and nobody asked for are left out.

        Raises:
            ValueError: the table lacks a column that the configuration names.
        """
        wanted = {key: name for key, name in self.columns.items() if name is not None}
        usual = {key: name for key, name in USUAL.items() if key not in wanted and name in found}
        for name in (*_fields(self.path), *wanted.values()):
            if name not in found:
                raise ValueError(
                    f"{self.manifest} has no column {name!r}; found {show_columns(found)}. "
                    "Say which is which with reader.path=, reader.label=, reader.group=, "
                    "reader.split=, reader.start=, reader.end="
                )
        return wanted | usual

    def _cut(
        self, line: int, header: list[str], fields: list[str], columns: Row
    ) -> tuple[str, Cut]:
        """The file's name and what is cut out of it; a bad row says its problem."""
        if len(fields) != len(header):
            identity = f"{self.manifest.name}#line{line}"
            problem = f"line {line}: found {len(fields)} fields, expected {len(header)}"
            return identity, Cut(identity, problem=problem)
        row = dict(zip(header, fields, strict=True))
        texts = dict.fromkeys(self.columns, "") | {key: row[name] for key, name in columns.items()}
        name = re.sub(r"\{([^{}]*)\}", lambda match: row[match[1]], self.path).replace("\\", "/")
        times = f"#{texts['start']}-{texts['end']}" if texts["start"] or texts["end"] else ""
        cut = Cut(name + times, texts["label"], texts["group"])
        try:
            _refuse_missing(row, texts["label"], _fields(self.path))
            return below(name), _placed(cut, texts)
        except ValueError as error:
            return f"{name}#line{line}", replace(cut, problem=f"line {line}: {error}")


def _placed(cut: Cut, texts: Row) -> Cut:
    """``cut`` with the split, the start and the end that a row names."""
    split = split_named(texts["split"])
    start, end = _number(texts["start"], 0.0), _number(texts["end"], math.inf)
    to_frame_range(start, end)  # refuses what is impossible
    return replace(cut, split=split, start=start, end=end)


def _fields(pattern: str) -> list[str]:
    return re.findall(r"\{([^{}]*)\}", pattern)


def _refuse_missing(row: Row, label: str, fields: list[str]) -> None:
    if not label:
        raise ValueError("the label is missing")
    for field in fields:
        if not row[field]:
            raise ValueError(f"{field} is missing")


def _number(text: str, default: float) -> float:
    if not text:
        return default
    try:
        number = float(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not the number of a frame") from error
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is not the number of a frame")
    return number
