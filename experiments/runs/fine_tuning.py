"""Fine-tune a trained model with a few recordings of one person."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.optim import AdamW

from datamodules.base import Batch, PreparedDataModule
from modules.base import TaskModule

STEPS = (10, 20, 40, 80)  # after which a left-out recording is read; the longest training
DEFAULT_STEPS = 20  # where no class has two recordings
MAX_FOLDS = 2  # trainings that leave a recording of each class out
LEARNING_RATE = 5e-4
WEIGHT_DECAY = 0.01
WARMUP_STEPS = 5
CLIP_NORM = 1.0
BATCH_SIZE = 64


@dataclass(frozen=True)
class FineTuning:
    """A fine-tuned model.

    Attributes:
        module: the model, a copy.
        steps: of its training.
        accuracy: of recordings that were left out of a training of so many steps; None where no
            class has two recordings.
    """

    module: TaskModule
    steps: int
    accuracy: float | None


def fine_tune(
    module: TaskModule,
    data: PreparedDataModule,
    rows: np.ndarray,
    recordings: Sequence[str],
    seed: int = 0,
) -> FineTuning:
    """Train a copy of a model on a person's rows, for as many steps as leaving recordings out asks.

    The statistics of batch normalization stay as they are.

    Args:
        module: the model.
        data: of the set, with the augmentation of the training.
        rows: of its manifest; their labels are classes of the model.
        recordings: the recording of each row.
        seed: of the order, the augmentation and the dropout.

    Raises:
        ValueError: a gradient is not finite.
    """
    labels = data.prepared.manifest["label"].iloc[rows].to_numpy(str)
    losses, scores = [], []
    for held_out in _leave_recordings_out(labels, np.asarray(recordings, str)):
        results = [
            _evaluate(trained, data, rows[held_out])
            for trained in _train(module, data, rows[~held_out], STEPS, seed)
        ]
        losses.append([loss for loss, _ in results])
        scores.append([score for _, score in results])
    if not losses:
        (trained,) = _train(module, data, rows, (DEFAULT_STEPS,), seed)
        return FineTuning(trained.eval(), DEFAULT_STEPS, None)
    best = int(np.mean(losses, 0).argmin())
    (trained,) = _train(module, data, rows, (STEPS[best],), seed)
    return FineTuning(trained.eval(), STEPS[best], float(np.mean(scores, 0)[best]))


def _leave_recordings_out(labels: np.ndarray, recordings: np.ndarray) -> Iterator[np.ndarray]:
    """Yield masks (N,) of one recording of each class that has others."""
    orders = np.full(len(labels), -1)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        names, order = np.unique(recordings[rows], return_inverse=True)
        if len(names) > 1:
            orders[rows] = order
    for number in range(MAX_FOLDS):
        if (orders == number).any():
            yield orders == number


def _train(
    module: TaskModule,
    data: PreparedDataModule,
    rows: np.ndarray,
    steps: Sequence[int],
    seed: int,
) -> Iterator[TaskModule]:
    """Yield one copy of a module after each of these numbers of steps."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trained = copy.deepcopy(module)
        optimizer = AdamW(trained.net.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        for step, batch in enumerate(_draw_batches(data, rows, max(steps), seed), 1):
            _fix_statistics(trained.train())
            optimizer.param_groups[0]["lr"] = LEARNING_RATE * min(1, step / WARMUP_STEPS)
            optimizer.zero_grad()
            trained.forward_and_loss(batch)[1].backward()
            if not nn.utils.clip_grad_norm_(trained.net.parameters(), CLIP_NORM).isfinite():
                raise ValueError(
                    f"Step {step} of fine-tuning has gradients that are not finite. Remove damaged "
                    "recordings from the set, or use adapt.method=profile"
                )
            optimizer.step()
            if step in steps:
                yield trained


def _draw_batches(
    data: PreparedDataModule, rows: np.ndarray, count: int, seed: int
) -> Iterator[Batch]:
    dataset, rng = data.build_dataset(rows), np.random.default_rng(seed)
    size, order = min(BATCH_SIZE, len(rows)), np.zeros(0, int)
    for _ in range(count):
        if len(order) < size:
            order = rng.permutation(len(rows))
        batch, order = dataset[order[:size]], order[size:]
        batch["x"] = data.preprocess(batch["x"])
        if data.augment is not None:
            data.augment_batch(batch)
        yield batch


def _fix_statistics(module: nn.Module) -> None:
    """Set layers with running statistics to evaluation."""
    for layer in module.modules():
        if getattr(layer, "running_mean", None) is not None:
            layer.eval()


@torch.no_grad()
def _evaluate(
    module: TaskModule, data: PreparedDataModule, rows: np.ndarray
) -> tuple[float, float]:
    """Return the mean loss and the accuracy of rows."""
    module.eval()
    dataset = data.build_dataset(rows)
    loss = correct = attempts = 0.0
    for first in range(0, len(rows), data.eval_batch_size):
        batch = dataset[np.arange(first, min(first + data.eval_batch_size, len(rows)))]
        batch["x"] = data.preprocess(batch["x"])
        logits, value = module.forward_and_loss(batch)
        right, count = module.count_correct(logits, batch)
        loss += float(value) * len(logits)
        correct, attempts = correct + float(right), attempts + float(count)
    return loss / len(rows), correct / max(attempts, 1)
