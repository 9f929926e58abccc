"""Landmarks in NumPy files, as the common tutorial collector writes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np

from datamodules.readers.asl.letters import (
    LetterReader,
)
from datamodules.readers.base import Item
from datamodules.store.samples import Rejection, Sample
from unvoiced.files import ARRAY_SUFFIXES, read_bytes
from unvoiced.text import shorten
from unvoiced.vision.skeleton import STANDARD_RATIO, standardize_ratio

MAX_FRAMES_BYTES = 200_000_000  # of a file


@dataclass(frozen=True)
class FrameFiles(Item):
    """The files of a sequence in order; their names in ``path``, or "" for ``path`` itself."""

    names: tuple[str, ...] = ("",)


class LandmarkNPY(LetterReader):
    """``<letter>/<sequence>/<frame>.npy`` with 63 numbers, or ``<letter>/<name>.npy``.

    The latter may hold (63,), (21, 3), (T, 63) or (T, 21, 3). A folder above the letter is the
    group. A frame of zeros, by which collectors mark a missing hand, is rejected unless the letter
    is ``nothing``.

    Args:
        raw_dir: the folder with the letters.
        use_sequences: make a sample of each sequence folder or (T, 63) file; else each frame is a
            sample of (1, 63).
        aspect_ratio: width over height of the images that the landmarks are from; they are stored
            as an image of 4:3 would have them. None: unknown, the numbers stay as they are.
        split_folders: see ``Reader``.
        classes: the signs, as their folders are named; None for the ASL alphabet.

    Raises:
        ValueError: there is no .npy file, or no folder named like a class.
    """

    endings = ARRAY_SUFFIXES

    def __init__(
        self,
        raw_dir: str | Path | None,
        use_sequences: bool = False,
        split_folders: bool | None = None,
        classes: Sequence[str | int] | None = None,
        aspect_ratio: float | None = None,
    ) -> None:
        super().__init__(raw_dir, split_folders)
        self.set_classes(classes)
        self.use_sequences = use_sequences
        self.aspect_ratio = STANDARD_RATIO if aspect_ratio is None else aspect_ratio

    def list_items(self) -> list[Item]:
        """Return an item per sequence folder, or file directly in its letter."""
        names: dict[FrameFiles, list[str]] = {}
        for split, root, path in self.find_files(ARRAY_SUFFIXES):
            item = self._make_item(split, root, path)
            name = "" if item.path == path else path.relative_to(item.path).as_posix()
            names.setdefault(item, []).append(name)
        if not names:
            raise self.layout_error("<letter>/<sequence>/<frame>.npy")
        items: list[Item] = [replace(item, names=tuple(files)) for item, files in names.items()]
        self.require_letters(items)
        return items

    def files_of(self, item: Item) -> Iterator[str]:
        """Yield the names below ``raw_dir`` of a sequence's files."""
        assert isinstance(item, FrameFiles)
        yield from (self.name_of(item.path / name) for name in item.names)

    def read(self, item: Item) -> Iterator[Sample | Rejection]:
        """Yield the frames of an item, or one sample of them all."""
        assert isinstance(item, FrameFiles)
        label = self.alphabet.find_class(item.label)
        if label is None:
            yield Rejection(item.id, self.alphabet.explain_unknown(item.label), item.id)
            return
        good: list[np.ndarray] = []
        for name, frame, fault in self._load_frames(item, label):
            if fault:
                yield Rejection(name, fault, item.id)
            elif self.use_sequences:
                good.append(frame)
            else:
                yield self._make_sample(item, name, frame[None], label)
        if good:
            yield self._make_sample(item, item.id, np.stack(good), label)

    def _make_sample(self, item: Item, name: str, frames: np.ndarray, label: str) -> Sample:
        """Return a sample; the frames of a folder or file are a sequence, a single one is not."""
        is_sequence = item.path.is_dir() or "#" in name or self.use_sequences
        sequence = item.id if is_sequence else ""
        frames = standardize_ratio(frames, self.aspect_ratio)
        return Sample(name, frames, label, item.group, item.split, item.id, sequence=sequence)

    def _make_item(self, split: str, root: Path, path: Path) -> FrameFiles:
        folder = self.find_class_folder(path, root)
        in_sequence = path.parent != folder if folder else path.stem.isdecimal()
        work = path.parent if in_sequence and path.parent != root else path
        label = folder.name if folder else work.parent.name
        label = self.alphabet.find_class(label) or label
        group = self.find_group(folder or work, root)
        return FrameFiles(self.id_of(work), work, label, group, split)

    def _load_frames(self, item: FrameFiles, label: str) -> Iterator[tuple[str, np.ndarray, str]]:
        """Yield id, 63 numbers and fault (or "") of each frame, in numeric order."""
        for file in (item.path / name for name in item.names):
            name = self.id_of(file)
            try:
                frames = load_frames(file)
            except ValueError as error:
                yield name, np.empty(0), str(error)
                continue
            for number, frame in enumerate(frames):
                suffix = f"#{number}" if len(frames) > 1 else ""
                yield name + suffix, frame, _find_fault(frame, label)


def load_frames(path: Path, num_hands: int = 1) -> np.ndarray:
    """Return the frames of a file as (T, 63 * num_hands) float32.

    Raises:
        ValueError: not a readable array of hand landmarks.
    """
    content = read_bytes(path, MAX_FRAMES_BYTES)
    try:
        array = np.load(BytesIO(content), allow_pickle=False)
    except Exception as error:  # NumPy's parser raises anything at a damaged header
        raise ValueError(f"not a readable .npy file: {shorten(str(error), 200)}") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise ValueError("the file holds no array of real numbers")
    size = 63 * num_hands
    joined = array.reshape(*array.shape[:-2], -1) if array.shape[-2:] == (size // 3, 3) else array
    if joined.shape[-1:] != (size,) or joined.ndim > 2 or not joined.size:
        expected = f"({size},), ({size // 3}, 3) or (frames, {size})"
        raise ValueError(f"found shape {array.shape}; expected {expected}")
    with np.errstate(over="ignore"):
        return joined.reshape(-1, size).astype(np.float32)  # (63,) → (1, 63)


def _find_fault(frame: np.ndarray, label: str) -> str:
    if not np.isfinite(frame).all():
        position = int((~np.isfinite(frame)).argmax())
        return f"number {position} of 63 is {frame[position]}, not finite"
    if label != "nothing" and not frame.any():
        return "all numbers are zero: no hand was found"
    return ""
