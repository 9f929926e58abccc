"""Videos in folders named after what is said in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datamodules.readers.base import Item
from datamodules.readers.lips.mouths import Clip, Cut, MouthReader
from unvoiced.files import VIDEO_SUFFIXES
from unvoiced.vision.videos import Video


class VideoFolder(MouthReader):
    """``<label>/*.mp4``, and any other video; ``<group>/<label>/*.mp4`` with ``grouped``.

    Args:
        grouped: the folder above the label's names the group (the speaker); without it a
            sample has no group, and videos may lie any number of folders below their label.
        options: what every ``MouthReader`` takes.

    Raises:
        ValueError: nothing to read.
    """

    endings = VIDEO_SUFFIXES

    def __init__(self, raw_dir: str | Path | None, grouped: bool = False, **options: Any) -> None:
        super().__init__(raw_dir, **options)
        self.grouped = grouped
        self.layout = "<group>/<label>/*.mp4" if grouped else "<label>/*.mp4"
        self.min_parts = 2 + grouped

    def label_in(self, name: str) -> str:
        """The folder that names the label, "" where the file lies above one."""
        parts = name.split("/")[1 if name.split("/")[0] in self._split_names() else 0 :]
        return parts[self.grouped] if len(parts) >= self.min_parts else ""

    def items(self) -> list[Item]:
        """One item a video."""
        found = [
            self._clip(path, root, split)
            for split, root in self.roots()
            for path in self.files(root, VIDEO_SUFFIXES)
            if len(path.relative_to(root).parts) >= self.min_parts
        ]
        if not found:
            raise self.nothing_found(f"{self.layout} (or {' '.join(VIDEO_SUFFIXES)})")
        self.find_models()
        return self.wanted(found)

    def open(self, item: Item) -> Video:
        return Video(item.path, self.rate)

    def _clip(self, path: Path, root: Path, split: str) -> Clip:
        group, label = ("", *path.relative_to(root).parts)[self.grouped :][:2]
        cut = Cut(self.id_of(path), label, group, split)
        return Clip(cut.id, path, label, group, split, (cut,))
