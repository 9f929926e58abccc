"""What the readers of EMG share: masks, positions, attention, and the way from frames to tokens."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EXPANSION = 4  # of a feed-forward layer's width; Vaswani et al., 2017


def present(lengths: Tensor, size: int, device: torch.device) -> Tensor:
    """Which of ``size`` steps belong to a recording: (B,) → (B, size), bool, on the device.

    A recording counts as one step at least: attention over nothing would be NaN.
    """
    steps = torch.arange(size, device=device)
    return steps < lengths.to(device, non_blocking=True).clamp(min=1)[:, None]


def sinusoids(like: Tensor) -> Tensor:
    """Sines and cosines that tell the steps of (..., T, width) apart: (T, width), as ``like`` is.

    Source: Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.5; sines come first
    here, which is the same up to the order. They are computed for each call: no length is too long.
    """
    frames, width = like.shape[-2:]
    half = (width + 1) // 2
    slowness = 10_000 ** (torch.arange(half, device=like.device) / half)
    angles = torch.arange(frames, device=like.device)[:, None] / slowness  # (T, half)
    return torch.cat([angles.sin(), angles.cos()], 1)[:, :width].to(like.dtype)


class Attention(nn.Module):
    """Multi-head attention around a shortcut, norm first: (N, T, width) → (N, T, width).

    Sources: Vaswani et al., 2017; the norm's place as in Xiong et al., "On Layer Normalization in
    the Transformer Architecture", ICML 2020, which trains without a long warm-up.

    Raises:
        ValueError: if the heads do not divide the width.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(
                f"a width of {width} cannot be shared by {heads} attention heads: choose "
                f"hidden_size and heads so that the heads divide the size"
            )
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.pair = nn.Linear(width, 2 * width)  # keys and values
        self.out = nn.Linear(width, width)
        self.drop = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, memory: Tensor | None = None
    ) -> Tensor:
        """x looks at a memory (N, S, width), or at itself, where the mask (N, S) is True."""
        inner = self.norm(x)
        keys, values = self.pair(inner if memory is None else memory).chunk(2, -1)
        heard = F.scaled_dot_product_attention(
            self.split(self.query(inner)),
            self.split(keys),
            self.split(values),
            None if mask is None else mask[:, None, None],  # (N, S) → (N, 1, 1, S)
            dropout_p=self.drop.p if self.training else 0.0,
        )
        # (N, heads, T, width / heads) → (N, T, width)
        return x + self.drop(self.out(heard.transpose(1, 2).flatten(2)))

    def split(self, x: Tensor) -> Tensor:
        """(N, T, width) → (N, heads, T, width / heads)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class FeedForward(nn.Module):
    """Two linear layers around a shortcut, norm first: (..., width) → (..., width)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, EXPANSION * width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(EXPANSION * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class TokenReader(nn.Module):
    """Tokens from frames: the head of two linear layers, over positions or over every frame.

    With ``positions``, learned queries, one a position, look at the frames and then at each other,
    and all tokens are read at once, none from another (as the parallel decoder of Carion et al.,
    "End-to-End Object Detection with Transformers", ECCV 2020). Without, the head reads each frame,
    for CTC (Graves et al., ICML 2006); the vocabulary then includes the blank.

    Args:
        width: numbers a frame.
        vocabulary: tokens to tell apart.
        positions: tokens that a recording is read as; None for CTC.
        heads: attention heads of the queries.
        dropout: of the queries' attention.

    Raises:
        ValueError: if there are no positions, or the heads do not divide the width.
    """

    def __init__(
        self, width: int, vocabulary: int, positions: int | None, heads: int, dropout: float
    ) -> None:
        super().__init__()
        if positions is not None and positions < 1:
            raise ValueError(
                f"positions is {positions}, but at least one token has to be read: give the most "
                f"tokens that a text has, or null to read frames for CTC"
            )
        self.positions = positions
        if positions is not None:
            self.queries = nn.Parameter(torch.randn(positions, width))
            self.look = Attention(width, heads, dropout)
            self.agree = Attention(width, heads, dropout)
            self.after = nn.Sequential(FeedForward(width, dropout), nn.LayerNorm(width))
        self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, vocabulary))

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, width) and frames that count (B,) → logits (B, L or T, vocabulary), and (B,)."""
        if self.positions is None:
            return self.head(frames), lengths
        queries = self.queries.expand(frames.shape[0], -1, -1)  # (L, width) → (B, L, width)
        mask = present(lengths, frames.shape[1], frames.device)
        tokens = self.agree(self.look(queries, mask, frames))
        return self.head(self.after(tokens)), torch.full_like(lengths, self.positions)
