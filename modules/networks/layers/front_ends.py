"""Networks that turn each frame of a clip into a vector."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.networks.layers.pooling import pool_to_grid
from modules.networks.layers.recomputation import forward_layer
from modules.networks.layers.residual import BasicBlock, ProjectedBlock

SMALL_SPAN = 3  # frames that the first layer of SmallFrameEncoder sees
LARGE_SPAN = 5  # frames that the first layer of ResNetFrameEncoder sees
GRID_CELLS = (4, 6)  # of a frame after the last block of SmallFrameEncoder; 32 x 48 halved 3 times
RESNET_STAGES = 4  # each after the first doubles the maps and halves their sides


def stack_neighbours(x: Tensor, span: int) -> Tensor:
    """Stack each frame with its neighbours, (B, T + span - 1, H, W) → (B, T, span, H, W)."""
    frames = x.shape[1] - span + 1
    return torch.stack([x[:, k : k + frames] for k in range(span)], 2)


class SmallFrameEncoder(nn.Module):
    """A small residual network for each frame and its neighbours: (B, T, H, W) → (B, T, D).

    The first layer sees 3 frames as channels: a 3-D convolution of one channel, as in Stafylakis
    and Tzimiropoulos, "Combining Residual Networks with LSTMs for Lipreading", 2017, that runs as
    a 2-D convolution, which is faster on CPUs. The last layer sees all cells of the last maps,
    because positions in the mouth matter.

    Args:
        embedding_dim: embedding size per frame.
        checkpointing: recompute the activations of the stem and of each block in training.
    """

    def __init__(self, embedding_dim: int, checkpointing: bool = False) -> None:
        super().__init__()
        self.checkpointing = checkpointing
        self.stem = nn.Conv2d(SMALL_SPAN, 24, 5, stride=2, padding=2, bias=False)
        self.norm = nn.BatchNorm2d(24)
        self.blocks = nn.Sequential(ProjectedBlock(24, 32, 1), ProjectedBlock(32, 64, 2))
        self.proj = nn.Linear(64 * GRID_CELLS[0] * GRID_CELLS[1], embedding_dim)
        self.proj_norm = nn.BatchNorm1d(embedding_dim)
        self.to(memory_format=torch.channels_last)  # twice as fast on CPUs

    def forward(self, x: Tensor) -> Tensor:
        """Return the vector of each frame, (B, T, H, W) → (B, T, D)."""
        batch, frames = x.shape[:2]
        half = SMALL_SPAN // 2
        padded = torch.cat([x[:, :1]] * half + [x] + [x[:, -1:]] * half, 1)  # the ends repeat
        # (B, T, SPAN, H, W) → (B * T, SPAN, H, W): from here on frames are independent
        maps = stack_neighbours(padded, SMALL_SPAN).reshape(
            batch * frames, SMALL_SPAN, *x.shape[2:]
        )
        maps = maps.contiguous(memory_format=torch.channels_last)
        cells = self._compute_cells(maps)
        if cells.shape[2:] != GRID_CELLS:  # frames of other sizes
            cells = pool_to_grid(cells, GRID_CELLS)
        vectors = self.proj(cells.flatten(1))  # (B * T, 64, 4, 6) → (B * T, D)
        return F.relu(self.proj_norm(vectors)).reshape(batch, frames, -1)  # → (B, T, D)

    def _compute_cells(self, maps: Tensor) -> Tensor:
        """Return the maps of the last block, (N, SPAN, H, W) → (N, 64, H / 8, W / 8)."""
        recompute = self.checkpointing
        maps = forward_layer(self, maps, compute=self._compute_stem, recompute=recompute)
        for block in self.blocks:
            maps = forward_layer(block, maps, recompute=recompute)
        return maps

    def _compute_stem(self, maps: Tensor) -> Tensor:
        """Return the pooled maps of the first layer, (N, SPAN, H, W) → (N, 24, H / 4, W / 4)."""
        # The maximum before ReLU gives the same numbers, and a quarter of them to rectify.
        return F.relu(F.max_pool2d(self.norm(self.stem(maps)), 3, 2, padding=1))


class ConvStem(nn.Module):
    """A convolution in space and time, and pooling: (B, T, H, W) → (B * T, maps, H / 4, W / 4).

    Source: Stafylakis and Tzimiropoulos, "Combining Residual Networks with LSTMs for Lipreading",
    Interspeech 2017: kernel 5x7x7, stride 1x2x2, then the maximum of 1x3x3 with stride 1x2x2. The
    input has one channel, so the frames around each frame serve as channels: a 2-D convolution of
    the same weights and result as the 3-D one, as fast, and no reordering before the trunk.
    """

    def __init__(self, maps: int, order: torch.memory_format) -> None:
        super().__init__()
        self.order = order
        self.conv = nn.Conv2d(LARGE_SPAN, maps, 7, stride=2, padding=3, bias=False)
        self.norm = nn.BatchNorm2d(maps)

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps of each frame; beyond the ends of a clip there are zeros."""
        half = LARGE_SPAN // 2
        spans = stack_neighbours(F.pad(x, (0, 0, 0, 0, half, half)), LARGE_SPAN)
        # (B, T, SPAN, H, W) → (B * T, SPAN, H, W)
        maps = self.conv(spans.flatten(0, 1).contiguous(memory_format=self.order))
        # The maximum before ReLU gives the same numbers, and a quarter of them to rectify.
        return F.relu(F.max_pool2d(self.norm(maps), 3, 2, padding=1))


def count_maps(embedding_dim: int) -> int:
    """Return the maps of the first of ResNet's stages, each of which doubles them.

    Raises:
        ValueError: if ``embedding_dim`` is not a multiple of 8.
    """
    first, rest = divmod(embedding_dim, 2 ** (RESNET_STAGES - 1))
    if first < 1 or rest:
        raise ValueError(
            f"net.embedding_dim={embedding_dim} is not valid: the trunk doubles its maps three "
            "times; expected a multiple of 8"
        )
    return first


class ResNetFrameEncoder(nn.ModuleList):
    """ResNet-18 for each frame and its neighbours: (B, T, H, W) → (B, T, embedding_dim).

    Args:
        embedding_dim: maps of the last block; their averages are the vector of a frame.
        channels_last: memory format of the maps, the fastest for convolutions on CPUs and GPUs;
            the results are the same.
        checkpointing: recompute activations in training instead of keeping them.

    Raises:
        ValueError: if ``embedding_dim`` is not a multiple of 8.
    """

    def __init__(self, embedding_dim: int, channels_last: bool, checkpointing: bool) -> None:
        first = count_maps(embedding_dim)
        order = torch.channels_last if channels_last else torch.contiguous_format
        parts, inputs = [ConvStem(first, order)], first
        for stage in range(RESNET_STAGES):
            outputs = first * 2**stage
            stride = 2 if stage else 1
            parts += [BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, 1)]
            inputs = outputs
        super().__init__(parts)
        self.checkpointing = checkpointing
        self.to(memory_format=order)

    def forward(self, clips: Tensor) -> Tensor:
        """Return the vector of each frame, (B, T, H, W) → (B, T, embedding_dim)."""
        maps = clips
        for part in self:
            maps = forward_layer(part, maps, recompute=self.checkpointing)
        return maps.mean((2, 3)).unflatten(0, clips.shape[:2])  # (B * T, C, h, w) → (B, T, C)
