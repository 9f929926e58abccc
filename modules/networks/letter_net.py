"""Letters from single frames of hand landmarks: an ensemble of small perceptrons."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.networks.hand_features import HandFeatures


class ManyLinear(nn.Module):
    """A linear layer for each member: (members, N, inputs) -> (members, N, outputs)."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(members, 1, outputs))

    def forward(self, values: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, values, self.weight)


class LetterNet(nn.Module):
    """Small perceptrons over hand features, averaged: landmarks (B, T, 63) -> logits (B, classes).

    Several members cost little and disagree most on signers never seen, where their mean is better
    than any of them. A recording of several frames is read frame by frame, and averaged.

    Args:
        num_classes: letters and signs to tell apart.
        members: perceptrons.
        hidden_size: width of each.
        blocks: residual layers of each, after the first.
        dropout: after each layer.
        feature_dropout: share of the features that a training sample hides from each member.
        nothing: class of a frame without a hand, which is written as zeros.
    """

    def __init__(
        self,
        num_classes: int = 29,
        members: int = 3,
        hidden_size: int = 192,
        blocks: int = 1,
        dropout: float = 0.2,
        feature_dropout: float = 0.1,
        nothing: int = 27,
    ) -> None:
        super().__init__()
        self.members, self.num_classes, self.nothing = members, num_classes, nothing
        self.features = HandFeatures()
        self.scale = nn.BatchNorm1d(HandFeatures.size, affine=False, momentum=0.05)
        self.hide = nn.Dropout(feature_dropout)
        self.enter = ManyLinear(members, HandFeatures.size, hidden_size)
        self.blocks = nn.ModuleList(
            ManyLinear(members, hidden_size, hidden_size) for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(hidden_size, elementwise_affine=False)
        self.drop = nn.Dropout(dropout)
        self.leave = ManyLinear(members, hidden_size, num_classes)

    def forward_members(self, x: Tensor) -> Tensor:
        """Every member's own logits: (B, T, 63) → (members, B, classes)."""
        batch, frames = x.shape[:2]
        features = self.features(x.reshape(batch * frames, 63))  # (B, T, 63) → (B * T, size)
        # Rare poses lie many deviations out; a limit keeps them from swaying the first layer.
        values = self.scale(features).clamp(-5, 5)
        values = self.hide(values[None].repeat(self.members, 1, 1))
        values = self.drop(F.gelu(self.norm(self.enter(values))))
        for block in self.blocks:
            values = values + self.drop(F.gelu(self.norm(block(values))))
        logits = self.leave(values)  # (members, B * T, classes)
        return logits.reshape(self.members, batch, frames, -1).mean(2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, 63) landmarks → (B, classes) logits."""
        logits = self.forward_members(x).mean(0)
        empty = (x.abs().sum((1, 2)) == 0)[:, None]  # (B, 1)
        certain = 20.0 * (torch.arange(self.num_classes, device=x.device) == self.nothing)
        return torch.where(empty, certain.to(logits.dtype), logits)
