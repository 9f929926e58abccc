"""Benchmarks of clips: reading a prepared set, decoding videos, and the time of a step."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from omegaconf import DictConfig
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from datamodules.base import PreparedDataModule
from datamodules.loading.batches import frame_indices
from experiments.benchmarks.profiling import EPOCH_ACTION, NEXT_BATCH_ACTION, profile_training
from experiments.launch.build import build_module
from experiments.launch.console import logger
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


def compare_loaders(data: PreparedDataModule, batch_size: int, rounds: int) -> pd.DataFrame:
    """Return clips a second of both loaders, which alternate; medians over the rounds."""
    rows = data.indices.train[:MAX_CLIPS]
    with tempfile.TemporaryDirectory() as folder:
        files = VideoFiles(_write_videos(data, rows, Path(folder)), data.targets[rows], data.frames)
        decoded = DataLoader(files, batch_size, num_workers=2, persistent_workers=True)
        ours, theirs = [], []
        for turn in range(rounds + 1):
            prepared_rate = _clips_per_second(lambda: _read_prepared(data, rows, batch_size))
            decoded_rate = _clips_per_second(lambda: sum(len(x) for x, _ in decoded))
            if turn:  # the first turn warms up, and starts the workers
                ours.append(prepared_rate)
                theirs.append(decoded_rate)
    decoder = "videos, decoded by OpenCV in __getitem__, 2 workers"
    rates = {"the prepared set": ours, decoder: theirs}
    table = {
        name: {
            "clips a second": np.median(values).round(),
            "ours as a ratio": np.median(np.array(ours) / np.array(values)).round(1),
        }
        for name, values in rates.items()
    }
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("loader")


def measure_waiting_share(config: DictConfig, data: PreparedDataModule, steps: int) -> float:
    """Return the share of an epoch's time in which the Trainer waits for the next batch."""
    durations = profile_training(config, data, steps)
    return sum(durations[NEXT_BATCH_ACTION]) / sum(durations[EPOCH_ACTION])


def compare_steps(config: DictConfig, data: PreparedDataModule, rounds: int) -> pd.DataFrame:
    """Return seconds per training step by memory format and precision."""
    batch = next(iter(data.train_dataloader()))
    x, y = data.preprocess(batch["x"]), batch["y"]
    kinds = [(last, bf16) for bf16 in (False, True) for last in (False, True)]
    seconds: dict[str, list[float]] = {}
    modules = {last: _build_module(config, data, last) for last in (False, True)}
    for turn in range(rounds + 1):
        for last, bf16 in kinds:
            name = f"{'channels last' if last else 'as written'}, {'bf16' if bf16 else 'float32'}"
            elapsed_s = _time_step(modules[last], x, y, bf16)
            if turn:
                seconds.setdefault(name, []).append(elapsed_s)
    table = pd.DataFrame(seconds).median().rename("seconds a step").to_frame()
    table["ratio"] = (table["seconds a step"] / table["seconds a step"].iloc[0]).round(2)
    return table.round(3).rename_axis("network")


def _build_module(config: DictConfig, data: PreparedDataModule, channels_last: bool) -> TaskModule:
    changed = config.copy()
    changed.net.channels_last = channels_last
    return build_module(changed, data).train()


def _time_step(module: TaskModule, x: Tensor, y: Tensor, bf16: bool) -> float:
    started = time.perf_counter()
    with torch.autocast(x.device.type, torch.bfloat16, enabled=bf16):
        logits = module.member_logits(x)
    module.ensemble_loss(logits, y).backward()
    return time.perf_counter() - started


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


def write_clip_benchmarks(
    config: DictConfig, data: PreparedDataModule, steps: int, folder: Path
) -> None:
    """Print and write the measurements of clips: loaders, networks, and the wait for batches."""
    rounds = config.benchmark.rounds
    tables = {"benchmark_loader": compare_loaders(data, config.datamodule.batch_size, rounds)}
    if "channels_last" in config.net:
        tables["benchmark_network"] = compare_steps(config, data, rounds)
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv")
        logger.info(f"\n{table.to_markdown()}")
    waiting = measure_waiting_share(config, data, steps)
    logger.info(f"\nOf an epoch's time, {waiting:.1%} is spent waiting for the next batch.")
