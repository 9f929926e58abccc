"""``init_from=``: start training from the weights of another model."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from datamodules.store.training_record import TrainingRecord
from experiments.checkpoints.card import TARGET, ModelCard
from experiments.checkpoints.load import read_checkpoint
from experiments.checkpoints.plain_file import NET
from experiments.launch.console import logger
from modules.base import TaskModule

Weights = dict[str, Tensor]


def load_initial_weights(module: TaskModule, path: str | Path) -> None:
    """Load the weights of a checkpoint that fit; the head only for the same classes.

    The loaded and the remaining weights are logged.

    Raises:
        ValueError: the checkpoint cannot be read, or not one of its weights fits.
    """
    checkpoint = read_checkpoint(Path(path), "init_from")
    card, prefix = checkpoint["card"], NET
    theirs = {
        k.removeprefix(prefix): v
        for k, v in checkpoint["state_dict"].items()
        if k.startswith(prefix)
    }
    mine: Weights = module.net.state_dict()
    same_classes = (card.classes, card.tokenizer) == (module.card.classes, module.card.tokenizer)
    head = set() if same_classes else _find_head(module)
    fits = {
        k: v for k, v in theirs.items() if k in mine and mine[k].shape == v.shape and k not in head
    }
    if not fits:
        raise ValueError(
            f"init_from={path} holds a {card.net_name}, and no weight of it fits this "
            f"{module.card.net_name}: name the same network with net="
        )
    module.net.load_state_dict(fits, strict=False)
    module.card = replace(module.card, record=join_records(card, module.card))
    _report_loading(path, card, mine, fits, head)


def join_records(*cards: ModelCard) -> dict[str, Any]:
    """Return the joint record of the models' training data."""
    records = [TrainingRecord.from_plain(card.record) for card in cards if card.record]
    return reduce(TrainingRecord.merge, records).to_plain() if records else {}


def _find_head(module: TaskModule) -> set[str]:
    """Return the names of weights with shapes that depend on the number of classes."""
    arguments = {k: v for k, v in module.card.net.items() if k != TARGET}
    answers = "vocab_size" if "vocab_size" in arguments else "num_classes"
    with torch.device("meta"):  # no memory, no time
        shapes = [
            {
                k: v.shape
                for k, v in type(module.net)(**arguments | {answers: n}).state_dict().items()
            }
            for n in (2, 3)
        ]
    return {name for name, shape in shapes[0].items() if shapes[1][name] != shape}


def _report_loading(
    path: str | Path, card: ModelCard, mine: Weights, fits: Weights, head: set[str]
) -> None:
    total = sum(value.numel() for value in mine.values())
    loaded = sum(value.numel() for value in fits.values())
    logger.info(
        f"Started from {path} (task {card.task}, {len(card.classes)} classes): "
        f"{len(fits)} of {len(mine)} weights, {loaded:,} of {total:,} numbers"
    )
    fresh = sorted(mine.keys() - fits.keys())
    if fresh:
        why = "another vocabulary" if head.issuperset(fresh) else "another shape, or missing"
        logger.info(f"Not loaded ({why}), and trained from the start: {', '.join(fresh)}")
