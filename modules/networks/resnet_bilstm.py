"""The reference network of visual speech: ResNet-18, then bidirectional LSTMs."""

from __future__ import annotations

from torch import Tensor, nn

from modules.networks.base import Network
from modules.networks.layers.attention import Attention
from modules.networks.layers.cbam import CBAMFrameEncoder
from modules.networks.layers.clips import (
    append_mask,
    fill_word_mask,
    normalize_brightness,
    require_clips,
)
from modules.networks.layers.front_ends import ResNetFrameEncoder

FRAME_ENCODERS = {"resnet": ResNetFrameEncoder, "cbam": CBAMFrameEncoder}


class AttentionPool(nn.Module):
    """Mean over time weighted by learned scores: (B, T, width) → (B, width).

    Source: Yang et al., "Hierarchical Attention Networks for Document Classification", NAACL 2016.
    """

    def __init__(self, width: int, hidden_size: int, has_bias: bool = False) -> None:
        super().__init__()
        # The bias of the last layer changes nothing, since it is added to all scores alike.
        self.score = nn.Sequential(
            nn.Linear(width, hidden_size), nn.Tanh(), nn.Linear(hidden_size, 1, bias=has_bias)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighted mean of the frames."""
        shares = self.score(x).softmax(1)  # (B, T, 1)
        return (shares * x).sum(1)


class ResNetBiLSTM(Network):
    """ResNet-18 and bidirectional LSTMs: clips (B, 1, T, H, W) in [0, 1] → logits (B, classes).

    Source: docs/sources.md, section 4, which states: spatial dimension 512, temporal
    dimension 512, 3 bidirectional LSTM layers, 100 classes, 33,219,694 parameters. It does not
    state the layers. The choices of this project, with parameters for 100 classes:

    - 3-D convolution 1 → 64 and ResNet-18 (Stafylakis and Tzimiropoulos, 2017), whose maps are
      averaged to 512 values per frame: 15,808 + 11,166,976;
    - the LSTMs, 512 per direction: 16,801,792, which the source determines;
    - self-attention over time with 8 heads and a residual connection, because an LSTM relates
      distant frames only through all frames between them: 4,200,448;
    - attention pooling over time with a hidden layer of 512, because few frames distinguish a
      word: 525,312;
    - a head with a hidden layer of 512 and layer normalisation: 577,124.

    That is 33,287,460 in total, 0.2 % above the source. ``frame_encoder="cbam"`` has exactly
    33,219,694, as other arrangements of layers do too: a 7x7 convolution of single frames with
    bias, CBAM after each stage of ResNet-18 and attention to places instead of the average
    (3,328 + 11,166,976 + 174,472 + 32,897), and attention pooling with a hidden layer of 256
    (262,657). The brightness of each clip is normalised first. Any H and W from 24 and any T from
    1 can be read.

    Args:
        num_classes: words.
        embedding_dim: embedding size per frame, and maps of the last stage of the trunk.
        hidden_size: of the LSTM per direction, and of the hidden layers after it.
        num_layers: of the LSTM.
        num_heads: of the self-attention.
        dropout: before and between the LSTM layers, in the attention and in the head.
        use_word_mask: whether the word mask is appended to the vector of each frame (as in
            Stafylakis, Khan and Tzimiropoulos, "Pushing the boundaries of audiovisual word
            recognition using residual networks and LSTMs", CVIU 2018). It adds 4,096 parameters;
            without it, a mask has no effect.
        checkpointing: recompute the activations inside the residual blocks in the backward pass:
            less memory, up to 1.6 times the time, and the same gradients and running statistics.
        channels_last: memory format of the maps, the fastest for convolutions on CPUs and GPUs;
            the results are the same.
        frame_encoder: ``resnet``, or ``cbam`` with attention to channels and places.

    Raises:
        ValueError: if ``frame_encoder`` is another name, ``embedding_dim`` is not a multiple of 8,
            or twice the hidden size not one of ``num_heads``.
    """

    def __init__(
        self,
        num_classes: int = 100,
        embedding_dim: int = 512,
        hidden_size: int = 512,
        num_layers: int = 3,
        num_heads: int = 8,
        dropout: float = 0.3,
        use_word_mask: bool = False,
        checkpointing: bool = False,
        channels_last: bool = True,
        frame_encoder: str = "resnet",
    ) -> None:
        super().__init__()
        if frame_encoder not in FRAME_ENCODERS:
            raise ValueError(
                f"net.frame_encoder={frame_encoder} is not valid; expected "
                f"{' or '.join(FRAME_ENCODERS)}"
            )
        self.takes_word_mask = use_word_mask
        is_cbam = frame_encoder == "cbam"
        self.trunk = FRAME_ENCODERS[frame_encoder](embedding_dim, channels_last, checkpointing)
        self.drop = nn.Dropout(dropout)
        self.lstm = nn.LSTM(
            embedding_dim + use_word_mask,
            hidden_size,
            num_layers,
            batch_first=True,
            dropout=dropout if num_layers > 1 else 0.0,  # one layer would warn
            bidirectional=True,
        )
        self.attention = Attention(2 * hidden_size, num_heads, dropout)
        pool_size, has_bias = (hidden_size // 2, True) if is_cbam else (hidden_size, False)
        self.pool = AttentionPool(2 * hidden_size, pool_size, has_bias)
        self.head = nn.Sequential(
            nn.Linear(2 * hidden_size, hidden_size),
            nn.LayerNorm(hidden_size),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_size, num_classes),
        )

    def forward(self, x: Tensor, word_mask: Tensor | None = None) -> Tensor:
        """Return logits (B, classes).

        Args:
            x: clips (B, 1, T, H, W) in [0, 1].
            word_mask: (B, T), 1 in the frames of the word.

        Raises:
            ValueError: if the clips or the mask cannot be read; see ``require_clips``.
        """
        return self.head(self._pool_states(x, word_mask))

    def embed(self, x: Tensor, word_mask: Tensor | None = None) -> Tensor:
        """Return the vectors before the last layer, (B, hidden_size)."""
        return self.head[:-1](self._pool_states(x, word_mask))

    def _pool_states(self, x: Tensor, word_mask: Tensor | None) -> Tensor:
        """Return the pooled states of the LSTMs, (B, 2 hidden_size)."""
        require_clips(x, word_mask, self.training)
        mask = fill_word_mask(x, word_mask) if self.takes_word_mask else None
        vectors = append_mask(self.drop(self.trunk(normalize_brightness(x))), mask)
        hidden, _ = self.lstm(vectors)  # (B, T, 2 hidden)
        return self.pool(self.attention(hidden))
