"""Read the text of the videos of stage=predict with the engine of live reading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from datamodules.base import PreparedDataModule
from experiments.export.inference_module import wrap_as_recognizer
from experiments.launch.console import logger
from experiments.launch.instantiate import stream_settings
from modules.base import TaskModule
from unvoiced import Engine
from unvoiced.files import VIDEO_SUFFIXES
from unvoiced.tasks import get_task
from unvoiced.text import spreadsheet_cells
from unvoiced.vision.videos import Video

FRAME_ID = re.compile(r"(.*)#(\d{6})")  # of a video's frame: name and number
LONG_CLIP = 2.0  # times the length of the training clips: has more than one word
COLUMNS = ["video", "time_s", "event", "label", "probability"]
Frames = Iterator[tuple[float, np.ndarray]]  # seconds, and landmarks or a mouth


def write_video_texts(
    config: DictConfig, reader: Any, module: TaskModule, data: PreparedDataModule, path: Path
) -> None:
    """Print the text of every video, and write the time of each letter or word.

    It reads prepared frames: landmarks of each image, or mouths of clips with several words.

    Args:
        config: of the run.
        reader: that has read the videos.
        module: with the network.
        data: the prepared frames.
        path: of the table, with ``COLUMNS``; not written without videos.
    """
    spec = get_task(config.task)
    if not spec.has_camera:
        return
    options = {"profile": config.profile} if config.profile else {}
    recognizer = wrap_as_recognizer(module, config, **options)
    rows: list[tuple[Any, ...]] = []
    for name, frames in (_list_mouths if spec.has_lips else _list_hands)(reader, module, data):
        engine = Engine(recognizer, is_preprocessed=True, **stream_settings(config))
        events = [event for seconds, frame in frames for event in engine.push(frame, seconds)]
        events += engine.end()
        rows += [(name, e.seconds, e.kind, e.label, e.probability) for e in events]
        logger.info(f"{name}: {engine.text or 'nothing that is sure enough'}")
    if rows:
        table = pd.DataFrame(rows, columns=COLUMNS).round(4)
        spreadsheet_cells(table).to_csv(path, index=False)


def _list_hands(
    reader: Any, module: TaskModule, data: PreparedDataModule
) -> Iterator[tuple[str, Frames]]:
    """Yield the landmarks of each video."""
    videos: dict[str, dict[int, np.ndarray]] = {}
    for row, sample_id in enumerate(data.prepared.manifest["id"]):
        match = FRAME_ID.fullmatch(sample_id)
        if match and match[1].lower().endswith(VIDEO_SUFFIXES):
            hand = data.prepared.features[data.prepared.starts[row]]
            videos.setdefault(match[1], {})[int(match[2])] = hand
    for name, hands in videos.items():
        yield name, _fill_gaps(hands, Video(reader.raw_dir / name))


def _fill_gaps(hands: dict[int, np.ndarray], video: Video) -> Frames:
    """Yield all frames in order, with zeros for images without a hand."""
    no_hand = np.zeros_like(next(iter(hands.values())))
    for number in range(max(hands) + 1):
        yield video.timing.time_of(number), hands.get(number, no_hand)


def _list_mouths(
    reader: Any, module: TaskModule, data: PreparedDataModule
) -> Iterator[tuple[str, Frames]]:
    """Yield the mouths of each clip that has more than one word."""
    fps, clip_s = float(module.card.frame["rate"]), module.card.clip_s
    if not clip_s or reader.window_s is not None:  # unknown; or the user chose the windows
        return
    prepared = data.prepared
    clips = zip(prepared.manifest["id"], prepared.starts, prepared.lengths, strict=True)
    for sample_id, start, length in clips:
        if length / fps > LONG_CLIP * clip_s:
            mouths = prepared.features[start : start + length]
            yield sample_id, ((number / fps, mouth) for number, mouth in enumerate(mouths))
