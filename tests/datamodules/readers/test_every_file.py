"""Every file below raw_dir is used, listed in rejected.csv, or counted in a printed line."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from datamodules.readers.asl import hand_input, image_folder
from datamodules.readers.asl.hand_input import HandInput
from datamodules.readers.asl.image_folder import ImageFolder
from datamodules.readers.asl.landmark_csv import LandmarkCSV
from datamodules.readers.asl.landmark_npy import LandmarkNPY
from datamodules.readers.emg.emg_input import EMGInput
from datamodules.readers.emg.emg_manifest import EMGManifest
from datamodules.readers.emg.gaddy import Gaddy
from datamodules.readers.emg.somach import Somach
from datamodules.readers.files import ending_of, is_hidden
from datamodules.readers.lips.frame_folder import FrameFolder
from datamodules.readers.lips.lrw import LRW
from datamodules.readers.lips.mouth_input import MouthInput
from datamodules.readers.lips.video_folder import VideoFolder
from datamodules.readers.lips.video_manifest import VideoManifest
from datamodules.store.prepare import prepare
from tests.datamodules.readers.random_trees import make_tree, trees
from unvoiced.text import escape_controls
from unvoiced.vision.hands import Hand

READERS: dict[str, Callable[[Path], Any]] = {
    "image_folder": ImageFolder,
    "landmark_csv": LandmarkCSV,
    "landmark_npy": LandmarkNPY,
    "landmark_npy sequences": lambda raw: LandmarkNPY(raw, sequences=True),
    "video_folder": lambda raw: VideoFolder(raw, crop="none"),
    "video_folder grouped": lambda raw: VideoFolder(raw, grouped=True, crop="none"),
    "video_folder labels": lambda raw: VideoFolder(raw, crop="none", labels=["A"]),
    "frame_folder": FrameFolder,
    "video_manifest": lambda raw: VideoManifest(raw, crop="none"),
    "lrw": LRW,
    "emg_manifest": lambda raw: EMGManifest(raw, rate=250.0),
    "gaddy": lambda raw: Gaddy(raw, rate=250.0),
    "gaddy silent": lambda raw: Gaddy(raw, rate=250.0, mode="silent"),
    "somach": Somach,
    "hand_input": HandInput,
    "mouth_input": lambda raw: MouthInput(raw, crop="none"),
    "emg_input": lambda raw: EMGInput(raw, rate=250.0),
}


@pytest.fixture(autouse=True)
def _every_picture_shows_a_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        def read(self, picture: np.ndarray) -> Hand:
            return Hand(np.linspace(0.01, 0.63, 63, dtype=np.float32), "Right", 1.0)

    for module in (image_folder, hand_input):
        monkeypatch.setattr(module, "hand_landmarks", lambda *_: Finder())
        monkeypatch.setattr(module, "hand_model", lambda path: Path(path or "model"))
    monkeypatch.setattr(hand_input, "HandLandmarks", lambda *_, **__: Finder())


def entries(raw: Path) -> Iterator[tuple[str, bool]]:
    """Every file, and every link to a folder, as os.walk finds them; whether it is hidden."""
    for folder, folders, names in os.walk(raw):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for name in (*names, *links):
            path = Path(folder, name).relative_to(raw)
            yield path.as_posix(), any(map(is_hidden, path.parts))


def check_account(make_reader: Callable[[Path], Any], raw: Path, data_dir: Path) -> bool:
    """Prepare ``raw`` and look for every file; False where the reader refuses the folder."""
    lines: list[str] = []
    try:
        reader = make_reader(raw)
        prepare(reader, data_dir, {}, workers=1, say=lines.append)
    except ValueError as error:
        if not (data_dir / "rejected.csv").exists():
            return False
        reader = make_reader(raw)
        if "not one recording could be read" not in str(error):
            return False
    listed = set(pd.read_csv(data_dir / "rejected.csv", dtype=str, keep_default_na=False)["id"])
    used = {name for item in reader.items() for name in reader.files_of(item)}
    counted = "; ".join(line for line in lines if line.startswith("Files that are not read"))
    for name, hidden in entries(raw):
        if hidden:
            assert " hidden" in counted, (name, lines)
        elif not (raw / name).is_dir() or escape_controls(name) in listed:
            is_counted = ending_of(name) in counted or " left out by " in counted
            is_counted |= "depth pictures" in counted
            assert name in used or escape_controls(name) in listed or is_counted, (name, lines)
    return True


@pytest.mark.parametrize("name", READERS)
@settings(deadline=None, max_examples=6)
@given(tree=trees)
def test_no_file_is_lost(name: str, tree: list) -> None:
    with TemporaryDirectory() as folder:
        raw = Path(folder, "raw")
        raw.mkdir()
        make_tree(raw, tree)
        check_account(READERS[name], raw, Path(folder, "set"))


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
@settings(deadline=None, max_examples=300)
@given(tree=trees)
def test_no_file_is_lost_in_many_trees(name: str, tree: list) -> None:
    with TemporaryDirectory() as folder:
        raw = Path(folder, "raw")
        raw.mkdir()
        make_tree(raw, tree)
        check_account(READERS[name], raw, Path(folder, "set"))
