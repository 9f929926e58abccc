"""Attention and feed-forward layers of transformers, and sinusoidal positions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEED_FORWARD_EXPANSION = 4  # Vaswani et al., 2017


def sinusoidal_positions(like: Tensor) -> Tensor:
    """Return a position embedding (T, D) for (..., T, D), of its type and on its device.

    Source: Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.5. Here all sines
    come before the cosines. It is computed at each call, so that there is no longest sequence.
    """
    frames, width = like.shape[-2:]
    half = (width + 1) // 2
    wavelengths = 10_000 ** (torch.arange(half, device=like.device) / half)
    angles = torch.arange(frames, device=like.device)[:, None] / wavelengths  # (T, half)
    return torch.cat([angles.sin(), angles.cos()], 1)[:, :width].to(like.dtype)


class Attention(nn.Module):
    """Multi-head attention with a residual connection, norm first: (N, T, D) stays.

    Sources: Vaswani et al., 2017; the norm's place as in Xiong et al., "On Layer Normalization in
    the Transformer Architecture", ICML 2020, which trains without a long warm-up.

    Raises:
        ValueError: if ``width`` is not a multiple of ``num_heads``.
    """

    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        if width % num_heads:
            raise ValueError(
                f"net.num_heads={num_heads} does not divide the width of {width}. Choose "
                "net.hidden_size and net.num_heads so that it does."
            )
        self.num_heads = num_heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out_proj = nn.Linear(width, width)
        self.drop = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, memory: Tensor | None = None
    ) -> Tensor:
        """Attend from x (N, T, D) to a memory (N, S, D), or to itself, where the mask is True.

        Args:
            x: the queries.
            mask: (N, S) bool, which keys count; None for all.
            memory: of the keys and values; None for ``x`` itself.
        """
        inner = self.norm(x)
        keys, values = self.key_value(inner if memory is None else memory).chunk(2, -1)
        attended = F.scaled_dot_product_attention(
            self._split_heads(self.query(inner)),
            self._split_heads(keys),
            self._split_heads(values),
            None if mask is None else mask[:, None, None],  # (N, S) → (N, 1, 1, S)
            dropout_p=self.drop.p if self.training else 0.0,
        )
        # (N, heads, T, D / heads) → (N, T, D)
        return x + self.drop(self.out_proj(attended.transpose(1, 2).flatten(2)))

    def _split_heads(self, x: Tensor) -> Tensor:
        """Split the last axis, (N, T, D) → (N, heads, T, D / heads)."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class FeedForward(nn.Module):
    """Two linear layers with a residual connection, norm first: (..., D) stays."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, FEED_FORWARD_EXPANSION * width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(FEED_FORWARD_EXPANSION * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers and add their result to x (..., D)."""
        return x + self.layers(x)
