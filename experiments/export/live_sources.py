"""What ``input=`` of stage=live names: a camera, a stream, or a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from datamodules.readers.asl.hand_input import HandInput
from datamodules.readers.emg.emg_input import EMGInput
from datamodules.store.samples import Sample
from unvoiced import Recognizer
from unvoiced.files import ARRAY_SUFFIXES, IMAGE_SUFFIXES, LANDMARK_SUFFIXES
from unvoiced.inputs import ACCEPTED_INPUTS
from unvoiced.live.cameras import CAMERA, Camera, VideoSource, open_frame_source
from unvoiced.live.recordings import LANDMARK_FPS, FrameSequence, Recording

FRAME_FPS = 25.0  # of images whose model does not state a frame rate


def holds_landmarks(task: str, where: str) -> bool:
    """Return whether ``input`` is a file of hand landmarks, which need no detector."""
    return task == "asl" and where.lower().endswith((*LANDMARK_SUFFIXES, *ARRAY_SUFFIXES))


def frame_source(
    where: str, recognizer: Recognizer, paced: bool
) -> Camera | VideoSource | FrameSequence:
    """Return the source of frames that ``input`` names.

    Raises:
        ValueError: it does not exist, or the task does not read it.
    """
    path, task = Path(where), recognizer.task
    accepted = ACCEPTED_INPUTS[task]
    if where.startswith(CAMERA):
        return open_frame_source(where, paced)
    if path.exists() and not accepted.accepts(path):
        raise ValueError(f"input={where} cannot be read; expected camera:0, {accepted.description}")
    if path.exists() and holds_landmarks(task, where):
        return FrameSequence(read_landmarks(path), LANDMARK_FPS, paced)
    rate = float(recognizer.about["frame"].get("rate") or FRAME_FPS)
    if accepted.is_frame_folder(path):
        return FrameSequence(_images(path), rate, paced)
    if path.is_file() and where.lower().endswith(IMAGE_SUFFIXES):
        return FrameSequence([path], rate, paced)
    return open_frame_source(where, paced)


def recording_source(path: Path, settings: dict[str, Any], channels: int, rate: float) -> Recording:
    """Return an EMG recording in memory as a source of samples.

    Raises:
        ValueError: it cannot be read.
    """
    reader = EMGInput(path, **settings | {"channels": channels, "rate": rate})
    return Recording(reader.load(reader.items()[0]), rate)


def read_landmarks(path: Path) -> np.ndarray:
    """Return the hands of a table or array, (T, 63) float32.

    Raises:
        ValueError: no row of it can be read.
    """
    reader = HandInput(path)
    outcomes = [one for item in reader.items() for one in reader.read(item)]
    frames = [one.features[0] for one in outcomes if isinstance(one, Sample)]
    if not frames:
        reason = next((one.reason for one in outcomes if not isinstance(one, Sample)), "no rows")
        raise ValueError(f"input={path}: {reason}")
    return np.stack(frames)


def _images(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.name.lower().endswith(IMAGE_SUFFIXES))
    if not found:
        raise ValueError(f"input={folder} holds no images; expected one per frame")
    return found
