"""Silent speech from EMG by attention over time and over channels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.networks.token_reader import (
    Attention,
    FeedForward,
    TokenReader,
    present,
    sinusoids,
)

FLOOR = 1e-4  # power that the logarithm takes for silence; scaled EMG has about 1


class SpaceTimeLayer(nn.Module):
    """Attention over time, then over channels, then two linear layers; (B, W, C, width) stays.

    Sources: Bertasius et al., "Is Space-Time Attention All You Need for Video Understanding?", ICML
    2021 (divided attention); Arnab et al., "ViViT", ICCV 2021 (factorised self-attention).
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.time = Attention(width, heads, dropout)
        self.space = Attention(width, heads, dropout)
        self.feed = FeedForward(width, dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, W, C, width), with a mask (B, W) that is True where windows count."""
        batch, windows, channels = x.shape[:3]
        over_time = x.transpose(1, 2).flatten(0, 1)  # (B, W, C, D) → (B * C, W, D)
        over_time = self.time(over_time, mask.repeat_interleave(channels, 0))
        x = over_time.unflatten(0, (batch, channels)).transpose(1, 2)  # → (B, W, C, D)
        over_space = self.space(x.flatten(0, 1))  # (B, W, C, D) → (B * W, C, D)
        return self.feed(over_space.unflatten(0, (batch, windows)))


class EMGSpatioTemporal(nn.Module):
    """EMG (B, T, channels) → logits of tokens, by attention over windows and over channels.

    Source: the training pipeline's document: windows of 256 samples every 128 at 1000 Hz, features
    of 128, hidden size 256, 6 transformer layers of 8 heads, dropout 0.1, for a "spatiotemporal
    model" of 8 channels. It leaves open, and ours are: what "spatiotemporal" means (see
    ``SpaceTimeLayer``), learned channel embeddings with sinusoidal times, frames as means over the
    channels, norm first, feed-forward layers of 4 times the width, and how frames become tokens,
    for which see ``TokenReader``.

    The features come from what a channel's window holds of two kinds: the logarithm of its power
    spectrum (Hann), because the phase of EMG is arbitrary, and its rectified samples, which say
    when within the window the muscle fired. A recording's last window is filled up with zeros.

    CTC needs a frame for each token at least, and the document's hop leaves 8 a second: enough for
    words or pieces of them; for letters give a shorter ``hop_ms``.

    What a recording is read as does not depend on how far its batch is padded, nor with what.

    Args:
        channels: EMG channels.
        vocabulary: tokens to tell apart, a blank included.
        positions: tokens that a recording is read as; None for the logits of frames, for CTC.
        rate: of the EMG, in Hz.
        window_ms: length of a window.
        hop_ms: from the start of a window to the next.
        input_size: features of a channel's window.
        hidden_size: width of all layers.
        layers: of the transformer.
        heads: attention heads.
        dropout: in the transformer and the reader of tokens.

    Raises:
        ValueError: if the heads do not divide the width, or a window or hop is under one sample.
    """

    def __init__(
        self,
        channels: int,
        vocabulary: int,
        positions: int | None,
        rate: float,
        window_ms: float = 256.0,
        hop_ms: float = 128.0,
        input_size: int = 128,
        hidden_size: int = 256,
        layers: int = 6,
        heads: int = 8,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.width = hidden_size
        self.window = samples("window_ms", window_ms, rate)
        self.hop = samples("hop_ms", hop_ms, rate)
        taper = torch.hann_window(self.window)
        # Scaled so that white noise of deviation 1 has a power of 1 in every bin.
        self.register_buffer("taper", taper / taper.square().sum().sqrt(), persistent=False)
        self.project = nn.Sequential(
            nn.Linear(self.window + self.window // 2 + 1, input_size),
            nn.ReLU(),
            nn.Linear(input_size, hidden_size),
            nn.LayerNorm(hidden_size),
        )
        self.place = nn.Parameter(torch.randn(channels, hidden_size))
        self.drop = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            SpaceTimeLayer(hidden_size, heads, dropout) for _ in range(layers)
        )
        self.last = nn.LayerNorm(hidden_size)
        self.reader = TokenReader(hidden_size, vocabulary, positions, heads, dropout)

    def forward(self, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, channels) and samples (B,) → logits (B, L or T', vocabulary), how many count."""
        return self.read(*self.encode(x, length))

    def output_lengths(self, length: Tensor) -> Tensor:
        """Windows that recordings of so many samples become, at least 1: (B,) → (B,)."""
        return ((length - self.window).clamp(min=0) + self.hop - 1) // self.hop + 1

    def encode(self, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, channels) and samples (B,) → frames (B, T', width), 0 after the end, and (B,)."""
        lengths = self.output_lengths(length)
        values = self.project(self.features(self.windows(x, length)))  # (B, W, C, width)
        times = sinusoids(values[:, :, 0])[:, None]  # (W, 1, width), for all channels
        values = self.drop(values + self.place + times)
        mask = present(lengths, values.shape[1], x.device)
        for layer in self.layers:
            values = layer(values, mask)
        frames = self.last(values).mean(2)  # (B, W, C, width) → (B, W, width)
        return frames.masked_fill(~mask[..., None], 0), lengths

    def read(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (B, T', width) and how many count (B,) → logits of tokens, how many count."""
        return self.reader(frames, lengths)

    def windows(self, x: Tensor, length: Tensor) -> Tensor:
        """Overlapping pieces of each channel: (B, T, C) → (B, W, C, window)."""
        mask = present(length, x.shape[1], x.device)
        # As ``output_lengths``, in operations that are exported for any length.
        after = (torch.sym_max(x.shape[1] - self.window, 0) + self.hop - 1) // self.hop
        missing = torch.sym_max(self.window + after * self.hop - x.shape[1], 0)
        padded = F.pad(x.masked_fill(~mask[..., None], 0), (0, 0, 0, missing))
        return padded.unfold(1, self.window, self.hop)

    def features(self, windows: Tensor) -> Tensor:
        """(..., window) → (..., bins + window): log power, then rectified samples."""
        with torch.autocast(windows.device.type, enabled=False):  # half floats have no FFT
            spectrum = torch.fft.rfft(windows.float() * self.taper.float())
            power = spectrum.real.square() + spectrum.imag.square()
            level = (power + FLOOR).log() / 2
        return torch.cat([level.to(windows.dtype), windows.abs()], -1)


def samples(name: str, span_ms: float, rate: float) -> int:
    """A span in ms as samples at a rate in Hz.

    Raises:
        ValueError: if that is under one sample.
    """
    count = round(span_ms * rate / 1000)
    if count < 1:
        raise ValueError(
            f"{name} is {span_ms}, which at {rate} Hz is under one sample: choose a longer one"
        )
    return count
