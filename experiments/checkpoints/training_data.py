"""The set and the split of a checkpoint's training, the default for its tests.

Paths and settings in a checkpoint may come from anyone: they are checked, and only read from.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from datamodules.splits import Split
from datamodules.store.samples import META_NAME
from experiments.checkpoints.card import TARGET, ModelCard
from experiments.launch.console import logger
from experiments.launch.overrides import list_given_keys
from unvoiced.plain_data import check_number, check_text

SPLITS = {kind.__name__: kind for kind in Split.__subclasses__()}
NO_SPLIT = (
    "the model does not state how its training set was split. split= of this command "
    "holds, so some of the tested samples may have been trained on"
)
MAX_SETS = 1_000
LARGEST_NUMBER = 1_000_000
LARGEST_SIMULATED = 10_000  # people, words, … of a simulator
SPLIT_KEYS, SIMULATOR_KEYS = ("split", "fold"), ("size", "datamodule.simulator")


def select_training_data(config: DictConfig, card: ModelCard) -> DictConfig:
    """Return the configuration with the model's training data as its default.

    A ``split=`` on the command line holds; so do settings of the simulator.

    Raises:
        ValueError: the set is not there any more, or the model does not state it.
    """
    if config.calibrate:
        raise ValueError("calibrate= is for stage=fit: it trains on some of the tested samples")
    if config.data_dir:
        return config
    changed = config.copy()
    with open_dict(changed):
        if card.simulated and not (card.data_dir or card.config.get("data_dir")):
            _keep_simulator(changed, card)
            where = "the built-in simulator"
            if not card.config:  # exported files do not state their training
                logger.warning(NO_SPLIT)
                return changed
        else:
            changed.data_dir = find_training_set(card)
            where = OmegaConf.select(changed, "data_dir")
        if not _is_given(SPLIT_KEYS):
            changed.split = _check_split(card)
            changed.calibrate = _check_calibrate(card)
        if card.config.get("classes") is not None and not _is_given(("classes",)):
            changed.classes = list(card.classes) or None
        _keep_shared_groups(changed, card)
    logger.info(f"Data: {where}, as in training (data_dir= and split= choose others)")
    return changed


def find_training_set(card: ModelCard) -> str | list[str]:
    """Return the folder of the set that the model was trained with, or a list of several.

    Raises:
        ValueError: the model does not state it, or it is missing.
    """
    named = card.data_dir or card.config.get("data_dir")
    if not named and card.num_members > 1:
        raise ValueError(
            "ckpt_path: the members of the ensemble were trained on different sets or splits. Set "
            "data_dir= and split= to recordings outside of their training sets"
        )
    if not named:
        raise ValueError("the model does not state its training set. Set data_dir=")
    folders = named if isinstance(named, list) else [named]
    if len(folders) > MAX_SETS:
        raise ValueError(f"the model states {len(folders):,} training sets. Set data_dir=")
    for folder in folders:
        check_text("the model's data_dir", folder, 4_096)
        if not Path(folder, META_NAME).is_file():
            raise ValueError(f"the training set of the model is missing ({folder}). Set data_dir=")
    return named


def _check_split(card: ModelCard) -> dict[str, Any]:
    """Return the node of a known split with checked settings."""
    node = card.config.get("split")
    node = node if isinstance(node, dict) else {}
    name = str(node.get(TARGET, "")).rpartition("datamodules.splits.")[2]
    if name not in SPLITS:
        raise ValueError("the model does not state the split of its training. Set split=")
    known = {one.name: one.default for one in fields(SPLITS[name]) if one.default is not MISSING}
    settings = {key: value for key, value in keep_draw(node).items() if key in known}
    for key, value in settings.items():
        if isinstance(known[key], str):
            check_text(f"the model's split.{key}", value, 100)
        elif not isinstance(value, bool):
            whole = isinstance(known[key], int)
            check_number(f"the model's split.{key}", value, 0, LARGEST_NUMBER, whole=whole)
    return {TARGET: f"datamodules.splits.{name}", **settings}


def keep_draw(node: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a trained model's split, as they were when it was drawn."""
    return {"stratify": False} | node


def _check_calibrate(card: ModelCard) -> int:
    count = card.config.get("calibrate", 0)
    check_number("the model's calibrate", count, 0, LARGEST_NUMBER, whole=True)
    return count


def _keep_simulator(config: DictConfig, card: ModelCard) -> None:
    """Copy the simulator's settings from the model's training."""
    trained = card.config.get("datamodule")
    settings = trained.get("simulator") if isinstance(trained, dict) else None
    node = config.datamodule.get("simulator")
    if not isinstance(settings, dict) or node is None or _is_given(SIMULATOR_KEYS):
        return
    for key, value in settings.items():
        if key == TARGET or key not in node:
            continue
        words = value if isinstance(value, list) else []
        for word in words:
            check_text(f"the model's simulator.{key}", word, 100)
        if value is not None and not isinstance(value, list | bool):
            check_number(f"the model's simulator.{key}", value, 0, LARGEST_SIMULATED)
        node[key] = value


def _keep_shared_groups(config: DictConfig, card: ModelCard) -> None:
    """Use the model's ``shared_groups``, which its split depends on."""
    trained = card.config.get("datamodule")
    shared = trained.get("shared_groups") if isinstance(trained, dict) else None
    if isinstance(shared, bool):
        config.datamodule.shared_groups = shared


def _is_given(keys: tuple[str, ...]) -> bool:
    """Return whether the command line sets one of these keys or a part of it."""
    return any(
        given == key or given.startswith(f"{key}.") for given in list_given_keys() for key in keys
    )
