"""Exponential moving average (EMA) of the weights."""

from __future__ import annotations

from functools import partial

import lightning as L
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor


class WarmupEMA(WeightAveraging):
    """An EMA of the weights, used for validation, testing and checkpoints.

    It differs from Lightning's ``EMAWeightAveraging`` in two ways. Its decay after ``n`` updates is
    min(``decay``, (1 + n) / (10 + n)), so that the first steps of a short run do not dominate.
    Source: TensorFlow's ``train.ExponentialMovingAverage`` with ``num_updates``. And it averages
    during training alone: Lightning's callback also acts when the trainer tests a checkpoint, and
    then loads the weights of the last step, which a checkpoint keeps for resuming.

    Args:
        decay: long-run decay per step, [0, 1).

    Raises:
        ValueError: ``decay`` is out of range.
    """

    def __init__(self, decay: float = 0.99) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"callbacks.average.decay={decay} must be at least 0 and below 1")
        super().__init__(multi_avg_fn=partial(_update_averages, decay))

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Create the average for training; testing uses the weights as they were loaded."""
        super().setup(trainer, pl_module, stage)
        if stage != "fit":
            self._average_model = None


@torch.no_grad()
def _update_averages(
    decay: float, averages: list[Tensor], weights: list[Tensor], num_updates: Tensor
) -> None:
    """Move ``averages``, all of one dtype, towards ``weights``; copy integers."""
    n = int(num_updates)
    if averages[0].is_floating_point():
        torch._foreach_lerp_(averages, weights, 1 - min(decay, (1 + n) / (10 + n)))
    else:
        torch._foreach_copy_(averages, weights)
