"""The last layers of sequence networks: token logits, and the contrastive loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.networks.layers.attention import Attention, FeedForward
from modules.networks.layers.masks import length_mask, masked_mean


class TokenReader(nn.Module):
    """Token logits from frames, for parallel positions or for CTC.

    With ``positions``, one learned query for each position attends to the frames and then to the
    other queries, and all tokens are read in parallel (as the decoder of Carion et al.,
    "End-to-End Object Detection with Transformers", ECCV 2020). Without, each frame is read, for
    CTC (Graves et al., ICML 2006); the vocabulary then includes the blank.

    Args:
        width: size of the vector of a frame.
        vocab_size: tokens.
        positions: tokens per recording; None for CTC.
        num_heads: attention heads of the queries.
        dropout: of the queries' attention.

    Raises:
        ValueError: if there are no positions, or ``width`` is not a multiple of ``num_heads``.
    """

    def __init__(
        self, width: int, vocab_size: int, positions: int | None, num_heads: int, dropout: float
    ) -> None:
        super().__init__()
        if positions is not None and positions < 1:
            raise ValueError(
                f"positions={positions} is not valid; expected at least one token, or null for CTC"
            )
        self.positions = positions
        if positions is not None:
            self.queries = nn.Parameter(torch.randn(positions, width))
            self.cross_attention = Attention(width, num_heads, dropout)
            self.self_attention = Attention(width, num_heads, dropout)
            self.output_block = nn.Sequential(FeedForward(width, dropout), nn.LayerNorm(width))
        self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, vocab_size))

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, L or T, vocabulary) and how many count (B,).

        Args:
            frames: (B, T, width).
            lengths: frames that count, (B,).
        """
        counts = lengths if self.positions is None else torch.full_like(lengths, self.positions)
        return self.head(self._attend_frames(frames, lengths)), counts

    def embed_tokens(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Return the vectors before the last layer, (B, L or T, width)."""
        return self.head[:-1](self._attend_frames(frames, lengths))

    def _attend_frames(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Return the vector of each position; for CTC that of each frame."""
        if self.positions is None:
            return frames
        queries = self.queries.expand(frames.shape[0], -1, -1)  # (L, width) → (B, L, width)
        mask = length_mask(lengths, frames.shape[1], frames.device)
        return self.output_block(self.self_attention(self.cross_attention(queries, mask, frames)))


class InfoNCEHead(nn.Module):
    """InfoNCE loss between recordings and their texts, in both directions.

    Sources: Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018; both
    directions as in CLIP, Radford et al., 2021. The embedding of a recording is that of the mean
    of its frames, the embedding of a text that of the mean of its tokens. Other recordings of the
    same text in a batch are no negatives.

    Args:
        width: size of the vector of a frame.
        vocab_size: tokens.
        embedding_dim: size of the shared embedding.
        temperature: divisor of the similarities.
    """

    def __init__(self, width: int, vocab_size: int, embedding_dim: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.recording = nn.Linear(width, embedding_dim)
        self.token = nn.Embedding(vocab_size, embedding_dim)
        self.text = nn.Linear(embedding_dim, embedding_dim)

    def forward(self, frames: Tensor, lengths: Tensor, y: Tensor) -> Tensor:
        """Return the loss ().

        Args:
            frames: (B, T, width).
            lengths: frames that count, (B,).
            y: tokens (B, L), padded with negative numbers.
        """
        mask = length_mask(lengths, frames.shape[1], y.device)
        recordings = self.recording(masked_mean(frames.float(), mask))  # (B, embedding_dim)
        texts = self.text(masked_mean(self.token(y.clamp(min=0)), y >= 0))
        similarity = F.normalize(recordings, dim=1) @ F.normalize(texts, dim=1).T
        similarity = similarity / self.temperature  # (B, B)
        own = torch.arange(len(y), device=y.device)
        same_text = (y[:, None] == y[None]).all(-1) & (own[:, None] != own)  # (B, B)
        similarity = similarity.masked_fill(same_text, -torch.inf)
        return (F.cross_entropy(similarity, own) + F.cross_entropy(similarity.T, own)) / 2
