"""What a recording and its text have in common: an embedding that both share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SharedSpace(nn.Module):
    """InfoNCE between recordings and their texts (Oord et al., "Representation Learning with
    Contrastive Predictive Coding", 2018; in both directions as in CLIP, Radford et al., 2021).

    A recording is the mean of its frames, a text the mean of its tokens' embeddings; other
    recordings of the same text in a batch are left out, for they are no strangers.

    Args:
        width: numbers a frame.
        vocabulary: tokens.
        size: of the shared space.
        temperature: by which similarities are divided.
    """

    def __init__(self, width: int, vocabulary: int, size: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.recording = nn.Linear(width, size)
        self.token = nn.Embedding(vocabulary, size)
        self.text = nn.Linear(size, size)

    def forward(self, frames: Tensor, lengths: Tensor, y: Tensor) -> Tensor:
        """Frames (B, T, width), how many count (B,), tokens (B, L) with -100 → the loss ()."""
        within = torch.arange(frames.shape[1], device=y.device) < lengths.to(y.device)[:, None]
        heard = self.recording(_mean(frames.float(), within))  # (B, size)
        read = self.text(_mean(self.token(y.clamp(min=0)), y >= 0))  # (B, size)
        alike = F.normalize(heard, dim=1) @ F.normalize(read, dim=1).T / self.temperature
        own = torch.arange(len(y), device=y.device)
        same = (y[:, None] == y[None]).all(-1) & (own[:, None] != own)  # (B, B)
        alike = alike.masked_fill(same, -torch.inf)
        return (F.cross_entropy(alike, own) + F.cross_entropy(alike.T, own)) / 2


def _mean(values: Tensor, within: Tensor) -> Tensor:
    """(B, T, D) and (B, T) of which count → (B, D)."""
    weight = within.unsqueeze(-1).to(values.dtype)
    return (values * weight).sum(1) / weight.sum(1).clamp(min=1)
