"""Words from clips of a mouth: a small residual network a frame, convolutions over time."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS = (24, 32, 64)  # of the maps of a frame
SPAN = 3  # frames that the first layer sees at once
GRID = (4, 6)  # cells that a frame ends in: one of 32 x 48, halved three times, has as many


class Residual(nn.Module):
    """Two 3x3 convolutions around a shortcut: (N, inputs, H, W) → (N, outputs, H', W').

    Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(outputs) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.norms[0](self.first(x)))
        return F.relu(self.norms[1](self.second(inner)) + self.norms[2](self.shortcut(x)))


class FrameNet(nn.Module):
    """Each frame, with its neighbours in time, to a vector: (B, T, H, W) → (B, T, size).

    The first layer sees ``SPAN`` frames as channels: that is a 3-D convolution of one channel, as
    in Stafylakis and Tzimiropoulos, "Combining Residual Networks with LSTMs for Lipreading", 2017,
    but runs as a 2-D convolution, which is faster on CPUs. All cells of the last maps are kept, for
    where something is in the mouth says much.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        first, second, third = CHANNELS
        self.stem = nn.Conv2d(SPAN, first, 5, stride=2, padding=2, bias=False)
        self.norm = nn.BatchNorm2d(first)
        self.blocks = nn.Sequential(Residual(first, second, 1), Residual(second, third, 2))
        self.gather = nn.Linear(third * GRID[0] * GRID[1], size)
        self.last = nn.BatchNorm1d(size)
        self.to(memory_format=torch.channels_last)  # twice as fast on CPUs

    def forward(self, x: Tensor) -> Tensor:
        batch, frames, height, width = x.shape
        # (B, T, SPAN, H, W) → (B * T, SPAN, H, W): from here on each frame is on its own
        maps = self.stack(x).reshape(batch * frames, SPAN, height, width)
        maps = maps.contiguous(memory_format=torch.channels_last)
        # The maximum before ReLU: the same numbers, but a quarter of them to rectify and keep.
        maps = F.relu(F.max_pool2d(self.norm(self.stem(maps)), 3, 2, padding=1))
        cells = self.blocks(maps)
        if cells.shape[2:] != GRID:  # frames of other sizes fit too
            cells = F.adaptive_avg_pool2d(cells, GRID)
        vectors = self.gather(cells.flatten(1))  # (B * T, channels, 4, 6) → (B * T, size)
        return F.relu(self.last(vectors)).reshape(batch, frames, -1)  # → (B, T, size)

    def stack(self, x: Tensor) -> Tensor:
        """Each frame with those around it; the ends repeat: (B, T, H, W) → (B, T, SPAN, H, W)."""
        frames, half = x.shape[1], SPAN // 2
        long = torch.cat([x[:, :1]] * half + [x] + [x[:, -1:]] * half, 1)
        return torch.stack([long[:, k : k + frames] for k in range(SPAN)], 2)


class TimeConv(nn.Module):
    """Two convolutions over time, then parts of the clip in order: (B, T, size) → (B, out).

    Source: Martinez et al., "Lipreading Using Temporal Convolutional Networks", ICASSP 2020. The
    parts keep their order, so that a word's beginning and end are told apart.
    """

    def __init__(self, size: int, frames: int, parts: int, dropout: float) -> None:
        super().__init__()
        self.out = 2 * size * parts
        self.layers = nn.Sequential(
            nn.Conv1d(size, size, 5, padding=2, bias=False),
            nn.BatchNorm1d(size),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv1d(size, 2 * size, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm1d(2 * size),
            nn.ReLU(),
        )
        # As a matrix, because ONNX has no pooling into parts that do not divide the length.
        parting = F.adaptive_avg_pool1d(torch.eye((frames + 1) // 2)[None], parts)[0]
        self.register_buffer("parting", parting, persistent=False)  # (ceil(T / 2), parts)

    def forward(self, x: Tensor) -> Tensor:
        over_time = self.layers(x.transpose(1, 2))  # (B, T, size) → (B, 2 size, T / 2)
        return (over_time @ self.parting).flatten(1)  # (B, 2 size, parts) → (B, 2 size * parts)


class Member(nn.Module):
    """One small reader: (B, T, H, W) normalised clips → (B, classes) logits."""

    def __init__(
        self, num_classes: int, size: int, frames: int, parts: int, dropout: float
    ) -> None:
        super().__init__()
        self.frames = FrameNet(size)
        self.time = TimeConv(size, frames, parts, dropout)
        self.drop, self.drop_more = nn.Dropout(dropout), nn.Dropout(1.5 * dropout)
        self.head = nn.Linear(self.time.out, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.drop_more(self.time(self.drop(self.frames(x)))))


class LipTCN(nn.Module):
    """Small readers of a mouth, averaged: (B, 1, T, H, W) in [0, 1] → (B, classes) logits.

    The light of each clip is taken out first. In eval mode a clip and its mirror image are both
    read. 366,300 parameters a member for 4 classes. Made for frames of 32 x 48.

    Args:
        num_classes: words to tell apart.
        frames: the length T of every clip.
        members: readers; each learns on its own.
        size: numbers that a frame is told by.
        parts: of a clip, in order, that the last layer tells apart.
        dropout: before and in the layers over time; half as much again before the last layer.
        mirror: whether eval mode reads the mirror image too.
    """

    def __init__(
        self,
        num_classes: int,
        frames: int = 12,
        members: int = 1,
        size: int = 96,
        parts: int = 4,
        dropout: float = 0.2,
        mirror: bool = True,
    ) -> None:
        super().__init__()
        self.mirror = mirror
        self.members = nn.ModuleList(
            Member(num_classes, size, frames, parts, dropout) for _ in range(members)
        )

    def forward_members(self, x: Tensor) -> Tensor:
        """Every member's own logits: (B, 1, T, H, W) → (members, B, classes)."""
        clips = self.even_light(x)
        logits = torch.stack([member(clips) for member in self.members])
        if self.training or not self.mirror:
            return logits
        mirrored = clips.flip(-1)
        return (logits + torch.stack([member(mirrored) for member in self.members])) / 2

    def even_light(self, x: Tensor) -> Tensor:
        """Clips of mean 0 and deviation 1: (B, 1, T, H, W) → (B, T, H, W)."""
        clips = x[:, 0]
        centred = clips - clips.mean((1, 2, 3), keepdim=True)
        spread = centred.square().mean((1, 2, 3), keepdim=True).sqrt()
        return centred / (spread + 0.03)  # a clip of one grey stays finite

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, T, H, W) clips → (B, classes) logits."""
        return self.forward_members(x).mean(0)
