"""One optimizer step with everything that its post-mortem needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor

from callbacks.nan.examination import (
    RandomStates,
    examine_batch,
    find_non_finite_inputs,
    find_non_finite_weights,
)
from callbacks.nan.post_mortem import describe_origin, write_facts, write_post_mortem
from modules.base import Batch, TaskModule

SHOWN_SAMPLES = 5  # in the error message


class NonFiniteLossError(RuntimeError):
    """The loss or gradient became NaN or infinite; the message has the step and its samples."""


@dataclass
class TrainingStep:
    """An optimizer step, of one batch or of several accumulated ones.

    Attributes:
        number: from 1.
        epoch: from 1.
        batches: with the random states before each.
        losses: of the batches, as numbers or on the device.
        learning_rates: of the optimizer's groups.
        result: (3,) loss, gradient norm and 1 if the step is bad, on the device; None on a CPU.
    """

    number: int
    epoch: int
    batches: list[tuple[Batch, RandomStates]]
    losses: list[Any]
    learning_rates: list[float]
    result: Tensor | None = None

    def find_worst_batch(self) -> tuple[Batch, RandomStates]:
        """Return the first batch with a non-finite loss, or else the last batch."""
        for pair, loss in zip(self.batches, self.losses, strict=True):
            if not math.isfinite(float(loss)):
                return pair
        return self.batches[-1]


def collect_facts(
    step: TrainingStep, trainer: L.Trainer, module: TaskModule, loss: float, norm: float
) -> dict[str, Any]:
    """Examine the worst batch of a bad step; return the content of its .json file.

    Args:
        step: the bad step.
        trainer: of the run.
        module: with the weights of before the step.
        loss: as the trainer computed it, scaled by the gradient scaler if there is one.
        norm: of the gradient.
    """
    batch, random = step.find_worst_batch()
    precision = trainer.precision_plugin
    scaler = getattr(precision, "scaler", None)
    examination = examine_batch(module, batch, random, precision.train_step_context())
    samples = _describe_samples(batch, trainer)
    return {
        "task": module.card.task,
        "step": step.number,
        "epoch": step.epoch,
        "loss": loss / scaler.get_scale() if scaler else loss,
        "gradient_norm": norm,
        "learning_rate": step.learning_rates,
        "precision": str(trainer.precision),
        "scale": scaler.get_scale() if scaler else None,
        "first_layer": examination.first_layer,
        "weights_not_finite": find_non_finite_weights(module),
        "input_not_finite": find_non_finite_inputs(samples, batch),
        "weights_are_of_step": trainer.global_step + 1,
        "gradient_norms": examination.gradient_norms,
        "samples": samples,
    }


def _describe_samples(batch: Batch, trainer: L.Trainer) -> list[dict[str, Any]]:
    """Return manifest row (from 0), id, group and label of each sample of a batch."""
    index = batch["index"].tolist()
    manifest = trainer.datamodule.prepared.manifest  # type: ignore[attr-defined]
    rows = manifest.iloc[index][["id", "group", "label"]].astype(str).to_dict("records")
    return [{"row": row, **fields} for row, fields in zip(index, rows, strict=True)]


def save_step(
    folder: Path,
    step: TrainingStep,
    facts: dict[str, Any],
    module: TaskModule,
    max_files: int,
    weights_mb: float,
) -> None:
    """Write step_<n>.json, and step_<n>.pt while there are fewer than ``max_files`` of these."""
    rank = module.global_rank
    path = folder / f"step_{step.number}{f'_rank{rank}' if rank else ''}"
    if len(list(folder.glob("*.pt"))) < max_files:
        batch, random = step.find_worst_batch()
        write_post_mortem(path.with_suffix(".pt"), facts, module, batch, random, weights_mb)
    write_facts(path.with_suffix(".json"), facts)


def describe_failure(facts: dict[str, Any], folder: Path) -> str:
    """Return the message of ``NonFiniteLossError``."""
    samples = facts["samples"]
    rows = ", ".join(str(sample["row"]) for sample in samples[:SHOWN_SAMPLES])
    names = ", ".join(sample["id"] for sample in samples[:SHOWN_SAMPLES])
    groups = ", ".join(sorted({s["group"] for s in samples} - {""})[:SHOWN_SAMPLES])
    more = f" and {len(samples) - SHOWN_SAMPLES} more" if len(samples) > SHOWN_SAMPLES else ""
    quantity = "gradient" if math.isfinite(facts["loss"]) else "loss"
    return (
        f"the training {quantity} is not finite in epoch {facts['epoch']}, step {facts['step']} "
        f"(manifest rows of the batch, counted from 0: {rows}{more}; samples {names}{more}"
        f"{f'; groups {groups}' if groups else ''}; all in {folder}). {describe_origin(facts)} "
        "A lower learning rate (optimizer.lr=), stronger clipping "
        "(trainer.gradient_clip_val=) or trainer.precision=32-true may help"
    )


def is_non_finite(x: Tensor) -> Tensor:
    """Return 1 where x () is NaN or infinite, else 0, as float32 () on its device."""
    return (x - x).float().nan_to_num_(nan=1.0)


def sum_losses(losses: list[Tensor]) -> Tensor:
    """Return the sum () of losses (), on their device."""
    return losses[0] if len(losses) == 1 else torch.stack(losses).sum()
