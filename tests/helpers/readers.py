"""Read all outcomes of a reader, and check what every reader promises."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.readers.asl.hand_input import HandInput
from datamodules.readers.asl.image_folder import ImageFolder
from datamodules.readers.asl.landmark_csv import LandmarkCSV
from datamodules.readers.asl.landmark_npy import LandmarkNPY
from datamodules.readers.emg.brainflow import BrainFlow
from datamodules.readers.emg.edf import EDF
from datamodules.readers.emg.emg_input import EMGInput
from datamodules.readers.emg.emg_manifest import EMGManifest
from datamodules.readers.emg.gaddy import Gaddy
from datamodules.readers.emg.somach import Somach
from datamodules.readers.emg.xdf import XDF
from datamodules.readers.lips.frame_folder import FrameFolder
from datamodules.readers.lips.lrw import LRW
from datamodules.readers.lips.mouth_input import MouthInput
from datamodules.readers.lips.video_folder import VideoFolder
from datamodules.readers.lips.video_manifest import VideoManifest
from datamodules.store.samples import Rejection, Sample


def read_outcomes(reader: Any, dtype: type) -> list[Any]:
    """Read everything, and check shapes, ``dtype`` and unique ids."""
    result = [outcome for item in reader.list_items() for outcome in reader.read(item)]
    assert len({outcome.id for outcome in result}) == len(result)
    for outcome in result:
        if isinstance(outcome, Sample):
            assert outcome.features.shape[1:] == reader.frame.shape
            assert outcome.features.dtype == dtype
    return result


def read_samples(reader: Any, dtype: type) -> tuple[list[Sample], list[Rejection]]:
    """Read everything, and return samples and rejections separately."""
    result = read_outcomes(reader, dtype)
    samples = [outcome for outcome in result if isinstance(outcome, Sample)]
    return samples, [outcome for outcome in result if isinstance(outcome, Rejection)]


def reasons_by_id(rejected: list[Rejection]) -> dict[str, str]:
    """Return the reasons of rejections by id."""
    return {row.id: row.reason for row in rejected}


read_image_outcomes = partial(read_outcomes, dtype=np.uint8)
read_image_samples = partial(read_samples, dtype=np.uint8)
READER_FACTORIES: dict[str, Callable[[Path], Any]] = {
    "image_folder": ImageFolder,
    "landmark_csv": LandmarkCSV,
    "landmark_npy": LandmarkNPY,
    "landmark_npy sequences": lambda raw: LandmarkNPY(raw, use_sequences=True),
    "video_folder": lambda raw: VideoFolder(raw, crop="none"),
    "video_folder grouped": lambda raw: VideoFolder(raw, has_groups=True, crop="none"),
    "video_folder labels": lambda raw: VideoFolder(raw, crop="none", labels=["A"]),
    "frame_folder": FrameFolder,
    "video_manifest": lambda raw: VideoManifest(raw, crop="none"),
    "lrw": LRW,
    "emg_manifest": lambda raw: EMGManifest(raw, sample_rate=250.0),
    "gaddy": lambda raw: Gaddy(raw, sample_rate=250.0),
    "gaddy silent": lambda raw: Gaddy(raw, sample_rate=250.0, mode="silent"),
    "somach": Somach,
    "edf": EDF,
    "xdf": XDF,
    "brainflow": BrainFlow,
    "hand_input": HandInput,
    "mouth_input": lambda raw: MouthInput(raw, crop="none"),
    "emg_input": lambda raw: EMGInput(raw, sample_rate=250.0),
}
