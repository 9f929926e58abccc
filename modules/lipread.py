"""The task of lip-reading a few words or phrases."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from modules.base import Batch
from modules.classification import ClassificationModule


class LipreadModule(ClassificationModule):
    """Grey clips (B, 1, T, H, W) in [0, 1] to words of a vocabulary.

    Args:
        arguments, named: of ``ClassificationModule``.
        mixup: alpha of mixup, the blend of two clips in training (Zhang et al., "mixup: Beyond
            Empirical Risk Minimization", ICLR 2018); 0 for none.

    Raises:
        ValueError: if ``mixup`` is negative.
    """

    def __init__(self, *arguments: Any, mixup: float = 0.0, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if mixup < 0:
            raise ValueError(f"module.mixup={mixup} is negative; expected at least 0, 0 for none")
        self.mixup = mixup

    def forward_and_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the logits (B, classes) of a batch, blended with mixup, and their loss ()."""
        if not self.mixup:
            return super().forward_and_loss(batch)
        x = batch["x"]
        share = torch.distributions.Beta(self.mixup, self.mixup).sample((len(x),)).to(x)
        share = torch.maximum(share, 1 - share)  # the larger part has the label that is counted
        partners = torch.randperm(len(x), device=x.device)
        y = F.one_hot(batch["y"], len(self.classes)).to(x.dtype)
        inputs = [blend_rows(part, partners, share) for part in self.network_inputs(batch)]
        logits = self.member_logits(*inputs)
        return logits.mean(0), self.ensemble_loss(logits, blend_rows(y, partners, share))


def blend_rows(x: Tensor, partners: Tensor, share: Tensor) -> Tensor:
    """Blend each row of x (B, ...) with its partner's row, where ``share`` (B,) is its own."""
    return torch.lerp(x[partners], x, share.reshape(-1, *[1] * (x.ndim - 1)))
