"""Clips of a mouth to one of a few words or phrases."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from modules.base import Batch
from modules.classification import ClassificationModule


class LipreadModule(ClassificationModule):
    """(B, 1, T, H, W) grey clips in [0, 1] → one of the vocabulary's words.

    A network with ``word_mask`` is told which frames the word takes, (B, T), where the set says it.

    Args:
        mixup: how strongly two clips of a batch are blended in training, the alpha of Zhang et
            al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018; 0 for not at all.
        arguments: as ``ClassificationModule`` takes them.
    """

    def __init__(self, *arguments: Any, mixup: float = 0.0, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if mixup < 0:
            raise ValueError(f"module.mixup={mixup} must not be negative; 0 turns it off")
        self.mixup = mixup

    def network_inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        if getattr(self.net, "takes_word_mask", False) and "word_mask" in batch:
            return batch["x"], batch["word_mask"]
        return (batch["x"],)

    def forward_and_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits (B, classes) of what was trained on, blended or not, and the loss ()."""
        if not self.mixup:
            return super().forward_and_loss(batch)
        x = batch["x"]
        share = torch.distributions.Beta(self.mixup, self.mixup).sample((len(x),)).to(x)
        share = torch.maximum(share, 1 - share)  # most of it is the clip whose word is counted
        other = torch.randperm(len(x), device=x.device)
        y = F.one_hot(batch["y"], len(self.classes)).to(x.dtype)
        y = torch.lerp(y[other], y, share[:, None])  # (B, classes)
        each = self.member_logits(
            *(_blended(part, other, share) for part in self.network_inputs(batch))
        )
        return each.mean(0), self.ensemble_loss(each, y)


def _blended(x: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """``share`` (B,) of each row of x (B, ...), and the rest of the row that ``other`` names."""
    return torch.lerp(x[other], x, share.reshape(-1, *[1] * (x.ndim - 1)))
