"""What a person points stage=predict at: videos of faces or mouths, or folders of frames."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from datamodules.readers.base import Item, Leftover
from datamodules.readers.inputs import refuse_no_input
from datamodules.readers.lips.frame_folder import PictureClip, pictures_in
from datamodules.readers.lips.mouths import Clip, Cut, MouthReader, Source, Strip
from unvoiced.files import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from unvoiced.vision.mouth_windows import MouthWindow, draw_mouth
from unvoiced.vision.videos import ALL_FRAMES, Video

DRAWN_HEIGHT, INSET_HEIGHT = 480, 240  # pixels


class MouthInput(MouthReader):
    """A video, a folder of videos, or a folder of frames (or of such folders).

    Args:
        path: the file or folder.
        window_s: seconds of a sample, to slide along a long video; None for one sample a clip.
        hop_s: seconds from one sample to the next; None for half of ``window_s``.
        options: what every ``MouthReader`` takes; None for its default. Frames in folders are taken
            to have ``rate``.

    Raises:
        ValueError: nothing is there that can be read, or a setting is impossible.
    """

    key = "input_reader"
    endings = (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES)

    def __init__(
        self,
        path: str | Path | None,
        window_s: float | None = None,
        hop_s: float | None = None,
        **options: Any,
    ) -> None:
        if not path:
            raise ValueError("stage=predict needs input=<a video, a folder of videos or of frames>")
        self.path = Path(path)
        refuse_no_input(self.path)
        given = {name: value for name, value in options.items() if value is not None}
        super().__init__(self.path if self.path.is_dir() else self.path.parent, **given)
        self._viewed: tuple[str, list[MouthWindow | None]] = ("", [])
        self.window_s, self.hop_s = window_s, hop_s or (window_s and window_s / 2)
        for name in ("window_s", "hop_s"):
            value = getattr(self, name)
            if value is not None and not value * self.rate >= 1:
                raise ValueError(
                    f"{self.key}.{name}={value}: expected seconds, a frame's time or more"
                )

    def items(self) -> list[Item]:
        """One item a video or folder of frames."""
        videos = [self.path] if self.path.suffix.lower() in VIDEO_SUFFIXES else []
        if self.path.is_dir():
            videos = self.files(self.raw_dir, VIDEO_SUFFIXES)
        found = [*map(self._video, videos), *self._folders()]
        if not found:
            endings = " ".join(self.endings)
            raise ValueError(f"input={self.path} is nothing to read: expected {endings}")
        self.find_models()
        return list(found)

    def leftover(self, items: Iterable[Item]) -> Leftover:
        """What else is in the folder; nothing where one video is read."""
        return super().leftover(items) if self.path.is_dir() else Leftover()

    def files_of(self, item: Item) -> Iterable[str]:
        """The names below ``raw_dir`` of a clip's files."""
        if isinstance(item, PictureClip):
            return [self.name_of(item.path / name) for name in item.names]
        return super().files_of(item)

    def open(self, item: Item) -> Source:
        if isinstance(item, PictureClip):
            return pictures_in(item, self.rate)
        return Video(item.path, self.rate)

    def cuts_of(self, item: Clip, source: Source, strip: Strip) -> Sequence[Cut]:
        """The whole clip, or the windows along it; the last one ends with the clip."""
        total = len(strip.numbers)
        if self.window_s is None or self.hop_s is None:
            return item.cuts
        length, hop = (max(1, round(value * self.rate)) for value in (self.window_s, self.hop_s))
        last = max(0, total - length)
        starts = sorted({*range(0, last, hop), last})
        cuts = [self._window(item, first, min(first + length, total), source) for first in starts]
        return [*cuts, Cut(item.id, problem=strip.problem)] if strip.problem else cuts

    def drawing(self, identity: str, windows: np.ndarray) -> np.ndarray:
        """The middle frame of a sample with its window, and beside it what the network sees.

        Args:
            identity: of the sample.
            windows: (T, height, width) uint8 of the sample, as they were prepared.

        Returns:
            (480, W, 3) uint8, red first.
        """
        name, first, stop = self._named(identity)
        item = next(item for item in self.items() if item.id == name)
        source = self.open(item)
        middle = len(windows) // 2
        views = self._views_of(item, source)
        # The sample begins where the face comes in.
        first = next((n for n, view in enumerate(views) if view and first <= n < stop), first)
        place = first + middle
        _, picture = next(source.frames(((place, place + 1),)))
        view = views[place] if views else None
        picture = draw_mouth(picture, view) if view else picture
        inset = np.repeat(windows[middle][..., None], 3, axis=2)
        return _beside(picture, inset)

    # ---- parts

    def _video(self, path: Path) -> Clip:
        identity = self.id_of(path)
        return Clip(identity, path, cuts=(Cut(identity),))

    def _folders(self) -> list[PictureClip]:
        if not self.path.is_dir():
            return []
        folders: dict[Path, list[Path]] = {}
        for path in self.files(self.raw_dir, IMAGE_SUFFIXES):
            folders.setdefault(path.parent, []).append(path)
        return [self._folder(folder, paths) for folder, paths in folders.items()]

    def _folder(self, folder: Path, paths: list[Path]) -> PictureClip:
        identity = self.raw_dir.name if folder == self.raw_dir else self.id_of(folder)
        names = tuple(path.name for path in paths)
        return PictureClip(identity, folder, cuts=(Cut(identity),), names=names)

    def _window(self, item: Clip, first: int, stop: int, source: Source) -> Cut:
        identity = f"{item.id}#{first / self.rate:.2f}-{stop / self.rate:.2f}"
        return Cut(identity, start=source.to_file_frame(first), end=source.to_file_frame(stop))

    def _named(self, identity: str) -> tuple[str, int, float]:
        """The item and the frames that a sample's id names."""
        found = re.fullmatch(r"(.*)#(\d+\.\d\d)-(\d+\.\d\d)", identity)
        if self.window_s is None or not found:
            return identity, *ALL_FRAMES[0]
        return found[1], *(round(float(found[n]) * self.rate) for n in (2, 3))

    def _views_of(self, item: Clip, source: Source) -> list[MouthWindow | None]:
        """The window of each frame of a whole item; found once for all its samples."""
        if self.crop != "mouth":
            return []
        if self._viewed[0] != item.id:
            seen = self.faces(source, ALL_FRAMES)
            self._viewed = (item.id, self.views(np.array(seen.numbers, int), seen.values))
        return self._viewed[1]


def _beside(picture: np.ndarray, inset: np.ndarray) -> np.ndarray:
    """The two (H, W, 3) pictures side by side, the first one larger."""
    shown = [
        cv2.resize(part, (max(1, round(part.shape[1] * height / part.shape[0])), height))
        for part, height in ((picture, DRAWN_HEIGHT), (inset, INSET_HEIGHT))
    ]
    below = DRAWN_HEIGHT - INSET_HEIGHT
    return np.hstack([shown[0], cv2.copyMakeBorder(shown[1], 0, below, 0, 0, cv2.BORDER_CONSTANT)])
