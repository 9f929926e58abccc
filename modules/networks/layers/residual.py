"""Residual blocks of convolutions (He et al., "Deep Residual Learning", CVPR 2016)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from modules.networks.layers.masks import MaskedBatchNorm1d


class BasicBlock(nn.Module):
    """The block of ResNet-18, (N, inputs, H, W) → (N, outputs, H', W').

    The shortcut is a convolution only where the shape changes.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Sequential()
        if stride > 1 or inputs != outputs:
            self.shortcut.append(nn.Conv2d(inputs, outputs, 1, stride, bias=False))
            self.shortcut.append(nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return the rectified sum of the layers and the shortcut."""
        return F.relu(self.layers(x) + self.shortcut(x), inplace=True)


class ProjectedBlock(nn.Module):
    """Two 3x3 convolutions and a convolved shortcut: (N, inputs, H, W) → (N, outputs, H', W')."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(outputs) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """Return the rectified sum of the convolutions and the shortcut."""
        inner = F.relu(self.norms[0](self.conv1(x)))
        return F.relu(self.norms[1](self.conv2(inner)) + self.norms[2](self.shortcut(x)))


class MaskedBlock1d(nn.Module):
    """Two convolutions of 3 frames and a shortcut: (B, width, T) → (B, width, ceil(T / stride))."""

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv1 = nn.Conv1d(width, width, 3, stride, padding=1, bias=False)
        self.conv2 = nn.Conv1d(width, width, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(MaskedBatchNorm1d(width) for _ in range(2))
        if stride > 1:
            self.shortcut = nn.Conv1d(width, width, 1, stride, bias=False)
            self.norms.append(MaskedBatchNorm1d(width))

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the result and its mask, of (B, width, T) and a mask (B, 1, T)."""
        mask = mask[..., :: self.stride]
        inner = F.relu(self.norms[0](self.conv1(x), mask))
        shortcut = self.norms[2](self.shortcut(x), mask) if self.stride > 1 else x
        return F.relu(self.norms[1](self.conv2(inner), mask) + shortcut), mask
