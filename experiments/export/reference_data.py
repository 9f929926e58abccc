"""The recordings for comparisons of an exported network with PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, open_dict

from datamodules.base import PreparedDataModule
from datamodules.store.dataset import PreparedSet
from datamodules.store.joined import list_folders
from datamodules.store.writer import write_all
from experiments.checkpoints.card import ModelCard
from experiments.checkpoints.training_data import select_training_data
from experiments.launch.build import build_datamodule
from experiments.launch.console import logger
from experiments.launch.instantiate import instantiate
from modules.base import TaskModule

MIN_SPLIT_SAMPLES = 20  # smaller sets are compared as a whole
# A small simulated set, where no other set is available.
SIMULATED_COUNTS = {"signers": 4, "speakers": 4, "words": 8, "sessions": 4, "utterances": 4}


def build_reference_data(
    config: DictConfig, module: TaskModule, folder: Path
) -> PreparedDataModule:
    """Return the test split of ``data_dir``, by default of the model's training set.

    If that set is not available, or was simulated, samples are simulated in the model's frames.

    Args:
        folder: an empty folder for simulated samples.
    """
    changed = _find_data(config, module.card)
    with open_dict(changed):
        changed.augment = None
        if not changed.data_dir:
            _simulate_set(config, module.card.frame, folder)
            changed.data_dir = str(folder)
        is_small = _count_samples(changed.data_dir) < MIN_SPLIT_SAMPLES
        if is_small or changed.data_dir == str(folder):
            changed.split = {"_target_": "datamodules.splits.TestOnly"}
    return build_datamodule(changed, trained=module.card)


def _count_samples(data_dir: str | Sequence[str]) -> int:
    return sum(len(PreparedSet(folder, memory_limit=-1)) for folder in list_folders(data_dir))


def describe_data(data: PreparedDataModule) -> str:
    """Describe the compared samples."""
    if data.prepared.simulated:
        return "simulated samples"
    return f"samples of {data.prepared.place}"


def _find_data(config: DictConfig, card: ModelCard) -> DictConfig:
    """Return the configuration with ``data_dir`` and split of the training, where they exist."""
    if card.simulated and not config.data_dir:
        return config.copy()
    try:
        return select_training_data(config, card).copy()
    except ValueError as error:
        if config.data_dir or config.calibrate:
            raise
        logger.info(f"Simulated samples are compared: {error}")
        return config.copy()


def _simulate_set(config: DictConfig, frame: dict[str, Any], folder: Path) -> None:
    """Write a small set without labels; the model may know others than the simulator."""
    shape = frame["shape"]
    settings = SIMULATED_COUNTS | {"channels": shape[0]}
    settings |= dict.fromkeys(("rate", "fps", "sample_rate"), frame["rate"])
    settings |= dict(zip(("height", "width"), shape, strict=False))
    known = {k: v for k, v in settings.items() if k in config.datamodule.simulator and v}
    simulator = instantiate(config.datamodule.simulator, _partial_=True)(**known)
    samples = (replace(sample, label="") for sample in simulator.samples())
    write_all(folder, simulator.description, samples)
