"""Small prepared sets, and recordings to prepare."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.readers.asl.letters import LETTERS
from datamodules.store.samples import Description, Frame, Sample
from datamodules.store.writer import write_all


def write_hands(
    folder: Path,
    groups: int = 4,
    letters: str = "ABC",
    each: int = 3,
    seed: int = 0,
    **changes: Any,
) -> Path:
    """Write a small prepared set of artificial landmarks that distinguish letters."""
    rng = np.random.default_rng(seed)
    shapes = {letter: rng.normal(size=63) for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
    samples = [
        Sample(
            f"s{g}/{letter}/{n}",
            (shapes[letter] + 0.1 * rng.normal(size=(1, 63))).astype(np.float32),
            letter,
            f"s{g}" if groups > 1 else "",
        )
        for g in range(groups)
        for letter in letters
        for n in range(each)
    ]
    about: dict[str, Any] = {"task": "asl", "settings": {}, "classes": LETTERS} | changes
    write_all(folder, Description(frame=Frame((63,), "float32", "a test"), **about), samples)
    return folder


def write_mouths(
    folder: Path,
    groups: int = 4,
    words: tuple[str, ...] = ("yes", "no", "water"),
    each: int = 3,
    size: tuple[int, int] = (64, 96),
) -> Path:
    """Write a small prepared set of artificial clips; each word moves a bright bar differently."""
    rng = np.random.default_rng(0)
    samples = []
    for group, word, number in product(range(groups), words, range(each)):
        clip = rng.integers(0, 60, (int(rng.integers(6, 14)), *size), np.uint8)
        for frame, image in enumerate(clip):
            row = (words.index(word) + 1) * (frame + 2) % size[0]
            image[row : row + 6] = 200
        name = f"s{group}" if groups > 1 else ""
        samples.append(Sample(f"s{group}/{word}/{number}", clip, word, name))
    frame = Frame(size, "uint8", "a test", 25.0)
    write_all(folder, Description("lipread", frame, {}), samples)
    return folder


WORDS = ("about", "below", "people", "water")


def write_clips(
    folder: Path, words: tuple[str, ...] = WORDS, has_spans: bool = False, each: int = 2
) -> Path:
    """Write noise clips of four people; with ``has_spans``, each word has its own two frames."""
    rng = np.random.default_rng(0)
    samples = []
    for group, word, number in product(range(4), words, range(each)):
        clip = rng.integers(0, 255, (2 * len(words), 24, 24), np.uint8)
        first = 2 * words.index(word)
        place = (first, first + 2) if has_spans else None
        samples.append(Sample(f"{group}/{word}/{number}", clip, word, f"s{group}", word_span=place))
    write_all(folder, Description("vsr", Frame((24, 24), "uint8", "a test", 25.0), {}), samples)
    return folder


def write_set_with_nan(folder: Path) -> Path:
    """Write a set in which one sample of 60 has a NaN."""
    rng = np.random.default_rng(0)
    samples = [
        Sample(f"{g}/{n}", rng.normal(size=(1, 63)).astype(np.float32), "AB"[n % 2], f"s{g}")
        for g in range(3)
        for n in range(20)
    ]
    parts = ("train", "val", "test")
    samples = [Sample(**(vars(s) | {"split": parts[int(s.group[1])]})) for s in samples]
    samples[7].features[0, 5] = np.nan
    about = Description("asl", Frame((63,), "float32", "a test"), {}, LETTERS)
    write_all(folder, about, samples)
    return folder


TEST_FRAME = Frame((2, 3), "float32", "a test", rate=30.0)
TEST_DESCRIPTION = Description("asl", TEST_FRAME, {"size": 1}, ("a", "b"))
Word = tuple[int, int] | None


def make_sample(name: str, frames: int, label: str = "a", word: Word = None) -> Sample:
    features = np.full((frames, 2, 3), hash(name) % 1000, np.float32)
    return Sample(name, features, label, "me", source=f"{name}.mp4", word_span=word)


def write_landmark_files(folder: Path, letters: str = "ABC", each: int = 10) -> Path:
    rng = np.random.default_rng(0)
    for letter in letters:
        for number in range(each):
            path = folder / "me" / letter / str(number) / "0.npy"
            path.parent.mkdir(parents=True)
            np.save(path, rng.normal(size=63))
    return folder


def read_set_files(folder: Path) -> list[bytes]:
    names = ("manifest.csv", "features.npy", "rejected.csv")
    return [(folder / name).read_bytes() for name in names]
