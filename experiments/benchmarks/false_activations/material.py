"""The streams of a benchmark: simulated silence, words, and recordings of data_dir= or input=."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from datamodules.base import PreparedDataModule
from datamodules.silence.streams import RecordedStream, Silence, SpokenWord
from datamodules.store.dataset import PreparedSet
from datamodules.store.samples import META_NAME
from experiments.checkpoints.card import ModelCard
from experiments.checkpoints.training_data import select_training_data
from experiments.export.live_sources import load_recording, open_live_source
from experiments.launch.build import build_datamodule
from experiments.launch.console import logger
from experiments.launch.instantiate import resolve_node
from unvoiced import Recognizer
from unvoiced.streams.trackers import HandTracker
from unvoiced.tasks import get_task, import_object

MAX_RECORDINGS = 400  # of a prepared set
READY = {"is_preprocessed": True}
WORDS_KIND, OTHER_KIND, INPUT_KIND = "words", "other labels", "recordings of input="


def build_silence(recognizer: Recognizer) -> Silence:
    """Return the streams of the model's task.

    Raises:
        ValueError: the task has none.
    """
    spec = get_task(recognizer.task)
    if not spec.silence:
        raise ValueError(
            f"benchmark.false_activations=true: task={spec.name} names no class that simulates "
            f"silence. Add one as silence= in unvoiced/tasks/{spec.name}.py"
        )
    classes = [] if recognizer.metadata.get("objective") == "ctc" else recognizer.classes
    return import_object(spec.silence)(classes, recognizer.metadata)


def list_words(config: DictConfig, card: ModelCard, silence: Silence) -> Iterator[RecordedStream]:
    """Yield streams of words: of the test split, or simulated ones for a simulated model.

    Labels of ``data_dir`` that the model does not know become streams of other labels.
    """
    simulated = card.simulated and not config.data_dir
    streams = silence.simulate_words(60 * config.benchmark.minutes, config.seed + 1)
    first = next(streams, None) if simulated else None
    if first is not None:
        yield first
        yield from streams
        return
    config = select_training_data(config, card)
    data = build_datamodule(config, trained=card, accepts_unknown_labels=True)
    for label, frames in list_recordings(data, data.indices.test, config.seed):
        is_known = label in data.classes or not data.classes
        yield silence.arrange_recording(label, frames, WORDS_KIND if is_known else OTHER_KIND)


def list_recordings(
    data: PreparedDataModule, rows: np.ndarray, seed: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield label and frames (T, *frame_shape) of recordings, in a random order.

    Rows of one sequence with one label are one recording.
    """
    manifest = data.prepared.manifest.iloc[rows]
    groups = manifest.groupby(["sequence", "label"], sort=False).indices
    order = np.random.default_rng(seed).permutation(len(groups))[:MAX_RECORDINGS]
    recordings = list(groups.items())
    for number in order:
        (_, label), places = recordings[number]
        frames = [data.prepared.read_sample(row) for row in rows[places]]
        yield data.normalize_label(str(label)), np.concatenate(frames)


def list_input(
    config: DictConfig, recognizer: Recognizer, silence: Silence
) -> Iterator[RecordedStream | VideoStream]:
    """Yield the recordings that ``input`` names, in which nothing should be written.

    Raises:
        ValueError: it does not exist, or holds no recording.
    """
    path = Path(str(config.input))
    if not path.exists():
        raise ValueError(f"input={path} does not exist")
    if (path / META_NAME).is_file():
        yield from _read_prepared(path, recognizer, silence)
        return
    spec = get_task(recognizer.task)
    files = [path]
    if path.is_dir() and not _holds_images(path):
        files = sorted(file for file in path.rglob("*") if file.is_file() and spec.accepts(file))
    if not files:
        raise ValueError(f"input={path} holds no recording; expected {spec.input_description}")
    for file in files:
        try:
            yield _open_recording(config, file, recognizer)
        except ValueError as error:
            logger.warning(f"{file}: left out ({error})")


@dataclass
class VideoStream:
    """A video that is read once, image by image: a ``RecordedStream`` that takes no memory.

    Args:
        kind: as of a stream.
        source: of the images.
        settings: of the stream class.
    """

    kind: str
    source: Any
    settings: dict[str, Any]
    words: tuple[SpokenWord, ...] = ()
    is_talk: bool = False
    is_simulated: bool = False
    duration_s: float = 0.0

    def iterate_chunks(self, size_s: float | None) -> Iterator[tuple[float, np.ndarray]]:
        """Yield seconds and image (H, W, 3) of the video."""
        first_s = None
        for seconds, image in self.source.timed_frames():
            first_s = seconds if first_s is None else first_s
            self.duration_s = seconds - first_s + 1 / self.source.fps
            yield seconds - first_s, image


def _holds_images(folder: Path) -> bool:
    return any(folder.glob("*.jpg")) or any(folder.glob("*.png"))


def _read_prepared(
    path: Path, recognizer: Recognizer, silence: Silence
) -> Iterator[RecordedStream]:
    prepared = PreparedSet(path, recognizer.task)
    known = set(recognizer.classes)
    labels = prepared.manifest["label"].to_numpy(str)
    rows = np.flatnonzero([label not in known for label in labels])
    if len(rows) < len(labels):
        logger.warning(f"input={path}: {len(labels) - len(rows):,} rows with labels of the model")
    rows = np.random.default_rng(0).permutation(rows)[:MAX_RECORDINGS]
    for row in rows:
        kind = OTHER_KIND if labels[row] else INPUT_KIND
        yield silence.arrange_recording(labels[row], prepared.read_sample(row), kind)


def _open_recording(
    config: DictConfig, file: Path, recognizer: Recognizer
) -> RecordedStream | VideoStream:
    spec = get_task(recognizer.task)
    frame, reader = recognizer.metadata["frame"], resolve_node(config.input_reader)
    if not spec.has_camera:
        rate = float(reader.get("sample_rate") or frame["rate"])
        samples = load_recording(file, reader, int(np.prod(frame["shape"])), rate)
        given = {k: v for k, v in reader.items() if k not in ("_target_", "path")}
        return RecordedStream(
            INPUT_KIND, samples, rate, is_simulated=False, settings={"reader": given}
        )
    is_ready = config.crop == "none" or spec.is_landmark_file(file)
    source: Any = open_live_source(str(file), recognizer, paced=False)
    if spec.landmark_files and not is_ready:
        frames = _track_hands(source, recognizer)
        return RecordedStream(INPUT_KIND, frames, source.fps, (), False, False, READY)
    return VideoStream(INPUT_KIND, source, READY if is_ready else {})


def _track_hands(source: Any, recognizer: Recognizer) -> np.ndarray:
    """Return the landmarks (T, 63) of a video, so that it is not tracked at each threshold."""
    tracker = HandTracker(recognizer)
    empty = np.zeros(recognizer.metadata["frame"]["shape"], np.float32)
    found = [tracker.push(image) for _, image in source.timed_frames()]
    if not found:
        raise ValueError("no frame can be read")
    return np.stack([empty if landmarks is None else landmarks for landmarks in found])
