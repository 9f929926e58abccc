"""A moving average of the weights, which is what is validated, tested and handed on."""

from __future__ import annotations

from functools import partial

import lightning as L
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor


class Average(WeightAveraging):
    """Lightning's WeightAveraging, exponential, that follows fast at first and ends with training.

    After ``n`` updates the average keeps min(``decay``, (1 + n) / (10 + n)) of itself, so that in a
    short run it does not hang on the first steps. Source: TensorFlow's
    ``train.ExponentialMovingAverage`` with ``num_updates``.

    Lightning's goes on after training: when the trainer that has trained loads a checkpoint to test
    it, the weights of the last step, which a checkpoint has for resuming, take the average's place.

    Args:
        decay: of the average at each step, in the long run, [0, 1).
    """

    def __init__(self, decay: float = 0.99) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"callbacks.average.decay={decay} must be at least 0 and below 1")
        super().__init__(multi_avg_fn=partial(_follow, decay))

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        if stage != "fit":
            self._average_model = None


@torch.no_grad()
def _follow(decay: float, averages: list[Tensor], now: list[Tensor], updates: Tensor) -> None:
    """Move ``averages``, all of one kind, towards ``now``; counts are taken as they are."""
    n = int(updates)
    if averages[0].is_floating_point():
        torch._foreach_lerp_(averages, now, 1 - min(decay, (1 + n) / (10 + n)))
    else:
        torch._foreach_copy_(averages, now)
