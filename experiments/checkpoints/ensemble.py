"""``ckpt_path=[a,b,c]``: several checkpoints as one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from datamodules.store.training_record import TrainingRecord
from experiments.checkpoints.card import ModelCard
from modules.base import TaskModule
from modules.networks.base import Network
from modules.networks.ensemble import Ensemble
from modules.transcription import TranscriptionModule
from unvoiced.text import shorten

PROBE_LENGTHS = torch.arange(1, 2_000, 37)  # samples of recordings
SHOWN_CHARACTERS = 60  # of a value


def build_ensemble(paths: Sequence[str], modules: list[TaskModule]) -> TaskModule:
    """Return the module that averages the probabilities of the modules of checkpoints.

    Raises:
        ValueError: a module does not fit the first.
    """
    for path, module in zip(paths[1:], modules[1:], strict=True):
        _require_same_answers(paths[0], modules[0], path, module)
    first = modules[0]
    first.card = _merge_cards([module.card for module in modules])
    first.net = Ensemble([module.net for module in modules])
    return first.eval()


def refuse_same_files(paths: Sequence[str]) -> None:
    """Refuse a checkpoint that is named twice, and exported networks.

    Raises:
        ValueError: with the path.
    """
    files = [Path(path).resolve() for path in paths]
    for path, file in zip(paths, files, strict=True):
        if files.count(file) > 1:
            raise ValueError(f"ckpt_path=[{','.join(paths)}] names {path} twice. Name it once")
        if file.suffix == ".onnx":
            raise ValueError(
                f"ckpt_path=[{','.join(paths)}] names {path}, an exported network; expected "
                "checkpoints. Take the checkpoint that it was exported from"
            )


def _require_same_answers(
    first_path: str, first: TaskModule, path: str, module: TaskModule
) -> None:
    ours, theirs = (_list_facts(one) for one in (first, module))
    for name in [*ours, *(theirs.keys() - ours.keys())]:
        if ours.get(name) != theirs.get(name):
            values = " and ".join(_show(one.get(name)) for one in (ours, theirs))
            raise ValueError(
                f"ckpt_path: {first_path} and {path} differ in {name} ({values}); expected models "
                "whose answers can be averaged. Leave one of them out"
            )


def _show(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return shorten(text, SHOWN_CHARACTERS) or "none"


def _list_facts(module: TaskModule) -> dict[str, Any]:
    """Return the facts that the members of an ensemble share, by their names."""
    card: ModelCard = module.card
    facts: dict[str, Any] = {"task": card.task, "classes": card.classes}
    facts |= {f"frame {name}": card.frame.get(name) for name in ("shape", "dtype", "rate")}
    facts |= card.input
    if isinstance(module, TranscriptionModule):
        facts |= {"tokenizer": card.tokenizer, "objective": module.objective}
        facts["positions"] = card.net.get("positions")
        if module.objective == "ctc" and isinstance(module.net, Network):
            facts["output frames"] = module.net.output_lengths(PROBE_LENGTHS).tolist()
    return facts


def _merge_cards(cards: list[ModelCard]) -> ModelCard:
    """Return the card of an ensemble, without the facts in which its members differ."""
    first = cards[0]
    changes: dict[str, Any] = {
        "trained_classes": sorted({name for card in cards for name in card.trained_classes}),
        "simulated": all(card.simulated for card in cards),
        "leaks": any(card.leaks for card in cards),
        "record": _merge_records(cards),
        "num_members": len(cards),
        "confusions": [],
        "false_activations": {},
        "confidence": {},  # the mean of several networks has other probabilities
    }
    if any(_describe_split(card) != _describe_split(first) for card in cards):
        changes |= {"data_dir": None, "config": {}, "split": "different sets or splits"}
    return replace(first, **changes)


def _describe_split(card: ModelCard) -> tuple[Any, ...]:
    names = ("split", "calibrate", "classes")
    return (card.data_dir, card.split, *(card.config.get(name) for name in names))


def _merge_records(cards: list[ModelCard]) -> dict[str, Any]:
    """Return the record of all members; empty if the training data of one is unknown."""
    if any(not (card.record or card.simulated) for card in cards):
        return {}
    records = [TrainingRecord.from_plain(card.record) for card in cards if card.record]
    if not records:
        return {}
    merged = records[0]
    for record in records[1:]:
        merged = merged.merge(record)
    return merged.to_plain()
