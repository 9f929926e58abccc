"""Images in folders named after their letter, as in Kaggle's "ASL Alphabet"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from datamodules.readers.asl.letters import (
    FRAME,
    PAIR_FRAME,
    LetterReader,
    is_dataset_name,
)
from datamodules.readers.base import Item
from datamodules.store.samples import Rejection, Sample
from unvoiced.files import IMAGE_SUFFIXES
from unvoiced.vision.hands import no_hand_reason, shared_hand_landmarker
from unvoiced.vision.images import load_image
from unvoiced.vision.models import locate_hand_model


class ImageFolder(LetterReader):
    """``<class>/*.jpg``, ``<group>/<class>/*.jpg`` or ``<group>/<class>_<n>.jpg``.

    Every image becomes a sample of (1, 63) landmarks; one without a hand is rejected, except for
    the class ``nothing``: its images become zeros.

    Args:
        raw_dir: the folder with the images, nested as deep as you like.
        model: path of a MediaPipe ``hand_landmarker.task``; None for the user's cache, which is
            filled once from the user's package index.
        min_confidence: minimum confidence of a hand's detection, 0 to 1.
        split_folders: see ``Reader``.
        classes: the signs, as their folders are named; None for the ASL alphabet.
        standard_ratio: whether landmarks are stored as an image of 4:3 would have them, so that
            hands look alike in images of every shape.
        num_hands: 1; or 2 for signs of two hands, of which one may be absent in an image.

    Raises:
        ValueError: nothing to read, no folder named like a class, or no model.
    """

    endings = IMAGE_SUFFIXES

    def __init__(
        self,
        raw_dir: str | Path | None,
        model: str | None = None,
        min_confidence: float = 0.5,
        split_folders: bool | None = None,
        classes: Sequence[str | int] | None = None,
        num_hands: int = 1,
        standard_ratio: bool | None = None,
    ) -> None:
        super().__init__(raw_dir, split_folders)
        self.set_classes(classes)
        self.model = model
        self.min_confidence = min_confidence
        self.num_hands, self.standard_ratio = num_hands, bool(standard_ratio)
        self.require("num_hands", num_hands in (1, 2), "1 or 2")
        self.frame = PAIR_FRAME if num_hands == 2 else FRAME

    def list_items(self) -> list[Item]:
        """Return an item per image; find the model once, not in every worker process."""
        images = self.find_files(IMAGE_SUFFIXES)
        if not images:
            raise self.layout_error(
                f"images (jpg, png, heic …) in folders named {self.alphabet.describe()}"
            )
        # Only without such folders do files name the letter: hello/c_001.jpg is not a C.
        by_name = not any(self.find_class_folder(path, root) for _, root, path in images)
        items = [self._make_item(*image, by_name) for image in images]
        self.require_letters(items)
        if any(self.alphabet.find_class(item.label) not in (None, "nothing") for item in items):
            self.model = str(locate_hand_model(self.model))
        return items

    def read(self, item: Item) -> Iterator[Sample | Rejection]:
        """Yield the landmarks of an image."""
        try:
            yield self._detect_hand(item)
        except ValueError as error:
            yield Rejection(item.id, str(error), item.id)

    def _make_item(self, split: str, root: Path, path: Path, by_name: bool) -> Item:
        folder, label = self.find_class_folder(path, root), path.parent.name
        if folder:
            label = folder.name
        elif by_name or path.parent == root or is_dataset_name(label):
            stem = re.sub(r"[\W_]*(\d+\W*|test)$", "", path.stem)
            label = stem if self.alphabet.find_class(stem) else label
        label = self.alphabet.find_class(label) or label
        return Item(self.id_of(path), path, label, self.find_group(folder or path, root), split)

    def _detect_hand(self, item: Item) -> Sample:
        label = self.alphabet.find_class(item.label)
        if label is None:
            raise ValueError(self.alphabet.explain_unknown(item.label))
        image, features = load_image(item.path), np.zeros((1, *self.frame.shape), np.float32)
        if label != "nothing":
            assert self.model is not None, "list_items() finds the model"
            settings = self.min_confidence, self.num_hands
            hand = shared_hand_landmarker(self.model, *settings).read(image)
            if hand is None:
                raise ValueError(no_hand_reason(image))
            features[0] = hand.convert_landmarks(image, self.standard_ratio)
        return Sample(item.id, features, label, item.group, item.split, item.id)
