"""Words from few EMG recordings: log energies of electrode pairs, pooled in segments."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.networks.base import SequenceNetwork
from modules.networks.layers.filters import filter_recordings, high_pass_kernel, low_pass_kernel
from modules.networks.layers.masks import length_mask

ENERGY_FLOOR = 0.01  # of the mean energy; keeps the logarithm of a silent channel finite
EMBEDDED_SEGMENTS = 5  # of the features that profiles compare
ALL_PAIRS_LIMIT = 12  # channels, above which only neighbours are paired


def build_montage(channels: int) -> Tensor:
    """Return weights (channels + pairs, channels): every channel, then differences of two.

    A difference keeps the muscle between its electrodes and removes common signals, such as the
    reference electrode.
    """
    first, second = torch.triu_indices(channels, channels, 1)
    if channels > ALL_PAIRS_LIMIT:
        first, second = first[second == first + 1], second[second == first + 1]
    identity = torch.eye(channels)
    return torch.cat([identity, identity[first] - identity[second]])


class EMGFeatures(nn.Module):
    """Muscle activity and movement of the skin per frame: (B, T, C) → (B, T', out_dim).

    Above ``high_pass_hz``: the log energy of each channel and pair (see ``build_montage``),
    relative to that of the whole recording. Below ``low_pass_hz``: the potential itself, of mean 0
    and deviation 1 in each recording. So the gain of an electrode has no effect, and no statistics
    of a session are needed. There are no weights.
    """

    def __init__(
        self,
        channels: int,
        sample_rate: float,
        hop_s: float,
        window_s: float,
        high_pass_hz: float,
        low_pass_hz: float,
    ) -> None:
        super().__init__()
        self.hop = max(1, round(hop_s * sample_rate))
        self.window = max(1, round(window_s * sample_rate)) | 1  # odd, so that there is a middle
        taps = int(sample_rate / 4) | 1
        high, low = min(high_pass_hz, sample_rate / 4), min(low_pass_hz, sample_rate / 4)
        kernels = (
            high_pass_kernel(high, sample_rate, taps),
            low_pass_kernel(low, sample_rate, taps),
        )
        self.register_buffer("kernels", torch.stack(kernels), persistent=False)
        self.register_buffer("montage", build_montage(channels), persistent=False)
        self.out_dim = len(self.montage) + channels

    def output_lengths(self, length: Tensor) -> Tensor:
        """Return the frames of recordings of (B,) samples."""
        return torch.div(length + self.hop - 1, self.hop, rounding_mode="floor")

    def forward(self, x: Tensor, length: Tensor) -> Tensor:
        """Return the features of each frame, (B, T, C) → (B, T', out_dim)."""
        mask = length_mask(length, x.shape[1])[:, None].float()  # (B, 1, T)
        fast, slow = filter_recordings(x, length, self.kernels)  # (B, C, T) each
        fast = torch.einsum("mc,bct->bmt", self.montage, fast) * mask
        count = length[:, None, None].clamp(min=1)
        mean_energy = fast.square().sum(-1, keepdim=True) / count
        energy = self._average_frames(fast.square(), mask) / mean_energy.clamp(min=1e-8)
        slow = (slow - (slow * mask).sum(-1, keepdim=True) / count) * mask
        deviation = (slow.square().sum(-1, keepdim=True) / count).sqrt()
        potential = self._average_frames(slow / (deviation + 1e-3), mask)
        features = torch.cat([torch.log(energy + ENERGY_FLOOR), potential], 1)
        return features.transpose(1, 2)  # (B, out_dim, T') → (B, T', out_dim)

    def _average_frames(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return the means of the samples that count in each window, (B, N, T) → (B, N, T')."""
        half = self.window // 2
        total = F.avg_pool1d(F.pad(x * mask, (half, half)), self.window, self.hop)
        share = F.avg_pool1d(F.pad(mask, (half, half)), self.window, self.hop)
        return total / share.clamp(min=1e-6)


class FrameEncoder(nn.Module):
    """Convolutions over time with residual connections: (B, T', inputs) → (B, T', width)."""

    def __init__(self, inputs: int, width: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(inputs))
        self.proj, self.norm = nn.Linear(inputs, width), nn.LayerNorm(width)
        self.layers = nn.ModuleList(
            nn.Conv1d(width, width, 5, padding=2) for _ in range(num_layers)
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Return frames, 0 outside of the mask (B, T', 1)."""
        frames = F.gelu(self.norm(self.proj(self.drop(features * self.scale)))) * mask
        for layer in self.layers:
            inner = layer(frames.transpose(1, 2)).transpose(1, 2)  # over time, and back
            frames = frames + self.drop(F.gelu(inner)) * mask
        return frames


class SegmentReader(nn.Module):
    """Token positions from frames: (B, T', width) → logits (B, L, vocabulary).

    Each position has ``num_segments`` Gaussian windows in order over its share of the recording.
    Their centres and widths are learned; with several positions the content of the frames moves
    them too.
    """

    def __init__(
        self, width: int, vocab_size: int, positions: int, num_segments: int, dropout: float
    ) -> None:
        super().__init__()
        self.positions, count = positions, positions * num_segments
        self.centre = nn.Parameter((torch.arange(count) + 0.5) / count)
        self.log_width = nn.Parameter(torch.full((count,), math.log(0.5 / count)))
        self.content_score = nn.Linear(width, count, bias=False) if positions > 1 else None
        if self.content_score is not None:
            nn.init.zeros_(self.content_score.weight)  # at first the time alone decides
        self.drop, self.head = nn.Dropout(dropout), nn.Linear(num_segments * width, vocab_size)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Return logits (B, L, vocabulary) of frames (B, T', width), of which (B,) count."""
        return self.head(self.embed_tokens(frames, lengths))

    def embed_tokens(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Return the vectors before the last layer, (B, L, segments * width)."""
        time = torch.arange(frames.shape[1], device=frames.device) + 0.5
        time = time / lengths[:, None].clamp(min=1)  # (B, T'), 0 to 1 over the recording
        distance = (time[:, None] - self.centre[:, None]) / self.log_width.exp()[:, None]
        score = -0.5 * distance.square()  # (B, L * segments, T')
        if self.content_score is not None:
            score = score + self.content_score(frames).transpose(1, 2)
        padding = ~length_mask(lengths, frames.shape[1])[:, None]
        pooled = score.masked_fill(padding, -1e9).softmax(-1) @ frames
        # (B, L * segments, width) → (B, L, segments * width)
        return self.drop(pooled.reshape(len(frames), self.positions, -1))


class EMGWords(SequenceNetwork):
    """Words from few EMG recordings: (B, T, C) signals, (B,) samples → logits, lengths.

    Designed for some hundred recordings of single words, each cut to the time of speaking, and for
    electrodes whose placement varies between sessions. The padding of a batch has no effect.

    Args:
        channels: EMG channels, all of one unit (µV or a multiple): their differences are used.
        vocab_size: tokens.
        positions: tokens per recording, L; None for logits of frames, for CTC.
        sample_rate: of the signals, Hz.
        embedding_dim: embedding size per frame and member.
        num_layers: convolutions over time.
        num_segments: consecutive segments of a recording that the last layer pools separately.
        num_members: networks that learn independently; their logits are averaged.
        hop_s: from one frame to the next, seconds.
        window_s: window of the energy of a frame, seconds.
        high_pass_hz: lower edge of the band of the energies, Hz.
        low_pass_hz: upper edge of the band of the slow potential, Hz.
        dropout: before the last layer.
        inner_dropout: of the features and after each convolution.
    """

    def __init__(
        self,
        channels: int,
        vocab_size: int,
        positions: int | None,
        sample_rate: float,
        embedding_dim: int = 128,
        num_layers: int = 2,
        num_segments: int = 10,
        num_members: int = 1,
        hop_s: float = 0.024,
        window_s: float = 0.16,
        high_pass_hz: float = 35.0,
        low_pass_hz: float = 8.0,
        dropout: float = 0.3,
        inner_dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.positions, self.frame_dim = positions, num_members * embedding_dim
        self.features = EMGFeatures(
            channels, sample_rate, hop_s, window_s, high_pass_hz, low_pass_hz
        )
        self.encoders = nn.ModuleList(
            FrameEncoder(self.features.out_dim, embedding_dim, num_layers, inner_dropout)
            for _ in range(num_members)
        )
        self.drop = nn.Dropout(dropout)
        self.readers = nn.ModuleList(
            nn.Linear(embedding_dim, vocab_size)
            if positions is None
            else SegmentReader(embedding_dim, vocab_size, positions, num_segments, dropout)
            for _ in range(num_members)
        )

    def output_lengths(self, length: Tensor) -> Tensor:
        """Return how many logits count of recordings of (B,) samples."""
        if self.positions is None:
            return self.features.output_lengths(length)
        return torch.full_like(length, self.positions)

    def embed(self, x: Tensor, length: Tensor) -> Tensor:
        """Return the features of a recording, averaged in segments, (B, L or T', D).

        They compare recordings of one session better than the vectors before the last layer, which
        are made for other sessions. Without token positions, each frame has its own vector.
        """
        return self._pool_features(self.features(x, length), self.features.output_lengths(length))

    def forward_with_embedding(
        self, x: Tensor, length: Tensor
    ) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Return the results of ``forward`` and ``embed``; the features are computed once."""
        features, lengths = self.features(x, length), self.features.output_lengths(length)
        outputs = self.read_tokens(self._encode_features(features, lengths), lengths)
        return outputs, self._pool_features(features, lengths)

    def encode_frames(self, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """Return frames (B, T', frame_dim), of members side by side, and how many count (B,)."""
        features, lengths = self.features(x, length), self.features.output_lengths(length)
        return self._encode_features(features, lengths), lengths

    def _encode_features(self, features: Tensor, lengths: Tensor) -> Tensor:
        mask = length_mask(lengths, features.shape[1])[..., None].float()
        return torch.cat([encoder(features, mask) for encoder in self.encoders], -1)

    def _pool_features(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return features less their mean over time, averaged in segments of equal length."""
        mask = length_mask(lengths, features.shape[1])[..., None].float()  # (B, T', 1)
        count = lengths[:, None, None].clamp(min=1)
        features = (features - (features * mask).sum(1, keepdim=True) / count) * mask
        if self.positions is None:
            return features
        time = torch.arange(features.shape[1], device=features.device)
        segment = time * EMBEDDED_SEGMENTS // count[:, 0]  # (B, T')
        numbers = torch.arange(EMBEDDED_SEGMENTS, device=features.device)
        parts = (segment[:, None] == numbers[:, None]).float()  # (B, segments, T')
        pooled = parts @ features / parts.sum(-1, keepdim=True).clamp(min=1)
        return pooled.flatten(1)[:, None].expand(-1, self.positions, -1)

    def read_tokens(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean of the members' logits (B, L or T', vocabulary), and how many count."""
        logits, counts = self.read_members(frames, lengths)
        return logits.mean(0), counts

    def read_members(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of each member, (members, B, L or T', vocabulary), and (B,)."""
        parts = zip(self.readers, self._split_members(frames), strict=True)
        if self.positions is None:
            return torch.stack([reader(self.drop(part)) for reader, part in parts]), lengths
        logits = torch.stack([reader(part, lengths) for reader, part in parts])
        return logits, torch.full_like(lengths, self.positions)

    def _split_members(self, frames: Tensor) -> tuple[Tensor, ...]:
        return frames.chunk(len(self.readers), -1)
