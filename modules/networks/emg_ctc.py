"""Silent speech from EMG by a few features a frame and a recurrent network: small and quick."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.networks.emg_hybrid import FrameNorm
from modules.networks.filters import filtered, high_pass
from modules.networks.recurrent import Bidirectional
from modules.networks.token_reader import TokenReader, present

FEATURES = 3  # of a channel and frame
FLOOR = 1e-3  # of the scaled signal: what is below it is silence


class EMGCTC(nn.Module):
    """EMG (B, T, channels) → logits of tokens, by log energies over time.

    Below ``split`` Hz there is drift and movement of the skin, which is left out. Each channel's
    frame is told by the logarithm of its strength, of the strength of its changes
    (high frequencies weigh more) and by how often it changes its sign: the time-domain features of
    Jou et al., "Towards continuous speech recognition using surface electromyography",
    Interspeech 2006. They are normalised over each recording, so that an electrode's strength does
    not matter; two frames become one; recurrent layers and CTC as in Graves et al., ICML 2006.

    Args:
        channels: EMG channels.
        vocabulary: tokens to tell apart, CTC's blank included.
        positions: tokens that a recording is read as; None for the logits of frames, for CTC.
        rate: of the EMG, Hz.
        split: Hz, above which muscles are heard.
        frame_ms, hop_ms: length of a frame, and from one to the next, ms.
        hidden_size: of the recurrent layers, a direction.
        layers: recurrent layers.
        dropout: before and between them, and before the head.
    """

    def __init__(
        self,
        channels: int,
        vocabulary: int,
        positions: int | None,
        rate: float,
        split: float = 20.0,
        frame_ms: float = 32.0,
        hop_ms: float = 20.0,
        hidden_size: int = 96,
        layers: int = 2,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.size = max(2, round(frame_ms * rate / 1000))
        self.hop = max(1, round(hop_ms * rate / 1000))
        self.width = 2 * hidden_size
        taps = int(rate / 10) | 1
        kernel = high_pass(min(split, rate / 4), rate, taps)[None]
        self.register_buffer("kernel", kernel, persistent=False)
        inputs = FEATURES * channels
        self.enter = nn.Conv1d(inputs, self.width, 7, stride=2, padding=3, bias=False)
        self.norm = FrameNorm(self.width)
        self.recurrent = Bidirectional(nn.GRU, self.width, layers, dropout)
        self.drop = nn.Dropout(dropout)
        self.reader = TokenReader(self.width, vocabulary, positions, 4, dropout)

    def forward(self, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, channels) and samples (B,) → logits (B, L or T', vocabulary), how many count."""
        return self.read(*self.encode(x, length))

    def output_lengths(self, length: Tensor) -> Tensor:
        """Frames that recordings of so many samples become, at least 1: (B,) → (B,)."""
        return (self.windows(length) + 1) // 2

    def windows(self, length: Tensor) -> Tensor:
        """Frames before two become one; a recording shorter than a frame is one."""
        return (length - self.size).clamp(min=0) // self.hop + 1

    def encode(self, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, channels) and samples (B,) → frames (B, T', width), and how many count (B,)."""
        windows = self.windows(length)
        features = self.features(x, length)  # (B, frames, FEATURES * channels)
        within = present(windows, features.shape[1], x.device)
        maps = self.enter(standard(features, within).transpose(1, 2))  # → (B, width, T')
        maps = F.gelu(self.norm(maps, within[:, None, ::2]))
        lengths = self.output_lengths(length)
        frames = self.recurrent(self.drop(maps.transpose(1, 2)), lengths)
        return self.drop(frames), lengths

    def read(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (B, T', width) and how many count (B,) → logits of tokens, how many count."""
        return self.reader(frames, lengths)

    def features(self, x: Tensor, length: Tensor) -> Tensor:
        """(B, T, C) → (B, frames, 3 * C), in float32."""
        mask = present(length, x.shape[1], x.device)[..., None]
        with torch.autocast(x.device.type, enabled=False):
            x = filtered(x.float(), length, self.kernel)[0].transpose(1, 2) * mask  # (B, T, C)
        x = F.pad(x, (0, 0, 0, max(0, self.size - x.shape[1])))
        frames = x.unfold(1, self.size, self.hop)  # (B, frames, C, size)
        changes = frames.diff(dim=-1)
        signs = (frames[..., 1:] * frames[..., :-1] < 0).float().mean(-1)
        strengths = [frames.square().mean(-1), changes.square().mean(-1)]
        logs = [(strength + FLOOR**2).log() / 2 for strength in strengths]
        return torch.cat([*logs, signs], -1)


def standard(features: Tensor, within: Tensor) -> Tensor:
    """(B, T, D) with mean 0 and deviation 1 over the frames that count (B, T); 0 elsewhere."""
    weight = within[..., None].float()
    count = weight.sum(1, keepdim=True)
    mean = (features * weight).sum(1, keepdim=True) / count
    centred = (features - mean) * weight
    variance = centred.square().sum(1, keepdim=True) / count
    return centred / (variance + 0.01).sqrt()
