"""A large network for words: ResNet-18, then convolutions of several kernel sizes over time."""

from __future__ import annotations

from torch import Tensor, nn

from modules.networks.base import Network
from modules.networks.layers.clips import (
    append_mask,
    fill_word_mask,
    normalize_brightness,
    require_clips,
)
from modules.networks.layers.front_ends import ResNetFrameEncoder
from modules.networks.layers.temporal import (
    require_shared_width,
    stack_temporal_blocks,
    weighted_time_mean,
)


class ResNetTCN(Network):
    """ResNet-18 and convolutions over time: clips (B, 1, T, H, W) in [0, 1] → logits (B, classes).

    Source: Martinez et al., "Lipreading Using Temporal Convolutional Networks", ICASSP 2020: the
    trunk of ``ResNetBiLSTM``, then in place of its LSTMs four blocks of parallel convolutions of
    3, 5 and 7 frames, 768 channels, dilated by 1, 2, 4 and 8, and the mean over time. 35,258,916
    parameters for 100 classes. A convolution of a single frame before the blocks, which keep their
    width, and ReLU for PReLU are choices of this project.

    Args:
        num_classes: words.
        embedding_dim: embedding size per frame, and maps of the last stage of the trunk.
        hidden_size: channels over time; a multiple of 3.
        num_layers: blocks over time; each doubles the dilation.
        dropout: before and in the blocks over time.
        use_word_mask: whether the word mask is appended to the vector of each frame, and the
            frames of the word alone count in the mean; without it, a mask has no effect.
        checkpointing: as in ``ResNetBiLSTM``.
        channels_last: as in ``ResNetBiLSTM``.

    Raises:
        ValueError: if ``embedding_dim`` is not a multiple of 8, or ``hidden_size`` not one of 3.
    """

    def __init__(
        self,
        num_classes: int = 100,
        embedding_dim: int = 512,
        hidden_size: int = 768,
        num_layers: int = 4,
        dropout: float = 0.2,
        use_word_mask: bool = False,
        checkpointing: bool = False,
        channels_last: bool = True,
    ) -> None:
        super().__init__()
        require_shared_width("net.hidden_size", hidden_size)
        self.takes_word_mask = use_word_mask
        self.trunk = ResNetFrameEncoder(embedding_dim, channels_last, checkpointing)
        self.drop = nn.Dropout(dropout)
        self.input_proj = nn.Conv1d(embedding_dim + use_word_mask, hidden_size, 1)
        self.temporal = stack_temporal_blocks(hidden_size, num_layers, dropout)
        self.head = nn.Linear(hidden_size, num_classes)

    def forward(self, x: Tensor, word_mask: Tensor | None = None) -> Tensor:
        """Return logits (B, classes).

        Args:
            x: clips (B, 1, T, H, W) in [0, 1].
            word_mask: (B, T), 1 in the frames of the word.

        Raises:
            ValueError: if the clips or the mask cannot be read; see ``require_clips``.
        """
        return self.head(self.embed(x, word_mask))

    def embed(self, x: Tensor, word_mask: Tensor | None = None) -> Tensor:
        """Return the vectors before the last layer, (B, hidden_size)."""
        require_clips(x, word_mask, self.training)
        mask = fill_word_mask(x, word_mask) if self.takes_word_mask else None
        vectors = append_mask(self.drop(self.trunk(normalize_brightness(x))), mask)
        over_time = self.temporal(self.input_proj(vectors.transpose(1, 2)))  # → (B, hidden, T)
        return weighted_time_mean(over_time, mask)
