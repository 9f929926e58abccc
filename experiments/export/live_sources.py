"""Open the ``input=`` of stage=live: a camera, a stream or a recording."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.readers.asl.hand_input import HandInput
from datamodules.store.samples import Sample
from experiments.launch.console import logger
from experiments.launch.instantiate import instantiate
from unvoiced import Recognizer
from unvoiced.files import IMAGE_SUFFIXES
from unvoiced.live.cameras import (
    CAMERA_PREFIX,
    LANDMARK_FPS,
    Camera,
    CameraGoneError,
    FrameSequence,
    VideoSource,
    open_frame_source,
)
from unvoiced.streams.trackers import TrackerSettings
from unvoiced.tasks import get_task

FRAME_FPS = 25.0  # of images, if the model does not state a frame rate


def open_live_source(
    where: str, recognizer: Recognizer | TrackerSettings, paced: bool
) -> Camera | VideoSource | FrameSequence:
    """Return the source of frames that ``input`` names.

    Raises:
        ValueError: it does not exist, or the task does not read it.
    """
    path, spec = Path(where), get_task(recognizer.task)
    if where.startswith(CAMERA_PREFIX):
        return open_frame_source(where, paced)
    if path.exists() and not spec.accepts(path):
        expected = f"camera:0, {spec.input_description}"
        raise ValueError(f"input={where} cannot be read; expected {expected}")
    if path.exists() and spec.is_landmark_file(where):
        return FrameSequence(read_landmarks(path, recognizer.num_hands), LANDMARK_FPS, paced)
    rate = float(recognizer.metadata.get("frame", {}).get("rate") or FRAME_FPS)
    if spec.is_frame_folder(path):
        return FrameSequence(_list_images(path), rate, paced)
    if path.is_file() and where.lower().endswith(IMAGE_SUFFIXES):
        return FrameSequence([path], rate, paced)
    return open_frame_source(where, paced)


def load_recording(
    path: Path, input_reader: dict[str, Any], channels: int, sample_rate: float
) -> np.ndarray:
    """Return the samples (T, C) of a file as recorded.

    Args:
        path: the file.
        input_reader: the configuration of the task's input reader; its class has ``load_counts``.
        channels: C, for readers that need it.
        sample_rate: in Hz, for readers that need it.

    Raises:
        ValueError: the file cannot be read.
    """
    known = {"channels": channels, "sample_rate": sample_rate}
    settings = {key: value for key, value in known.items() if key in input_reader}
    reader = instantiate(input_reader | settings | {"path": str(path)})
    items = reader.list_items()
    if not items:
        raise ValueError(f"{path.name} cannot be read; expected {' '.join(reader.endings)}")
    return reader.load_counts(items[0])


@contextmanager
def end_quietly() -> Iterator[None]:
    """End at Ctrl-C, or if the camera is gone, without an error; keep the text so far."""
    try:
        yield
    except KeyboardInterrupt:
        logger.info("")  # the terminal has written ^C
    except CameraGoneError as error:
        logger.warning(error)


def read_landmarks(path: Path, num_hands: int = 1) -> np.ndarray:
    """Return the hands of a table or array, (T, 63 * num_hands) float32.

    Raises:
        ValueError: no row of it can be read.
    """
    reader = HandInput(path, num_hands=num_hands)
    frames, reason = [], ""
    for outcome in (one for item in reader.list_items() for one in reader.read(item)):
        if isinstance(outcome, Sample):
            frames.append(outcome.features[0])
        else:
            reason = reason or outcome.reason
    if not frames:
        raise ValueError(f"input={path}: {reason or 'no rows'}")
    return np.stack(frames)


def _list_images(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.name.lower().endswith(IMAGE_SUFFIXES))
    if not found:
        raise ValueError(f"input={folder} holds no images; expected one per frame")
    return found
