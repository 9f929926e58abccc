"""Words from few recordings of surface EMG: log energies of electrode pairs, parts in order."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.networks.filters import filtered, high_pass, low_pass

FLOOR = 0.01  # of the mean energy: keeps the logarithm of a silent channel finite
ALL_PAIRS = 12  # with more channels than this, only neighbours are paired
KERNEL = 5  # frames that a convolution over time sees


def montage(channels: int) -> Tensor:
    """Every channel, then differences of two: (channels + pairs, channels) weights.

    A difference hears the muscle between its electrodes and loses what both share, the reference
    electrode first of all.
    """
    first, second = torch.triu_indices(channels, channels, 1)
    if channels > ALL_PAIRS:
        first, second = first[second == first + 1], second[second == first + 1]
    each = torch.eye(channels)
    return torch.cat([each, each[first] - each[second]])


class EMGFeatures(nn.Module):
    """What muscles do and how the skin moves, frame by frame: (B, T, C) → (B, T', out).

    Above ``split`` Hz: the log energy of each channel and pair (see ``montage``), over that of the
    whole recording. Below ``sway`` Hz: the potential itself, of mean 0 and deviation 1 in each
    recording. So the gain of an electrode does not count, and no statistics of a session are
    needed. Nothing here learns.
    """

    def __init__(
        self, channels: int, rate: float, hop: float, window: float, split: float, sway: float
    ) -> None:
        super().__init__()
        self.hop = max(1, round(hop * rate))
        self.window = max(1, round(window * rate)) | 1  # odd, so that a frame has a middle
        taps = int(rate / 4) | 1
        split, sway = min(split, rate / 4), min(sway, rate / 4)
        kernels = torch.stack([high_pass(split, rate, taps), low_pass(sway, rate, taps)])
        self.register_buffer("kernels", kernels, persistent=False)
        self.register_buffer("montage", montage(channels), persistent=False)
        self.out = len(self.montage) + channels

    def lengths(self, length: Tensor) -> Tensor:
        """Frames of recordings of (B,) samples."""
        return torch.div(length + self.hop - 1, self.hop, rounding_mode="floor")

    def forward(self, x: Tensor, length: Tensor) -> Tensor:
        mask = inside(length, x.shape[1])[:, None]  # (B, 1, T)
        fast, slow = filtered(x, length, self.kernels)  # (B, C, T) each
        fast = torch.einsum("mc,bct->bmt", self.montage, fast) * mask
        count = length[:, None, None].clamp(min=1)
        mean_energy = fast.square().sum(-1, keepdim=True) / count
        energy = self.framed(fast.square(), mask) / mean_energy.clamp(min=1e-8)
        slow = (slow - (slow * mask).sum(-1, keepdim=True) / count) * mask
        spread = (slow.square().sum(-1, keepdim=True) / count).sqrt()
        features = [torch.log(energy + FLOOR), self.framed(slow / (spread + 1e-3), mask)]
        return torch.cat(features, 1).transpose(1, 2)  # (B, out, T') → (B, T', out)

    def framed(self, x: Tensor, mask: Tensor) -> Tensor:
        """Means over the samples that count around each frame: (B, N, T) → (B, N, T')."""
        half = self.window // 2
        total = F.avg_pool1d(F.pad(x * mask, (half, half)), self.window, self.hop)
        share = F.avg_pool1d(F.pad(mask, (half, half)), self.window, self.hop)
        return total / share.clamp(min=1e-6)


class Encoder(nn.Module):
    """Features to frames, each with its neighbours in time: (B, T', size) → (B, T', width)."""

    def __init__(self, size: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(size))
        self.gather, self.norm = nn.Linear(size, width), nn.LayerNorm(width)
        self.layers = nn.ModuleList(
            nn.Conv1d(width, width, KERNEL, padding=KERNEL // 2) for _ in range(layers)
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        frames = F.gelu(self.norm(self.gather(self.drop(features * self.scale)))) * mask
        for layer in self.layers:
            inner = layer(frames.transpose(1, 2)).transpose(1, 2)  # over time, and back
            frames = frames + self.drop(F.gelu(inner)) * mask
        return frames


class Reader(nn.Module):
    """Token positions from frames: (B, T', width) → (B, L, vocabulary) logits.

    Each position looks through ``parts`` bumps, one after the other, at its share of the recording.
    Where a bump stands and how wide it is, is learned; with several positions the frames' contents
    draw it too.
    """

    def __init__(
        self, width: int, vocabulary: int, positions: int, parts: int, dropout: float
    ) -> None:
        super().__init__()
        self.positions, bumps = positions, positions * parts
        self.centre = nn.Parameter((torch.arange(bumps) + 0.5) / bumps)
        self.log_width = nn.Parameter(torch.full((bumps,), math.log(0.5 / bumps)))
        self.pull = nn.Linear(width, bumps, bias=False) if positions > 1 else None
        if self.pull is not None:
            nn.init.zeros_(self.pull.weight)  # time alone decides at first
        self.drop, self.head = nn.Dropout(dropout), nn.Linear(parts * width, vocabulary)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        place = torch.arange(frames.shape[1], device=frames.device) + 0.5
        place = place / lengths[:, None].clamp(min=1)  # (B, T'), 0 to 1 over what counts
        away = (place[:, None] - self.centre[:, None]) / self.log_width.exp()[:, None]
        score = -0.5 * away.square()  # (B, bumps, T')
        if self.pull is not None:
            score = score + self.pull(frames).transpose(1, 2)
        hidden = inside(lengths, frames.shape[1])[:, None] == 0
        seen = score.masked_fill(hidden, -1e9).softmax(-1) @ frames  # (B, bumps, width)
        # (B, L * parts, width) → (B, L, parts * width)
        return self.head(self.drop(seen.reshape(len(frames), self.positions, -1)))


class EMGWords(nn.Module):
    """Words from EMG of few recordings: (B, T, C) signals, (B,) samples → logits, lengths.

    Made for some hundred recordings of single words, each cut to the time of speaking, and for
    electrodes that sit elsewhere on another day. What is beyond a recording's length never counts.

    Args:
        channels: C. All must share one unit (µV or a multiple): their differences are used.
        vocabulary: tokens to tell apart.
        positions: tokens of each answer, L; None for logits a frame, as CTC wants.
        rate: of the signals, Hz.
        width: numbers that a member tells a frame by.
        layers: convolutions over time.
        parts: of a position's share of the recording, in order, that the last layer tells apart.
        members: networks that learn on their own; their logits are averaged.
        hop: seconds from one frame to the next.
        window: seconds that the energy of a frame is measured over.
        split: Hz above which energy counts; what the preparation keeps bounds it from above.
        sway: Hz below which the potential itself counts.
        dropout: before the last layer.
        inner_dropout: of the features and after each convolution.
    """

    def __init__(
        self,
        channels: int,
        vocabulary: int,
        positions: int | None,
        rate: float,
        width: int = 128,
        layers: int = 2,
        parts: int = 10,
        members: int = 1,
        hop: float = 0.024,
        window: float = 0.16,
        split: float = 35.0,
        sway: float = 8.0,
        dropout: float = 0.3,
        inner_dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.positions, self.width = positions, members * width
        self.features = EMGFeatures(channels, rate, hop, window, split, sway)
        self.encoders = nn.ModuleList(
            Encoder(self.features.out, width, layers, inner_dropout) for _ in range(members)
        )
        self.drop = nn.Dropout(dropout)
        self.readers = nn.ModuleList(
            nn.Linear(width, vocabulary)
            if positions is None
            else Reader(width, vocabulary, positions, parts, dropout)
            for _ in range(members)
        )

    def output_lengths(self, length: Tensor) -> Tensor:
        """How many entries of the logits count, of recordings of (B,) samples."""
        if self.positions is None:
            return self.features.lengths(length)
        return torch.full_like(length, self.positions)

    def encode(self, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, C) → (B, T', ``width``) frames, the members' side by side, and (B,) lengths."""
        features, lengths = self.features(x, length), self.features.lengths(length)
        mask = inside(lengths, features.shape[1])[..., None]
        frames = [encoder(features, mask) for encoder in self.encoders]
        return torch.cat(frames, -1), lengths

    def read_members(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Every member's own logits: (B, T', ``width``) → (members, B, L or T', vocabulary)."""
        own = zip(self.readers, frames.chunk(len(self.readers), -1), strict=True)
        if self.positions is None:
            return torch.stack([reader(self.drop(part)) for reader, part in own])
        return torch.stack([reader(part, lengths) for reader, part in own])

    def read(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Frames of ``encode`` → (B, L or T', vocabulary) logits and how many of them count."""
        logits = self.read_members(frames, lengths).mean(0)
        if self.positions is None:
            return logits, lengths
        return logits, torch.full_like(lengths, self.positions)

    def forward_members(self, x: Tensor, length: Tensor) -> Tensor:
        """Every member's own logits: (B, T, C) → (members, B, L or T', vocabulary)."""
        return self.read_members(*self.encode(x, length))

    def forward(self, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, C) signals, (B,) samples → (B, L or T', vocabulary) logits and (B,) lengths."""
        return self.read(*self.encode(x, length))


def inside(length: Tensor, size: int) -> Tensor:
    """1 where an entry counts and 0 beyond: (B,) → (B, size)."""
    return (torch.arange(size, device=length.device) < length[:, None]).float()
