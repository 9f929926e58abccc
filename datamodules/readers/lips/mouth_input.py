"""The input of stage=predict: videos of faces or mouths, or folders of frames."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from datamodules.readers.base import Item
from datamodules.readers.inputs import InputReader
from datamodules.readers.lips.base import Clip, Cut, MouthReader
from datamodules.readers.lips.crops import CropSequence, Source
from datamodules.readers.lips.frame_folder import ImageClip, open_images
from unvoiced.files import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from unvoiced.vision.mouth_windows import MouthWindow, draw_mouth
from unvoiced.vision.videos import ALL_FRAMES, Video


class MouthInput(InputReader, MouthReader):
    """A video, a folder of videos, or a folder of frames (or of such folders).

    Args:
        path: the file or folder.
        window_s: duration of a sample, to slide along a long video, seconds; None for one sample
            per clip.
        hop_s: time from one sample to the next, seconds; None for half of ``window_s``.
        options: of ``MouthReader``; None for its default. Folders of frames have ``fps``.

    Raises:
        ValueError: there is nothing to read, or a setting is not valid.
    """

    endings = (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES)
    expected_input = "a video, a folder of videos or of frames"

    def __init__(
        self,
        path: str | Path | None,
        window_s: float | None = None,
        hop_s: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(path, **options)
        self._tracked: tuple[str, list[MouthWindow | None]] = ("", [])
        self.window_s, self.hop_s = window_s, hop_s or (window_s and window_s / 2)
        for name in ("window_s", "hop_s"):
            seconds = getattr(self, name)
            is_valid = seconds is None or seconds * self.fps >= 1
            self.require(name, is_valid, "at least the seconds of a frame")

    def list_items(self) -> list[Item]:
        """Return an item per video or folder of frames."""
        clips = [
            Clip(self.id_of(path), path, cuts=(Cut(self.id_of(path)),))
            for path in self.find_inputs(VIDEO_SUFFIXES)
        ]
        if self.path.is_dir():
            clips += self._find_frame_folders()
        if not clips:
            raise self.input_error()
        return self.prepare_clips(clips)

    def files_of(self, item: Item) -> Iterable[str]:
        """Return the names below ``raw_dir`` of a clip's files."""
        if isinstance(item, ImageClip):
            return [self.name_of(item.path / name) for name in item.names]
        return super().files_of(item)

    def open_source(self, item: Item) -> Source:
        """Return the video or the images."""
        if isinstance(item, ImageClip):
            return open_images(item, self.restored_zoom)
        return Video(item.path, self.fps)

    def cuts_of(self, item: Clip, source: Source, crops: CropSequence) -> Sequence[Cut]:
        """Return the whole clip, or the windows along it; the last one ends with the clip."""
        total = len(crops.numbers)
        if self.window_s is None or self.hop_s is None:
            return item.cuts
        length, hop = (max(1, round(value * self.fps)) for value in (self.window_s, self.hop_s))
        last = max(0, total - length)
        cuts = []
        for first in sorted({*range(0, last, hop), last}):
            stop = min(first + length, total)
            identity = f"{item.id}#{first / self.fps:.2f}-{stop / self.fps:.2f}"
            cuts.append(
                Cut(identity, start=source.to_file_frame(first), end=source.to_file_frame(stop))
            )
        return [*cuts, Cut(item.id, problem=crops.problem)] if crops.problem else cuts

    def draw_sample(self, identity: str, windows: np.ndarray) -> np.ndarray:
        """Draw the middle frame of a sample with its window, next to the network's input.

        Args:
            identity: of the sample.
            windows: (T, height, width) uint8 of the sample, as prepared.

        Returns:
            (480, W, 3) uint8, red first.
        """
        name, first, stop = self._parse_identity(identity)
        item = next(item for item in self.list_items() if item.id == name)
        source = self.open_source(item)
        middle = len(windows) // 2
        views = self._track_item(item, source)
        # The sample begins with the first face.
        first = next((n for n, view in enumerate(views) if view and first <= n < stop), first)
        number = first + middle
        _, image = next(source.frames(((number, number + 1),)))
        view = views[number] if views else None
        image = draw_mouth(image, view) if view else image
        return _place_side_by_side(image, np.repeat(windows[middle][..., None], 3, axis=2))

    def _find_frame_folders(self) -> list[ImageClip]:
        folders: dict[Path, list[str]] = {}
        for path in self.find_inputs(IMAGE_SUFFIXES):
            folders.setdefault(path.parent, []).append(path.name)
        clips = []
        for folder, names in folders.items():
            identity = self.raw_dir.name if folder == self.raw_dir else self.id_of(folder)
            clips.append(ImageClip(identity, folder, cuts=(Cut(identity),), names=tuple(names)))
        return clips

    def _parse_identity(self, identity: str) -> tuple[str, int, float]:
        """Return the item and the frames of a sample's id."""
        match = re.fullmatch(r"(.*)#(\d+\.\d\d)-(\d+\.\d\d)", identity)
        if self.window_s is None or not match:
            return identity, *ALL_FRAMES[0]
        first, stop = (round(float(seconds) * self.fps) for seconds in match.groups()[1:])
        return match[1], first, stop

    def _track_item(self, item: Item, source: Source) -> list[MouthWindow | None]:
        """Return the window of each frame of a whole item, tracked once for all its samples."""
        if self.crop != "mouth":
            return []
        if self._tracked[0] != item.id:
            faces = self.cropper.find_faces(source, ALL_FRAMES)
            windows = self.cropper.track_windows(np.array(faces.numbers, int), faces.values)
            self._tracked = (item.id, windows)
        return self._tracked[1]


def _place_side_by_side(image: np.ndarray, inset: np.ndarray) -> np.ndarray:
    """Return two (H, W, 3) images in one, 480 and 240 pixels high."""
    left, right = (
        cv2.resize(part, (max(1, round(part.shape[1] * height / part.shape[0])), height))
        for part, height in ((image, 480), (inset, 240))
    )
    return np.hstack([left, cv2.copyMakeBorder(right, 0, 240, 0, 0, cv2.BORDER_CONSTANT)])
