"""Videos that a table lists, one sample per row: whole clips, or words cut out of sentences."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from datamodules.readers.base import Item
from datamodules.readers.inputs import check_named_file
from datamodules.readers.lips.base import Clip, Cut, MouthReader
from datamodules.readers.manifests import Manifest, path_below
from unvoiced.tasks import get_task
from unvoiced.vision.videos import Video, to_frame_range


class VideoManifest(MouthReader):
    """A CSV table with a path and a label per row.

    Args:
        manifest: the table, below ``raw_dir``.
        path: the column of the videos' paths below ``raw_dir``, or a pattern of columns such as
            ``mouth/{clip}.mp4``.
        label: the column of the labels.
        group, split: columns; None for ``group`` and ``split``, if the table has them.
        start, end: columns of the sample's first frame and the frame after its last, counted from
            0 in the file, may be fractional; None for ``start_frame`` and ``end_frame``, if the
            table has them.
        context_s: seconds added before and after each cut, as far as the video goes; above 0, the
            samples state which of their frames the cut itself takes. None for 0.2 for task=vsr,
            where words come from sentences, as in LRW's clips, else 0.
        options: of ``MouthReader``.

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
        self.manifest_name = path_below(manifest, "reader.manifest=")
        self.columns = {"path": path, "label": label, "group": group, "split": split}
        self.columns |= {"start": start, "end": end}

    @cached_property
    def manifest(self) -> Manifest:
        """The table."""
        usual = {"group": ("group",), "split": ("split",)}
        usual |= {"start": ("start_frame",), "end": ("end_frame",)}
        return Manifest(self.raw_dir, self.manifest_name, self.columns, usual)

    def list_items(self) -> list[Item]:
        """Return an item per video with all rows of it, so that it is decoded once."""
        self.notes += self.manifest.note_unused()
        clips: dict[str, Clip] = {}
        for row in self.manifest.parse_rows(("label", "path"), _parse_times):
            label, group = row.texts["label"], row.texts["group"]
            times = row.parsed or (0.0, math.inf)
            cut = Cut(row.id, label, group, row.split, *times, problem=row.problem)
            name = f"{row.name}#line{row.line}" if row.problem else row.name
            clip = clips.get(name, Clip(name, self.raw_dir / row.name))
            clips[name] = replace(clip, cuts=(*clip.cuts, cut))
        return self.prepare_clips(clips.values())

    def open_source(self, item: Item) -> Video:
        """Return the video."""
        check_named_file(item.path, self.raw_dir, f"the file {item.id}", limit=None)
        return Video(item.path, self.fps)

    def files_of(self, item: Item) -> Iterable[str]:
        """Return the table, and the file that its row names."""
        return self.manifest.files_of(item.path)


def _parse_times(texts: dict[str, str]) -> tuple[float, float]:
    """Return the first frame of a row, and the frame after its last."""
    start, end = _parse_frame(texts["start"], 0.0), _parse_frame(texts["end"], math.inf)
    to_frame_range(start, end)  # refuses impossible ones
    return start, end


def _parse_frame(text: str, default: float) -> float:
    try:
        number = float(text) if text else default
    except ValueError:
        number = math.nan
    if text and not math.isfinite(number):
        raise ValueError(f"{text!r} is not the number of a frame")
    return number
