"""Videos in folders named after their label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datamodules.readers.base import Item
from datamodules.readers.lips.base import Clip, Cut, MouthReader
from unvoiced.files import VIDEO_SUFFIXES
from unvoiced.vision.videos import Video


class VideoFolder(MouthReader):
    """``<label>/*.mp4``, and any other video; ``<group>/<label>/*.mp4`` with ``has_groups``.

    Args:
        has_groups: the folder above the label's is the group (the speaker); without it a sample has
            no group, and videos may lie any number of folders below their label.
        options: of ``MouthReader``.

    Raises:
        ValueError: nothing to read.
    """

    endings = VIDEO_SUFFIXES

    def __init__(
        self, raw_dir: str | Path | None, has_groups: bool = False, **options: Any
    ) -> None:
        super().__init__(raw_dir, **options)
        self.has_groups = has_groups
        self.layout = "<group>/<label>/*.mp4" if has_groups else "<label>/*.mp4"
        self.min_parts = 2 + has_groups

    def label_in(self, name: str) -> str:
        """Return the folder that names the label, "" if the file lies above one."""
        parts = name.split("/")[1 if name.split("/")[0] in self.split_names else 0 :]
        return parts[self.has_groups] if len(parts) >= self.min_parts else ""

    def list_items(self) -> list[Item]:
        """Return an item per video."""
        clips = [
            self._make_clip(path, root, split)
            for split, root, path in self.find_files(VIDEO_SUFFIXES)
            if len(path.relative_to(root).parts) >= self.min_parts
        ]
        if not clips:
            raise self.layout_error(f"{self.layout} (or {' '.join(VIDEO_SUFFIXES)})")
        return self.prepare_clips(clips)

    def open_source(self, item: Item) -> Video:
        """Return the video."""
        return Video(item.path, self.fps)

    def _make_clip(self, path: Path, root: Path, split: str) -> Clip:
        group, label = ("", *path.relative_to(root).parts)[self.has_groups :][:2]
        cut = Cut(self.id_of(path), label, group, split)
        return Clip(cut.id, path, label, group, split, (cut,))
