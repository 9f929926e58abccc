"""Words from clips of a mouth: a small residual network per frame, convolutions over time."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.networks.layers.clips import ClipEnsemble, ClipMember
from modules.networks.layers.front_ends import make_frame_encoders


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
        encoders = make_frame_encoders(num_members, num_outlines, embedding_dim, checkpointing)
        super().__init__((LipMember(num_classes, encoder, *sizes) for encoder in encoders), mirror)
