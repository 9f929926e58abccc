"""Silent speech from EMG by convolutions, an LSTM and attention, one after the other."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from modules.networks.recurrent import Bidirectional
from modules.networks.token_reader import (
    Attention,
    FeedForward,
    TokenReader,
    present,
    sinusoids,
)

BLOCKS = 3
KERNEL = 3  # samples or frames that a convolution spans


class FrameNorm(nn.BatchNorm1d):
    """BatchNorm over the frames of recordings alone, never over their padding.

    Otherwise the statistics would depend on which recordings share a batch, and differ from those
    of a recording that is read on its own.
    """

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, C, T) with a mask (B, 1, T), True where frames count → (B, C, T), 0 elsewhere."""
        normed = self.scale(x.float(), mask).to(x.dtype) if self.training else super().forward(x)
        return normed.masked_fill(~mask, 0)

    def scale(self, x: Tensor, mask: Tensor) -> Tensor:
        count = mask.sum()
        mean = (x * mask).sum((0, 2)) / count  # (C,)
        centred = (x - mean[:, None]) * mask
        variance = centred.square().sum((0, 2)) / count
        self.track(mean.detach(), variance.detach() * count / (count - 1).clamp(min=1))
        gain = self.weight * (variance + self.eps).rsqrt()
        return centred * gain[:, None] + self.bias[:, None]

    def track(self, mean: Tensor, variance: Tensor) -> None:
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)
        self.running_var.lerp_(variance.to(self.running_var), self.momentum)


