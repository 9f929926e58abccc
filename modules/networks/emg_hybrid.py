"""An EMG network of convolutions, an LSTM and attention, in this order."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from modules.networks.base import SequenceNetwork
from modules.networks.layers.attention import Attention, FeedForward, sinusoidal_positions
from modules.networks.layers.heads import TokenReader
from modules.networks.layers.masks import MaskedBatchNorm1d, length_mask
from modules.networks.layers.recomputation import forward_layer
from modules.networks.layers.recurrent import BidirectionalRNN
from modules.networks.layers.residual import MaskedBlock1d

RESIDUAL_BLOCKS = 3


class TransformerLayer(nn.Module):
    """Self-attention, then two linear layers: (B, T, width) stays."""

    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(width, num_heads, dropout)
        self.feed_forward = FeedForward(width, dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return (B, T, width); frames outside of the mask (B, T) are not attended to."""
        return self.feed_forward(self.attention(x, mask))


class EMGHybrid(SequenceNetwork):
    """EMG (B, T, channels) → token logits, by a hybrid of convolutions, an LSTM and attention.

    Source: docs/sources.md, section 1: a feature layer of 8 channels → 256 with BatchNorm,
    ReLU and dropout 0.3; 3 residual blocks of 2 convolutions; a bidirectional LSTM of 2 layers of
    128 per direction with dropout 0.3; 2 transformer layers of 8 heads with positional encoding; a
    head of two linear layers with ReLU. Choices of this project, where the source states nothing:
    kernels of 3; strides of 2 in as many residual blocks as leave about ``frames_hz`` (8x at 1000
    Hz, as in Gaddy and Klein, "An Improved Model for Voicing Silent Speech", ACL 2021); sinusoidal
    positions, norm first, feed-forward layers of 4 times the width and dropout 0.1 in the
    transformer; and how frames become tokens, see ``TokenReader``.

    The padding of a batch has no effect on the logits of a recording.

    Args:
        channels: EMG channels.
        vocab_size: tokens, a blank included.
        positions: tokens per recording; None for logits of frames, for CTC.
        sample_rate: of the EMG, Hz.
        hidden_size: width of all layers; half of it per direction of the LSTM.
        frames_hz: frame rate after the residual blocks, each of which may halve it, Hz.
        lstm_layers: layers of the LSTM.
        num_layers: transformer layers.
        num_heads: attention heads.
        dropout: after the feature layer, and between the LSTM layers.
        attention_dropout: in the transformer layers and the token reader.
        checkpointing: recompute the activations of the residual blocks and transformer layers in
            training instead of keeping them: less memory, up to 1.6 times the time, and the same
            gradients and running statistics.

    Raises:
        ValueError: if the width is odd or no multiple of ``num_heads``, or a rate is not positive.
    """

    def __init__(
        self,
        channels: int,
        vocab_size: int,
        positions: int | None,
        sample_rate: float,
        hidden_size: int = 256,
        frames_hz: float = 125.0,
        lstm_layers: int = 2,
        num_layers: int = 2,
        num_heads: int = 8,
        dropout: float = 0.3,
        attention_dropout: float = 0.1,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.checkpointing = checkpointing
        if hidden_size % 2:
            raise ValueError(
                f"net.hidden_size={hidden_size} is odd; expected an even number, which the two "
                "directions of the LSTM share"
            )
        strides = choose_strides(sample_rate, frames_hz)
        self.frame_dim, self.downsampling = hidden_size, math.prod(strides)
        self.input_proj = nn.Conv1d(channels, hidden_size, 3, padding=1, bias=False)
        self.norm = MaskedBatchNorm1d(hidden_size)
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(MaskedBlock1d(hidden_size, stride) for stride in strides)
        self.lstm = BidirectionalRNN(nn.LSTM, hidden_size, lstm_layers, dropout)
        self.layers = nn.ModuleList(
            TransformerLayer(hidden_size, num_heads, attention_dropout) for _ in range(num_layers)
        )
        self.final_norm = nn.LayerNorm(hidden_size)
        self.reader = TokenReader(hidden_size, vocab_size, positions, num_heads, attention_dropout)

    def output_lengths(self, length: Tensor) -> Tensor:
        """Return the frames of recordings of (B,) samples, at least 1 each."""
        return (length.clamp(min=1) + self.downsampling - 1) // self.downsampling

    def encode_frames(self, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """Return frames (B, T', frame_dim), 0 after the end of a recording, and how many count."""
        lengths = self.output_lengths(length)
        frames = self.lstm(self._convolve_signals(x, length), lengths)
        mask = length_mask(lengths, frames.shape[1], x.device)
        # Scaled so that the positions do not dominate the LSTM's output; Vaswani et al., 3.4.
        frames = frames * self.frame_dim**0.5
        frames = frames + sinusoidal_positions(frames)
        for layer in self.layers:
            frames = forward_layer(layer, frames, mask, recompute=self.checkpointing)
        return self.final_norm(frames).masked_fill(~mask[..., None], 0), lengths

    def _convolve_signals(self, x: Tensor, length: Tensor) -> Tensor:
        """Return (B, T', frame_dim) of signals (B, T, channels), 0 after each end."""
        mask = length_mask(length, x.shape[1], x.device)[:, None]  # (B, 1, T)
        maps = x.transpose(1, 2).masked_fill(~mask, 0)  # (B, T, C) → (B, C, T)
        maps = self.drop(F.relu(self.norm(self.input_proj(maps), mask)))
        for block in self.blocks:
            maps, mask = forward_layer(block, maps, mask, recompute=self.checkpointing)
        return maps.transpose(1, 2)  # (B, width, T') → (B, T', width)


def choose_strides(sample_rate: float, frames_hz: float) -> list[int]:
    """Return strides 1 or 2 of the residual blocks that come nearest to ``frames_hz``.

    Raises:
        ValueError: if a rate is not positive.
    """
    if not (sample_rate > 0 and frames_hz > 0):
        raise ValueError(
            f"a sample rate of {sample_rate} Hz and net.frames_hz={frames_hz} are not valid; "
            "expected both above 0"
        )
    halvings = min(max(round(math.log2(sample_rate / frames_hz)), 0), RESIDUAL_BLOCKS)
    return [2] * halvings + [1] * (RESIDUAL_BLOCKS - halvings)
