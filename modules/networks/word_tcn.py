"""Words of a large vocabulary from clips of a mouth, light enough to train on a CPU."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from modules.networks.layers.clips import ClipEnsemble, ClipMember, require_clips
from modules.networks.layers.front_ends import SmallFrameEncoder
from modules.networks.layers.temporal import (
    require_shared_width,
    stack_temporal_blocks,
    weighted_time_mean,
)


class WordMember(ClipMember):
    """One network: normalised clips (B, T, H, W), word mask (B, T) → logits (B, classes)."""

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        num_layers: int,
        dropout: float,
        use_word_mask: bool,
        checkpointing: bool,
    ) -> None:
        super().__init__()
        self.frame_encoder = SmallFrameEncoder(embedding_dim, checkpointing)
        # Added to the frames of the word: as one more input, but the shortcuts stay.
        self.word_embedding = nn.Parameter(torch.zeros(embedding_dim)) if use_word_mask else None
        self.drop, self.head_drop = nn.Dropout(dropout), nn.Dropout(1.5 * dropout)
        self.temporal = stack_temporal_blocks(embedding_dim, num_layers, dropout)
        self.head = nn.Linear(embedding_dim, num_classes)

    def embed_clips(self, clips: Tensor, word_mask: Tensor | None) -> Tensor:
        """Return the vectors before the last layer, (B, D)."""
        vectors = self.drop(self.frame_encoder(clips))
        if self.word_embedding is not None and word_mask is not None:
            vectors = vectors + word_mask[..., None] * self.word_embedding
        over_time = self.temporal(vectors.transpose(1, 2))  # (B, T, D) → (B, D, T)
        return self.head_drop(weighted_time_mean(over_time, word_mask))


class WordTCN(ClipEnsemble):
    """Ensemble of small networks for clips (B, 1, T, H, W) in [0, 1] → logits (B, classes).

    A small residual network for each frame, then convolutions of several kernel sizes over time
    (Martinez et al., ICASSP 2020), of which two blocks see 37 frames, and the mean over time. The
    brightness of each clip is normalised first. 728,652 parameters per member for 100 classes. Any
    H and W from 24 and any T from 1 can be read; designed for 32 x 48.

    With word masks, a learned vector marks the frames of the word, and these alone count in the
    mean (after Stafylakis, Khan and Tzimiropoulos, "Pushing the boundaries of audiovisual word
    recognition using residual networks and LSTMs", CVIU 2018, where the mask is an input). The
    convolutions still see the frames around the word.

    Args:
        num_classes: words.
        num_members: networks of the ensemble.
        embedding_dim: embedding size per frame; a multiple of 3.
        num_layers: blocks over time; each doubles the dilation.
        dropout: before and in the blocks over time; 1.5 times as much before the last layer.
        mirror: whether evaluation averages each clip and its mirror image.
        use_word_mask: whether word masks have an effect.
        checkpointing: as in ``LipTCN``.

    Raises:
        ValueError: if ``embedding_dim`` is not a multiple of 3.
    """

    variant = "light"  # the large network of the task is ResNetBiLSTM

    def __init__(
        self,
        num_classes: int = 100,
        num_members: int = 1,
        embedding_dim: int = 144,
        num_layers: int = 2,
        dropout: float = 0.2,
        mirror: bool = True,
        use_word_mask: bool = False,
        checkpointing: bool = False,
    ) -> None:
        require_shared_width("net.embedding_dim", embedding_dim)
        sizes = (num_classes, embedding_dim, num_layers, dropout, use_word_mask, checkpointing)
        super().__init__((WordMember(*sizes) for _ in range(num_members)), mirror)
        self.takes_word_mask = use_word_mask

    def read_clips(
        self, read: Callable[..., list[Tensor]], x: Tensor, word_mask: Tensor | None
    ) -> Tensor:
        """Refuse clips and masks that cannot be read; otherwise as ``ClipEnsemble``.

        Raises:
            ValueError: see ``require_clips``.
        """
        require_clips(x, word_mask, self.training)
        return super().read_clips(read, x, word_mask)
