"""The input of stage=predict: images, videos or landmark files without labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from datamodules.readers.asl.landmark_csv import LandmarkCSV
from datamodules.readers.asl.landmark_npy import load_frames
from datamodules.readers.asl.letters import FRAME, PAIR_FRAME, LetterReader
from datamodules.readers.base import Item
from datamodules.readers.inputs import InputReader
from datamodules.store.samples import Rejection, Sample
from unvoiced.files import ARRAY_SUFFIXES, IMAGE_SUFFIXES, LANDMARK_SUFFIXES, VIDEO_SUFFIXES
from unvoiced.tasks.asl import ASL
from unvoiced.vision.hands import HandLandmarker, no_hand_reason, shared_hand_landmarker
from unvoiced.vision.images import load_image
from unvoiced.vision.models import locate_hand_model
from unvoiced.vision.skeleton import STANDARD_RATIO, draw_hand, standardize_ratio
from unvoiced.vision.videos import Video

Detections = Iterator[tuple[str, np.ndarray | None]]  # id of a frame, and its landmarks


class HandInput(InputReader, LetterReader):
    """An image, a video, a landmark file, or a folder of them; every frame is a sample.

    Args:
        path: the file or folder.
        model: path of a MediaPipe ``hand_landmarker.task``; None for the user's cache.
        min_confidence: minimum confidence of a hand's detection, 0 to 1.
        keep_empty: whether an image without a hand is a sample of zeros, as images of the class
            ``nothing`` are in training; else it is rejected.
        num_hands: 1 or 2, as the model was trained.
        standard_ratio: whether landmarks are as an image of 4:3 would have them, as the model was
            trained.

    Raises:
        ValueError: there is nothing to read.
    """

    endings = ASL.files
    expected_input = "an image, video, landmark file, or a folder of them"

    def __init__(
        self,
        path: str | Path | None,
        model: str | None = None,
        min_confidence: float = 0.5,
        keep_empty: bool | None = None,
        num_hands: int | None = None,
        standard_ratio: bool | None = None,
    ) -> None:
        super().__init__(path)
        self.num_hands, self.standard_ratio = num_hands or 1, bool(standard_ratio)
        self.frame = PAIR_FRAME if num_hands == 2 else FRAME
        self.model, self.min_confidence = model, min_confidence
        self.keep_empty = bool(keep_empty)

    def list_items(self) -> list[Item]:
        """Return an item per file."""
        items = super().list_items()
        shown = (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES)
        if any(item.path.name.lower().endswith(shown) for item in items):
            self.model = str(locate_hand_model(self.model))
        return items

    def read(self, item: Item) -> Iterator[Sample | Rejection]:
        """Yield the frames of a file that show a hand."""
        name = item.path.name.lower()
        if name.endswith(LANDMARK_SUFFIXES) and self.num_hands == 2:
            reason = "a table holds one hand per row, and the model reads two; expected images"
            yield Rejection(item.id, reason, item.id)
            return
        if name.endswith(LANDMARK_SUFFIXES):
            yield from LandmarkCSV(self.raw_dir, is_labelled=False).read(item)
            return
        functions = {
            IMAGE_SUFFIXES: self._read_image,
            VIDEO_SUFFIXES: self._read_video,
            ARRAY_SUFFIXES: self._read_array,
        }
        read = next(function for endings, function in functions.items() if name.endswith(endings))
        try:
            for identity, landmarks in read(item):
                if landmarks is None and not self.keep_empty:
                    yield Rejection(identity, "no hand found", item.id)
                    continue
                features = np.zeros((1, *self.frame.shape), np.float32)
                if landmarks is not None:
                    features[0] = landmarks
                yield Sample(identity, features, "", source=item.id)
        except ValueError as error:
            yield Rejection(item.id, str(error), item.id)

    def draw_sample(self, identity: str, landmarks: np.ndarray) -> np.ndarray:
        """Draw the hand (1, 63) on its image or frame, (height, width, 3) RGB."""
        name, _, frame = identity.partition("#")
        path = self.raw_dir / name
        image = np.zeros((480, 480, 3), np.uint8)
        if name.lower().endswith(IMAGE_SUFFIXES):
            image = load_image(path)
        elif name.lower().endswith(VIDEO_SUFFIXES):
            _, image = next(Video(path).frames(((int(frame), int(frame) + 1),)))
        if self.standard_ratio:  # back to the image's own
            inverse = STANDARD_RATIO**2 * image.shape[0] / image.shape[1]
            landmarks = standardize_ratio(landmarks, inverse)
        return draw_hand(image, landmarks)

    def _read_image(self, item: Item) -> Detections:
        assert self.model is not None, "list_items() finds the model"
        image = load_image(item.path)
        settings = self.min_confidence, self.num_hands
        hand = shared_hand_landmarker(self.model, *settings).read(image)
        if hand is None:
            raise ValueError(no_hand_reason(image))
        yield item.id, hand.convert_landmarks(image, self.standard_ratio)

    def _read_video(self, item: Item) -> Detections:
        assert self.model is not None, "list_items() finds the model"
        video = Video(item.path)
        detector = HandLandmarker(
            *(self.model, self.min_confidence, video.fps),
            thorough=False,
            num_hands=self.num_hands,
        )
        for number, image in video.frames():
            hand = detector.read(image)
            landmarks = hand and hand.convert_landmarks(image, self.standard_ratio)
            yield f"{item.id}#{number:06d}", landmarks

    def _read_array(self, item: Item) -> Detections:
        frames = load_frames(item.path, self.num_hands)
        if not np.isfinite(frames).all():
            raise ValueError("the file holds numbers that are not finite")
        for number, landmarks in enumerate(frames):
            suffix = f"#{number:06d}" if len(frames) > 1 else ""
            yield item.id + suffix, landmarks.astype(FRAME.dtype)