class ResidualBlock(nn.Module):
    """Two convolutions around a shortcut: (B, width, T) → (B, width, ceil(T / stride)).

    Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, over time.
    """

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.first = nn.Conv1d(width, width, KERNEL, stride, padding=KERNEL // 2, bias=False)
        self.second = nn.Conv1d(width, width, KERNEL, padding=KERNEL // 2, bias=False)
        self.norms = nn.ModuleList(FrameNorm(width) for _ in range(2))
        if stride > 1:
            self.shortcut = nn.Conv1d(width, width, 1, stride, bias=False)
            self.norms.append(FrameNorm(width))

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, width, T) and its mask (B, 1, T) → what is left of both."""
        mask = mask[..., :: self.stride]
        inner = F.relu(self.norms[0](self.first(x), mask))
        short = self.norms[2](self.shortcut(x), mask) if self.stride > 1 else x
        return F.relu(self.norms[1](self.second(inner), mask) + short), mask


class TransformerLayer(nn.Module):
    """Self-attention, then two linear layers: (B, T, width) → (B, T, width)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(width, heads, dropout)
        self.feed = FeedForward(width, dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.feed(self.attention(x, mask))


class EMGHybrid(nn.Module):
    """EMG (B, T, channels) → logits of tokens, by a convolution, LSTM and attention hybrid.

    Source: the silent-speech checkpoint's document: a feature layer of 8 channels → 256 with
    BatchNorm, ReLU and dropout 0.3; 3 residual blocks of 2 convolutions; a bidirectional LSTM of 2
    layers of 128 a direction with dropout 0.3; 2 transformer layers of 8 heads with positional
    encoding; a head of two linear layers with ReLU. It leaves open, and ours are: convolutions of
    3; strides of 2 in as many residual blocks as leave about ``frames_hz`` (8x at 1000 Hz, as in
    Gaddy and Klein, "An Improved Model for Voicing Silent Speech", ACL 2021); sinusoidal positions,
    norm first, feed-forward layers of 4 times the width and dropout 0.1 in the transformer; and how
    frames become tokens, for which see ``TokenReader``.

    What a recording is read as does not depend on how far its batch is padded, nor with what.

    Args:
        channels: EMG channels.
        vocabulary: tokens to tell apart, a blank included.
        positions: tokens that a recording is read as; None for the logits of frames, for CTC.
        rate: of the EMG, in Hz.
        hidden_size: width of all layers; of each LSTM direction the half.
        frames_hz: frames a second that the residual blocks aim at, by halving up to 3 times.
        lstm_layers: of the LSTM.
        layers: of the transformer.
        heads: attention heads.
        dropout: after the feature layer, and between the LSTM's layers.
        attention_dropout: in the transformer and the reader of tokens.

    Raises:
        ValueError: if the width is odd or its heads do not divide it, or a rate is not positive.
    """

    def __init__(
        self,
        channels: int,
        vocabulary: int,
        positions: int | None,
        rate: float,
        hidden_size: int = 256,
        frames_hz: float = 125.0,
        lstm_layers: int = 2,
        layers: int = 2,
        heads: int = 8,
        dropout: float = 0.3,
        attention_dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if hidden_size % 2:
            raise ValueError(
                f"hidden_size is {hidden_size}, but the LSTM's two directions share it: choose an "
                f"even one"
            )
        strides = block_strides(rate, frames_hz)
        self.width, self.shrink = hidden_size, math.prod(strides)
        self.enter = nn.Conv1d(channels, hidden_size, KERNEL, padding=KERNEL // 2, bias=False)
        self.norm = FrameNorm(hidden_size)
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(ResidualBlock(hidden_size, stride) for stride in strides)
        self.lstm = Bidirectional(nn.LSTM, hidden_size, lstm_layers, dropout)
        self.layers = nn.ModuleList(
            TransformerLayer(hidden_size, heads, attention_dropout) for _ in range(layers)
        )
        self.last = nn.LayerNorm(hidden_size)
        self.reader = TokenReader(hidden_size, vocabulary, positions, heads, attention_dropout)

    def forward(self, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, channels) and samples (B,) → logits (B, L or T', vocabulary), how many count."""
        return self.read(*self.encode(x, length))

    def output_lengths(self, length: Tensor) -> Tensor:
        """Frames that recordings of so many samples become, at least 1: (B,) → (B,)."""
        return (length.clamp(min=1) + self.shrink - 1) // self.shrink

    def encode(self, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, channels) and samples (B,) → frames (B, T', width), 0 after the end, and (B,)."""
        lengths = self.output_lengths(length)
        frames = self.lstm(self.convolve(x, length), lengths)
        mask = present(lengths, frames.shape[1], x.device)
        # The weight keeps the positions from drowning what the LSTM says; Vaswani et al., 3.4.
        frames = frames * self.width**0.5
        frames = frames + sinusoids(frames)
        for layer in self.layers:
            frames = layer(frames, mask)
        return self.last(frames).masked_fill(~mask[..., None], 0), lengths

    def read(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (B, T', width) and how many count (B,) → logits of tokens, how many count."""
        return self.reader(frames, lengths)

    def convolve(self, x: Tensor, length: Tensor) -> Tensor:
        """(B, T, channels) → (B, T', width), 0 after each recording's end."""
        mask = present(length, x.shape[1], x.device)[:, None]  # (B, 1, T)
        maps = x.transpose(1, 2).masked_fill(~mask, 0)  # (B, T, C) → (B, C, T)
        maps = self.drop(F.relu(self.norm(self.enter(maps), mask)))
        for block in self.blocks:
            maps, mask = block(maps, mask)
        return maps.transpose(1, 2)  # (B, width, T') → (B, T', width)


def block_strides(rate: float, frames_hz: float) -> list[int]:
    """Strides of the residual blocks, 1 or 2, that come nearest to the wanted frames a second.

    Raises:
        ValueError: if a rate is not positive.
    """
    if not (rate > 0 and frames_hz > 0):
        raise ValueError(
            f"rate is {rate} Hz and frames_hz {frames_hz}, but both have to be above 0: give the "
            f"rate of the recordings"
        )
    halvings = min(max(round(math.log2(rate / frames_hz)), 0), BLOCKS)
    return [2] * halvings + [1] * (BLOCKS - halvings)
