"""What a person points stage=predict at: pictures, videos or landmark files without labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from datamodules.readers.asl.landmark_csv import LandmarkCSV
from datamodules.readers.asl.landmark_npy import load_frames
from datamodules.readers.asl.letters import FRAME, LetterReader
from datamodules.readers.base import Item, Leftover
from datamodules.readers.inputs import input_files, refuse_no_input
from datamodules.store.samples import Rejected, Sample
from unvoiced.files import ARRAY_SUFFIXES, IMAGE_SUFFIXES, LANDMARK_SUFFIXES, VIDEO_SUFFIXES
from unvoiced.tasks.asl import ASL
from unvoiced.vision.hands import HandLandmarker, no_hand_reason, shared_hand_landmarker
from unvoiced.vision.images import load_image
from unvoiced.vision.models import locate_hand_model
from unvoiced.vision.skeleton import draw_hand
from unvoiced.vision.videos import Video

CANVAS = 480  # pixels a side, where there is no picture to draw on


class HandInput(LetterReader):
    """A picture, a video, a landmark file, or a folder of them; every frame is one sample.

    Args:
        path: the file or folder.
        model: path of a MediaPipe ``hand_landmarker.task``; None for the user's cache.
        min_confidence: below this MediaPipe's finding is not taken for a hand, 0 to 1.
        keep_empty: whether an image without a hand is a sample of zeros, as images of the class
            ``nothing`` are in training; else it is rejected.

    Raises:
        ValueError: nothing is there that can be read.
    """

    endings = ASL.files

    def __init__(
        self,
        path: str | Path | None,
        model: str | None = None,
        min_confidence: float = 0.5,
        keep_empty: bool | None = None,
    ) -> None:
        if not path:
            raise ValueError("stage=predict needs input=<a picture, video, landmark file, folder>")
        self.path = Path(path)
        refuse_no_input(self.path)
        super().__init__(self.path if self.path.is_dir() else self.path.parent)
        self.model, self.min_confidence = model, min_confidence
        self.keep_empty = bool(keep_empty)

    def items(self) -> list[Item]:
        """One item a file."""
        found = input_files(self.path, self, self.endings)
        if any(path.name.lower().endswith((*IMAGE_SUFFIXES, *VIDEO_SUFFIXES)) for path in found):
            self.model = str(locate_hand_model(self.model))
        return [Item(self.id_of(path), path) for path in found]

    def leftover(self, items: Iterable[Item]) -> Leftover:
        """What else is in the folder; nothing where one file is read."""
        return super().leftover(items) if self.path.is_dir() else Leftover()

    def read(self, item: Item) -> Iterator[Sample | Rejected]:
        """The frames of one file that hold a hand."""
        name = item.path.name.lower()
        if name.endswith(LANDMARK_SUFFIXES):
            yield from LandmarkCSV(self.raw_dir, labelled=False).read(item)
            return
        reads = {
            IMAGE_SUFFIXES: self._picture,
            VIDEO_SUFFIXES: self._video,
            ARRAY_SUFFIXES: self._array,
        }
        read = next(function for endings, function in reads.items() if name.endswith(endings))
        try:
            for identity, landmarks in read(item):
                if landmarks is None and self.keep_empty:
                    yield Sample(identity, np.zeros((1, 63), np.float32), "", source=item.id)
                elif landmarks is None:
                    yield Rejected(identity, "no hand found", item.id)
                else:
                    yield Sample(identity, landmarks.reshape(1, 63), "", source=item.id)
        except ValueError as error:
            yield Rejected(item.id, str(error), item.id)

    def drawing(self, identity: str, landmarks: np.ndarray) -> np.ndarray:
        """The hand (1, 63) on the picture or frame it was found in, (height, width, 3) RGB."""
        name, _, frame = identity.partition("#")
        path = self.raw_dir / name
        if name.lower().endswith(IMAGE_SUFFIXES):
            return draw_hand(load_image(path), landmarks)
        if name.lower().endswith(VIDEO_SUFFIXES):
            _, picture = next(Video(path).frames(((int(frame), int(frame) + 1),)))
            return draw_hand(picture, landmarks)
        return draw_hand(np.zeros((CANVAS, CANVAS, 3), np.uint8), landmarks)

    def _picture(self, item: Item) -> Iterator[tuple[str, np.ndarray | None]]:
        assert self.model is not None, "items() finds the model"
        image = load_image(item.path)
        hand = shared_hand_landmarker(self.model, self.min_confidence).read(image)
        if hand is None:
            raise ValueError(no_hand_reason(image))
        yield item.id, hand.landmarks

    def _video(self, item: Item) -> Iterator[tuple[str, np.ndarray | None]]:
        assert self.model is not None, "items() finds the model"
        video = Video(item.path)
        finder = HandLandmarker(
            self.model, self.min_confidence, video_fps=video.fps, thorough=False
        )
        for number, picture in video.frames():
            hand = finder.read(picture)
            yield f"{item.id}#{number:06d}", hand and hand.landmarks

    def _array(self, item: Item) -> Iterator[tuple[str, np.ndarray | None]]:
        frames = load_frames(item.path)
        if not np.isfinite(frames).all():
            raise ValueError("the file holds numbers that are not finite")
        for number, landmarks in enumerate(frames):
            suffix = f"#{number:06d}" if len(frames) > 1 else ""
            yield item.id + suffix, landmarks.astype(FRAME.dtype)
