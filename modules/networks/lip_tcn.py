"""Words from clips of a mouth: a small residual network per frame, convolutions over time."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.networks.layers.clips import ClipEnsemble, ClipMember
from modules.networks.layers.front_ends import SmallFrameEncoder
from modules.networks.layers.pooling import pool_to_grid

OUTLINE_CELLS = (32, 48)  # rows and columns of OutlineEncoder


class SegmentPool(nn.Module):
    """Two convolutions over time, then means of consecutive segments: (B, T, D) → (B, out_dim).

    Source: Martinez et al., "Lipreading Using Temporal Convolutional Networks", ICASSP 2020. The
    segments keep their order, so that the beginning and the end of a word differ.
    """

    def __init__(self, width: int, frames: int, num_segments: int, dropout: float) -> None:
        super().__init__()
        self.out_dim = 2 * width * num_segments
        self.layers = nn.Sequential(
            nn.Conv1d(width, width, 5, padding=2, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv1d(width, 2 * width, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm1d(2 * width),
            nn.ReLU(),
        )
        # As a matrix: ONNX cannot pool into segments that do not divide the length.
        weights = F.adaptive_avg_pool1d(torch.eye((frames + 1) // 2)[None], num_segments)[0]
        self.register_buffer("segment_weights", weights, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the means of the segments, (B, T, D) → (B, 2 D * segments)."""
        over_time = self.layers(x.transpose(1, 2))  # (B, T, D) → (B, 2 D, ceil(T / 2))
        return (over_time @ self.segment_weights).flatten(1)  # (B, 2 D, segments) → (B, out_dim)


class OutlineEncoder(nn.Module):
    """The outline of the mouth in each frame: normalised clips (B, T, H, W) → (B, T, D).

    The means of the rows and of the columns, of the grey and of its distance from the clip's mean,
    less their means over time: what moves, and little of how the mouth looks.

    Args:
        embedding_dim: embedding size per frame.
    """

    def __init__(self, embedding_dim: int) -> None:
        super().__init__()
        self.proj = nn.Linear(2 * sum(OUTLINE_CELLS), embedding_dim)
        self.proj_norm = nn.BatchNorm1d(embedding_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return the vector of each frame, (B, T, H, W) → (B, T, D)."""
        if x.shape[2:] != OUTLINE_CELLS:  # frames of other sizes
            x = pool_to_grid(x, OUTLINE_CELLS)
        distance = x.abs()
        means = [(distance.mean(axis) + 0.05).log() for axis in (2, 3)]
        means += [x.mean(axis) for axis in (2, 3)]
        vectors = torch.cat(means, 2)  # 4 x (B, T, H or W) → (B, T, 2 (H + W))
        vectors = self.proj(vectors - vectors.mean(1, keepdim=True))
        return F.relu(self.proj_norm(vectors.flatten(0, 1))).reshape(*x.shape[:2], -1)


class LipMember(ClipMember):
    """One network of the ensemble: normalised clips (B, T, H, W) → logits (B, classes)."""

    def __init__(
        self,
        num_classes: int,
        frame_encoder: nn.Module,
        embedding_dim: int,
        frames: int,
        num_segments: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.frame_encoder = frame_encoder
        self.temporal = SegmentPool(embedding_dim, frames, num_segments, dropout)
        self.drop, self.head_drop = nn.Dropout(dropout), nn.Dropout(1.5 * dropout)
        self.head = nn.Linear(self.temporal.out_dim, num_classes)

    def embed_clips(self, clips: Tensor, word_mask: Tensor | None) -> Tensor:
        """Return the vectors before the last layer, (B, D); the word mask has no effect."""
        return self.head_drop(self.temporal(self.drop(self.frame_encoder(clips))))


class LipTCN(ClipEnsemble):
    """Ensemble of small networks for clips (B, 1, T, H, W) in [0, 1] → logits (B, classes).

    The brightness of each clip is normalised first. 366,300 parameters per member for 4 classes.
    Designed for frames of 32 x 48.

    Args:
        num_classes: words.
        frames: the length T of every clip.
        num_members: networks of the ensemble.
        embedding_dim: embedding size per frame.
        num_segments: consecutive segments of a clip that the last layer pools separately.
        dropout: before and in the layers over time; 1.5 times as much before the last layer.
        mirror: whether evaluation averages each clip and its mirror image.
        checkpointing: recompute the activations of the frame encoders in training instead of
            keeping them: less memory, up to 1.6 times the time, and the same gradients and running
            statistics.
        num_outlines: further members that see only the outline of the mouth (``OutlineEncoder``).
    """

    def __init__(
        self,
        num_classes: int,
        frames: int = 12,
        num_members: int = 1,
        embedding_dim: int = 96,
        num_segments: int = 4,
        dropout: float = 0.2,
        mirror: bool = True,
        checkpointing: bool = False,
        num_outlines: int = 0,
    ) -> None:
        sizes = embedding_dim, frames, num_segments, dropout
        images = (SmallFrameEncoder(embedding_dim, checkpointing) for _ in range(num_members))
        outlines = (OutlineEncoder(embedding_dim) for _ in range(num_outlines))
        encoders = itertools.chain(images, outlines)
        super().__init__((LipMember(num_classes, encoder, *sizes) for encoder in encoders), mirror)
