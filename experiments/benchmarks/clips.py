"""Benchmarks of clips: reading a prepared set, decoding videos, and the time of a step."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from datamodules.base import PreparedDataModule
from datamodules.loading.batches import frame_indices
from experiments.benchmarks.profiling import EPOCH_ACTION, NEXT_BATCH_ACTION, profile_training
from experiments.benchmarks.tables import (
    FIRST_TO_ROW,
    Clock,
    Table,
    compare_alternately,
    read_clock,
)
from experiments.launch.build import build_module
from modules.base import TaskModule

MAX_CLIPS = 400  # written as videos


class VideoFiles(Dataset[tuple[Tensor, int]]):
    """Clips as people often load them: each video is decoded when its item is requested.

    Args:
        paths: of the videos.
        targets: class indices.
        frames: frames per clip; videos are resampled.
    """

    def __init__(self, paths: list[Path], targets: np.ndarray, frames: int) -> None:
        self.paths, self.targets, self.frames = paths, targets, frames

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, position: int) -> tuple[Tensor, int]:
        video, images = cv2.VideoCapture(str(self.paths[position])), []
        was_read, image = video.read()
        while was_read:
            images.append(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
            was_read, image = video.read()
        indices = frame_indices(np.array([len(images)]), self.frames, "resample")[0]
        clip = np.stack([images[index] for index in indices])  # (T, H, W)
        return torch.from_numpy(clip)[None].float() / 255, int(self.targets[position])


def compare_loaders(data: PreparedDataModule, batch_size: int, rounds: int) -> Table:
    """Return clips a second of both loaders, which alternate."""
    rows = data.indices.train[:MAX_CLIPS]
    with tempfile.TemporaryDirectory() as folder:
        files = VideoFiles(_write_videos(data, rows, Path(folder)), data.targets[rows], data.frames)
        decoded = DataLoader(files, batch_size, num_workers=2, persistent_workers=True)
        loaders = {  # the warm-up starts the workers
            "the prepared set": lambda: _read_prepared(data, rows, batch_size),
            "videos, decoded by OpenCV in __getitem__, 2 workers": lambda: sum(
                len(x) for x, _ in decoded
            ),
        }
        parts = {name: partial(_clips_per_second, read) for name, read in loaders.items()}
        measured = compare_alternately(parts, rounds, "clips/s", is_first_over_row=True)
    title = f"Loading {len(rows):,} clips in batches of {batch_size}, median of {rounds} rounds"
    return Table("loaders", title, tuple(measured.values()), rounds, FIRST_TO_ROW)


def measure_waiting_share(config: DictConfig, data: PreparedDataModule, steps: int) -> float:
    """Return the share of an epoch's time in which the Trainer waits for the next batch."""
    durations = profile_training(config, data, steps)
    return sum(durations[NEXT_BATCH_ACTION]) / sum(durations[EPOCH_ACTION])


def compare_formats(config: DictConfig, data: PreparedDataModule, rounds: int) -> Table:
    """Return milliseconds per forward and backward pass by memory format and precision."""
    batch = next(iter(data.train_dataloader()))
    x, y = data.preprocess(batch["x"]), batch["y"]
    modules = {last: _build_module(config, data, last) for last in (False, True)}
    clock = config.benchmark.clock
    parts = {
        f"{'channels last' if last else 'contiguous'}, {'bf16' if bf16 else 'float32'}": partial(
            _time_step, modules[last], x, y, bf16, clock
        )
        for bf16 in (False, True)
        for last in (False, True)
    }
    measured = compare_alternately(parts, rounds, "ms")
    title = f"A forward and backward pass of batch {len(y)}, median of {rounds} rounds"
    return Table("formats", title, tuple(measured.values()), rounds)


def _build_module(config: DictConfig, data: PreparedDataModule, channels_last: bool) -> TaskModule:
    changed = config.copy()
    changed.net.channels_last = channels_last
    return build_module(changed, data).train()


def _time_step(module: TaskModule, x: Tensor, y: Tensor, bf16: bool, clock: Clock) -> float:
    started = read_clock(clock)
    with torch.autocast(x.device.type, torch.bfloat16, enabled=bf16):
        logits = module.member_logits(x)
    module.ensemble_loss(logits, y).backward()
    return 1e3 * (read_clock(clock) - started)


def _write_videos(data: PreparedDataModule, rows: np.ndarray, folder: Path) -> list[Path]:
    prepared, paths = data.prepared, []
    height, width = prepared.features.shape[1:]
    for row in rows:
        path = folder / f"{row}.mp4"
        video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (width, height))
        start = prepared.starts[row]
        for image in prepared.features[start : start + prepared.lengths[row]]:
            video.write(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
        video.release()
        paths.append(path)
    return paths


def _clips_per_second(read: Callable[[], int]) -> float:
    started = time.perf_counter()
    clips = read()
    return clips / (time.perf_counter() - started)


def _read_prepared(data: PreparedDataModule, rows: np.ndarray, batch_size: int) -> int:
    batches = data.build_dataset(rows)
    starts = range(0, len(rows), batch_size)
    order = np.random.default_rng(0).permutation(len(rows))
    return sum(len(data.preprocess(batches[order[at : at + batch_size]]["x"])) for at in starts)


def measure_clips(config: DictConfig, data: PreparedDataModule, steps: int) -> list[Table]:
    """Return the tables of clips: loaders with the wait for batches, and memory formats."""
    rounds = config.benchmark.rounds
    loaders = compare_loaders(data, config.datamodule.batch_size, rounds)
    waiting = measure_waiting_share(config, data, steps)
    note = f"Of an epoch's time, {waiting:.2%} is spent waiting for the next batch."
    tables = [replace(loaders, note=note)]
    if "channels_last" in config.net:
        tables.append(compare_formats(config, data, rounds))
    return tables
