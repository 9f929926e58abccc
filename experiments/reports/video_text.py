"""What is said in the videos that stage=predict reads, by the engine that reads live ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from datamodules.base import PreparedDataModule
from experiments.export.inference_module import recognizer_of_module
from experiments.launch.console import tell
from experiments.launch.instantiate import plain
from modules.base import TaskModule
from unvoiced import Engine
from unvoiced.files import VIDEO_SUFFIXES
from unvoiced.tasks import get_task
from unvoiced.text import spreadsheet_cells
from unvoiced.vision.videos import Video

FRAME = re.compile(r"(.*)#(\d{6})")  # of a video's frame: its id ends in its number
LONG = 2.0  # clips of words that are this many times as long as those of the training
COLUMNS = ["video", "time_s", "event", "label", "probability"]
Frames = Iterator[tuple[float, np.ndarray]]  # seconds, and landmarks or a mouth


def tell_spoken(
    config: DictConfig, reader: Any, module: TaskModule, data: PreparedDataModule, path: Path
) -> None:
    """Print the text of every video, and write when each letter or word was said.

    Frames are read that are prepared already: landmarks of each picture, and mouths of clips that
    are longer than a word.

    Args:
        reader: has read the videos.
        data: the prepared frames.
        path: of the table, with ``COLUMNS``; not written without videos.
    """
    spec = get_task(config.task)
    if not spec.has_camera:
        return
    recognizer = recognizer_of_module(module, config)
    rows: list[tuple[Any, ...]] = []
    for name, frames in (_mouthed if spec.has_lips else _signed)(reader, module, data):
        engine = Engine(recognizer, ready=True, **plain(config.live))
        events = [event for seconds, one in frames for event in engine.push(one, seconds)]
        events += engine.end()
        rows += [(name, e.seconds, e.kind, e.label, e.probability) for e in events]
        tell(f"{name}: {engine.text or 'nothing that is sure enough'}")
    if rows:
        table = pd.DataFrame(rows, columns=COLUMNS).round(4)
        spreadsheet_cells(table).to_csv(path, index=False)


def _signed(
    reader: Any, module: TaskModule, data: PreparedDataModule
) -> Iterator[tuple[str, Frames]]:
    """The landmarks of each video, zeros in the pictures without a hand."""
    found: dict[str, dict[int, np.ndarray]] = {}
    for row, identity in enumerate(data.prepared.manifest["id"]):
        match = FRAME.fullmatch(identity)
        if match and match[1].lower().endswith(VIDEO_SUFFIXES):
            hand = data.prepared.features[data.prepared.starts[row]]
            found.setdefault(match[1], {})[int(match[2])] = hand
    for name, hands in found.items():
        yield name, _in_order(hands, Video(reader.raw_dir / name))


def _in_order(hands: dict[int, np.ndarray], video: Video) -> Frames:
    nothing = np.zeros(63, np.float32)
    for number in range(max(hands) + 1):
        yield video.timing.time_of(number), hands.get(number, nothing)


def _mouthed(
    reader: Any, module: TaskModule, data: PreparedDataModule
) -> Iterator[tuple[str, Frames]]:
    """The mouths of each clip that is longer than a word."""
    rate, clip_s = float(module.card.frame["rate"]), module.card.clip_s
    if not clip_s or reader.window_s is not None:  # nobody knows; or the user says what to read
        return
    set_ = data.prepared
    for identity, start, length in zip(set_.manifest["id"], set_.starts, set_.lengths, strict=True):
        if length / rate > LONG * clip_s:
            mouths = set_.features[start : start + length]
            yield identity, ((number / rate, mouth) for number, mouth in enumerate(mouths))
