"""A frame encoder with attention to channels and places: ResNet-18 with CBAM."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.networks.layers.front_ends import RESNET_STAGES, count_maps
from modules.networks.layers.recomputation import forward_layer
from modules.networks.layers.residual import BasicBlock

REDUCTION = 4  # of the hidden layer of the attention to channels


class CBAM(nn.Module):
    """Attention to channels, then to places: maps (N, C, H, W) stay.

    Source: Woo et al., "CBAM: Convolutional Block Attention Module", ECCV 2018.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // REDUCTION)
        self.channel_weights = nn.Sequential(
            nn.Linear(channels, hidden, bias=False),
            nn.ReLU(),
            nn.Linear(hidden, channels, bias=False),
        )
        self.place_weights = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighted maps."""
        pooled = self.channel_weights(x.mean((2, 3))) + self.channel_weights(x.amax((2, 3)))
        x = x * pooled.sigmoid()[..., None, None]  # (N, C) → (N, C, 1, 1)
        summary = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        return x * self.place_weights(summary).sigmoid()


class FrameStem(nn.Module):
    """A 7x7 convolution of single frames, and pooling: (N, 1, H, W) → (N, maps, H / 4, W / 4)."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, maps, 7, stride=2, padding=3)
        self.norm = nn.BatchNorm2d(maps)

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps of each frame."""
        return F.relu(F.max_pool2d(self.norm(self.conv(x)), 3, 2, padding=1))


class CBAMFrameEncoder(nn.Module):
    """ResNet-18 with CBAM after each stage, for single frames: (B, T, H, W) → (B, T, D).

    The vector of a frame is the mean over its last maps, weighted by learned scores of the places.

    Args:
        embedding_dim: maps of the last stage, D.
        channels_last: memory format of the maps; see ``ResNetFrameEncoder``.
        checkpointing: recompute activations in training instead of keeping them.

    Raises:
        ValueError: if ``embedding_dim`` is not a multiple of 8.
    """

    def __init__(self, embedding_dim: int, channels_last: bool, checkpointing: bool) -> None:
        super().__init__()
        first = count_maps(embedding_dim)
        self.order = torch.channels_last if channels_last else torch.contiguous_format
        self.checkpointing = checkpointing
        self.parts, inputs = nn.ModuleList([FrameStem(first)]), first
        for stage in range(RESNET_STAGES):
            outputs = first * 2**stage
            self.parts.append(BasicBlock(inputs, outputs, 2 if stage else 1))
            self.parts.append(nn.Sequential(BasicBlock(outputs, outputs, 1), CBAM(outputs)))
            inputs = outputs
        self.scores = nn.Sequential(nn.Conv2d(inputs, first, 1), nn.Tanh(), nn.Conv2d(first, 1, 1))
        self.to(memory_format=self.order)

    def forward(self, clips: Tensor) -> Tensor:
        """Return the vector of each frame, (B, T, H, W) → (B, T, D)."""
        # (B, T, H, W) → (B * T, 1, H, W): from here on frames are independent
        maps = clips.flatten(0, 1)[:, None].contiguous(memory_format=self.order)
        for part in self.parts:
            maps = forward_layer(part, maps, recompute=self.checkpointing)
        shares = self.scores(maps).flatten(2).softmax(-1)  # (B * T, 1, places)
        return (shares * maps.flatten(2)).sum(-1).unflatten(0, clips.shape[:2])
