"""An EMG network of attention over time and over channels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.networks.base import SequenceNetwork
from modules.networks.layers.attention import Attention, FeedForward, sinusoidal_positions
from modules.networks.layers.heads import TokenReader
from modules.networks.layers.masks import length_mask
from modules.networks.layers.recomputation import forward_layer

POWER_FLOOR = 1e-4  # of silence, in the logarithm; scaled EMG has a power of about 1


class SpaceTimeLayer(nn.Module):
    """Attention over time, then over channels, then two linear layers: (B, W, C, width) stays.

    Sources: Bertasius et al., "Is Space-Time Attention All You Need for Video Understanding?", ICML
    2021 (divided attention); Arnab et al., "ViViT", ICCV 2021 (factorised self-attention).
    """

    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.time_attention = Attention(width, num_heads, dropout)
        self.channel_attention = Attention(width, num_heads, dropout)
        self.feed_forward = FeedForward(width, dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return (B, W, C, width); windows outside of the mask (B, W) are not attended to."""
        batch, windows, channels = x.shape[:3]
        over_time = x.transpose(1, 2).flatten(0, 1)  # (B, W, C, D) → (B * C, W, D)
        over_time = self.time_attention(over_time, mask.repeat_interleave(channels, 0))
        x = over_time.unflatten(0, (batch, channels)).transpose(1, 2)  # → (B, W, C, D)
        over_channels = self.channel_attention(x.flatten(0, 1))  # (B, W, C, D) → (B * W, C, D)
        return self.feed_forward(over_channels.unflatten(0, (batch, windows)))


class EMGSpatioTemporal(SequenceNetwork):
    """EMG (B, T, channels) → token logits, by attention over windows and over channels.

    Source: docs/sources.md, section 2: windows of 256 samples every 128 at 1000 Hz,
    features of 128, hidden size 256, 6 transformer layers of 8 heads, dropout 0.1, for a
    "spatiotemporal model" of 8 channels. Choices of this project, where the source states nothing:
    the meaning of "spatiotemporal" (see ``SpaceTimeLayer``), learned channel embeddings with
    sinusoidal times, frames as means over the channels, norm first, feed-forward layers of 4 times
    the width, and how frames become tokens, see ``TokenReader``.

    The features of a channel's window are the logarithm of its power spectrum (Hann), because the
    phase of EMG is arbitrary, and its rectified samples, which show when in the window the muscle
    fired. The last window of a recording is padded with zeros.

    CTC needs at least one frame per token. The hop of the source gives 8 per second: enough for
    words or pieces of words; for characters use a shorter ``hop_ms``.

    The padding of a batch has no effect on the logits of a recording.

    Args:
        channels: EMG channels.
        vocab_size: tokens, a blank included.
        positions: tokens per recording; None for logits of frames, for CTC.
        sample_rate: of the EMG, Hz.
        window_ms: length of a window, ms.
        hop_ms: from the start of a window to the next, ms.
        input_size: features of a channel's window.
        hidden_size: width of all layers.
        num_layers: transformer layers.
        num_heads: attention heads.
        dropout: in the transformer layers and the token reader.
        checkpointing: recompute the activations of the transformer layers in training instead of
            keeping them: less memory, up to 1.6 times the time, and the same gradients.

    Raises:
        ValueError: if the width is no multiple of ``num_heads``, or a window or hop is shorter
            than one sample.
    """

    def __init__(
        self,
        channels: int,
        vocab_size: int,
        positions: int | None,
        sample_rate: float,
        window_ms: float = 256.0,
        hop_ms: float = 128.0,
        input_size: int = 128,
        hidden_size: int = 256,
        num_layers: int = 6,
        num_heads: int = 8,
        dropout: float = 0.1,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.checkpointing = checkpointing
        self.frame_dim = hidden_size
        self.window = count_samples("net.window_ms", window_ms, sample_rate)
        self.hop = count_samples("net.hop_ms", hop_ms, sample_rate)
        taper = torch.hann_window(self.window)
        # Scaled so that white noise of deviation 1 has a power of 1 in every bin.
        self.register_buffer("taper", taper / taper.square().sum().sqrt(), persistent=False)
        self.input_proj = nn.Sequential(
            nn.Linear(self.window + self.window // 2 + 1, input_size),
            nn.ReLU(),
            nn.Linear(input_size, hidden_size),
            nn.LayerNorm(hidden_size),
        )
        self.channel_embedding = nn.Parameter(torch.randn(channels, hidden_size))
        self.drop = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            SpaceTimeLayer(hidden_size, num_heads, dropout) for _ in range(num_layers)
        )
        self.final_norm = nn.LayerNorm(hidden_size)
        self.reader = TokenReader(hidden_size, vocab_size, positions, num_heads, dropout)

    def output_lengths(self, length: Tensor) -> Tensor:
        """Return the windows of recordings of (B,) samples, at least 1 each."""
        return ((length - self.window).clamp(min=0) + self.hop - 1) // self.hop + 1

    def encode_frames(self, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """Return frames (B, T', frame_dim), 0 after the end of a recording, and how many count."""
        lengths = self.output_lengths(length)
        values = self.input_proj(self._extract_features(self._cut_windows(x, length)))
        times = sinusoidal_positions(values[:, :, 0])[:, None]  # (W, 1, width), of all channels
        values = self.drop(values + self.channel_embedding + times)  # (B, W, C, width)
        mask = length_mask(lengths, values.shape[1], x.device)
        for layer in self.layers:
            values = forward_layer(layer, values, mask, recompute=self.checkpointing)
        frames = self.final_norm(values).mean(2)  # (B, W, C, width) → (B, W, width)
        return frames.masked_fill(~mask[..., None], 0), lengths

    def _cut_windows(self, x: Tensor, length: Tensor) -> Tensor:
        """Return overlapping windows of each channel, (B, T, C) → (B, W, C, window)."""
        mask = length_mask(length, x.shape[1], x.device)
        # The formula of ``output_lengths``, in operations that are exported for any length.
        hops = (torch.sym_max(x.shape[1] - self.window, 0) + self.hop - 1) // self.hop
        missing = torch.sym_max(self.window + hops * self.hop - x.shape[1], 0)
        padded = F.pad(x.masked_fill(~mask[..., None], 0), (0, 0, 0, missing))
        return padded.unfold(1, self.window, self.hop)

    def _extract_features(self, windows: Tensor) -> Tensor:
        """Return log power and rectified samples, (..., window) → (..., bins + window)."""
        with torch.autocast(windows.device.type, enabled=False):  # half floats have no FFT
            spectrum = torch.fft.rfft(windows.float() * self.taper.float())
            power = spectrum.real.square() + spectrum.imag.square()
            level = (power + POWER_FLOOR).log() / 2
        return torch.cat([level.to(windows.dtype), windows.abs()], -1)


def count_samples(key: str, span_ms: float, sample_rate: float) -> int:
    """Return the samples of a span in ms.

    Args:
        key: the setting, for the error.
        span_ms: its value, ms.
        sample_rate: Hz.

    Raises:
        ValueError: if the span is shorter than one sample.
    """
    count = round(span_ms * sample_rate / 1000)
    if count < 1:
        raise ValueError(f"{key}={span_ms} is shorter than one sample at {sample_rate} Hz")
    return count
