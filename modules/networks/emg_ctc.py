"""A small and fast EMG network: a few features per frame, then recurrent layers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.networks.base import SequenceNetwork
from modules.networks.layers.filters import filter_recordings, high_pass_kernel
from modules.networks.layers.heads import TokenReader
from modules.networks.layers.masks import MaskedBatchNorm1d, length_mask, standardize_frames
from modules.networks.layers.recurrent import BidirectionalRNN

FEATURES_PER_CHANNEL = 3
ENERGY_FLOOR = 1e-3  # of the scaled signal; smaller amplitudes count as silence


class EMGCTC(SequenceNetwork):
    """EMG (B, T, channels) → token logits, from log energies over time.

    Drift and movement of the skin, below ``high_pass_hz``, are removed. The features of a
    channel's frame are the logarithms of its energy and of the energy of its differences (which
    weigh high frequencies more), and the rate of its zero crossings: the time-domain features of
    Jou et al., "Towards continuous speech recognition using surface electromyography",
    Interspeech 2006. They are standardised over each recording, so that the gain of an electrode
    has no effect. Two frames become one; recurrent layers and CTC as in Graves et al., ICML 2006.

    Args:
        channels: EMG channels.
        vocab_size: tokens, the blank of CTC included.
        positions: tokens per recording; None for logits of frames, for CTC.
        sample_rate: of the EMG, Hz.
        high_pass_hz: lower edge of the signal, Hz.
        frame_ms: window of the features of a frame, ms.
        hop_ms: from one frame to the next, ms.
        hidden_size: units of the recurrent layers per direction.
        num_layers: recurrent layers.
        dropout: before and between them, and before the head.
    """

    def __init__(
        self,
        channels: int,
        vocab_size: int,
        positions: int | None,
        sample_rate: float,
        high_pass_hz: float = 20.0,
        frame_ms: float = 32.0,
        hop_ms: float = 20.0,
        hidden_size: int = 96,
        num_layers: int = 2,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.window = max(2, round(frame_ms * sample_rate / 1000))  # samples
        self.hop = max(1, round(hop_ms * sample_rate / 1000))  # samples
        self.frame_dim = 2 * hidden_size
        taps = int(sample_rate / 10) | 1
        kernel = high_pass_kernel(min(high_pass_hz, sample_rate / 4), sample_rate, taps)[None]
        self.register_buffer("kernel", kernel, persistent=False)
        inputs = FEATURES_PER_CHANNEL * channels
        self.input_proj = nn.Conv1d(inputs, self.frame_dim, 7, stride=2, padding=3, bias=False)
        self.norm = MaskedBatchNorm1d(self.frame_dim)
        self.recurrent = BidirectionalRNN(nn.GRU, self.frame_dim, num_layers, dropout)
        self.drop = nn.Dropout(dropout)
        self.reader = TokenReader(self.frame_dim, vocab_size, positions, 4, dropout)

    def output_lengths(self, length: Tensor) -> Tensor:
        """Return the frames of recordings of (B,) samples, at least 1 each."""
        return (self._count_windows(length) + 1) // 2

    def encode_frames(self, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """Return frames (B, T', frame_dim) of signals (B, T, channels), and how many count."""
        features = self.extract_features(x, length)  # (B, windows, 3 * channels)
        mask = length_mask(self._count_windows(length), features.shape[1], x.device)
        maps = self.input_proj(standardize_frames(features, mask).transpose(1, 2))  # → (B, D, T')
        maps = F.gelu(self.norm(maps, mask[:, None, ::2]))
        lengths = self.output_lengths(length)
        frames = self.recurrent(self.drop(maps.transpose(1, 2)), lengths)
        return self.drop(frames), lengths

    def extract_features(self, x: Tensor, length: Tensor) -> Tensor:
        """Return the features of each window in float32, (B, T, C) → (B, windows, 3 * C)."""
        mask = length_mask(length, x.shape[1], x.device)[..., None]
        with torch.autocast(x.device.type, enabled=False):
            filtered = filter_recordings(x.float(), length, self.kernel)[0]
            x = filtered.transpose(1, 2) * mask  # (B, T, C)
        x = F.pad(x, (0, 0, 0, max(0, self.window - x.shape[1])))
        frames = x.unfold(1, self.window, self.hop)  # (B, windows, C, window)
        zero_crossings = (frames[..., 1:] * frames[..., :-1] < 0).float().mean(-1)
        energies = [frames.square().mean(-1), frames.diff(dim=-1).square().mean(-1)]
        logs = [(energy + ENERGY_FLOOR**2).log() / 2 for energy in energies]
        return torch.cat([*logs, zero_crossings], -1)

    def _count_windows(self, length: Tensor) -> Tensor:
        """Return the windows of recordings; one of a recording shorter than a window."""
        return (length - self.window).clamp(min=0) // self.hop + 1
