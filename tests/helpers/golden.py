"""Compute the logits of golden models, which the version before wrote."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig

from experiments.checkpoints.load import require_model
from experiments.export.inference_module import wrap_as_recognizer
from tests.helpers.compose import compose_command

FRAMES = {"asl": 1, "lipread": 20, "vsr": 20, "emg": 500}


def write_golden_checkpoint(golden: dict[str, Any], path: Path) -> Path:
    """Write a checkpoint with the golden card, whose weights are drawn anew by their position."""
    weights = {
        name: _weight(number, shape, dtype)
        for number, (name, shape, dtype) in enumerate(golden["weights"])
    }
    torch.save({"state_dict": weights, "card": golden["card"]}, path)
    return path


def _weight(number: int, shape: list[int], dtype: str) -> torch.Tensor:
    values = np.random.default_rng(number).uniform(0.0, 0.2, shape)
    return torch.from_numpy(np.asarray(values)).to(getattr(torch, dtype))


def compute_logits(path: Path) -> list[float]:
    """Return the first 50 logits of a checkpoint or exported file for a fixed random recording."""
    task = read_task(path)
    config = compose_task(task).copy()
    config.ckpt_path = str(path)
    recognizer = wrap_as_recognizer(require_model(config), config)
    inputs = make_recording(recognizer.metadata, FRAMES[task])
    with torch.inference_mode():
        logits = np.asarray(recognizer.network(*inputs)[0])
    return [round(float(value), 5) for value in logits.ravel()[:50]]


@cache
def compose_task(task: str) -> DictConfig:
    """Return the default configuration of a task."""
    return compose_command(f"task={task}", "ckpt_path=unused")


def read_task(path: Path) -> str:
    """Return the task of a model file."""
    from experiments.checkpoints.load import read_task

    task = read_task(path)
    assert task is not None
    return task


def make_recording(metadata: dict[str, Any], frames: int) -> list[np.ndarray]:
    """Return the inputs of a network: a random recording, and its word's frames or length."""
    frame = metadata["frame"]
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 1, (1, frames, *frame["shape"]))
    scale = 255 if frame["dtype"] == "uint8" else 1
    inputs = [(values * scale).astype(frame["dtype"])]
    if metadata.get("takes_word_mask"):
        inputs.append(np.ones((1, frames), np.float32))
    if metadata["task"] == "emg":
        inputs.append(np.array([frames]))
    return inputs
