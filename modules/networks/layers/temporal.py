"""Convolutions and means over the frames of a clip."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KERNEL_SIZES = (3, 5, 7)  # frames, of the branches of a layer


def require_shared_width(key: str, width: int) -> None:
    """Refuse a number of channels that the kernel sizes cannot share.

    Args:
        key: the setting, for the error.
        width: its value.

    Raises:
        ValueError: if ``width`` is not a positive multiple of their number.
    """
    if width < 1 or width % len(KERNEL_SIZES):
        raise ValueError(
            f"{key}={width} cannot be shared by {len(KERNEL_SIZES)} kernel sizes; expected a "
            f"multiple of {len(KERNEL_SIZES)}"
        )


class MultiScaleConv(nn.Module):
    """Parallel convolutions over time of 3, 5 and 7 frames: (B, width, T) stays.

    Args:
        width: channels; each branch gives an equal share.
        dilation: frames between the taps of a kernel.
        dropout: of the result.
    """

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Conv1d(
                width,
                width // len(KERNEL_SIZES),
                kernel,
                padding=dilation * (kernel // 2),
                dilation=dilation,
                bias=False,
            )
            for kernel in KERNEL_SIZES
        )
        self.norm = nn.BatchNorm1d(width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return the rectified branches side by side, (B, width, T)."""
        return self.drop(F.relu(self.norm(torch.cat([branch(x) for branch in self.branches], 1))))


class TemporalBlock(nn.Module):
    """Two multi-scale layers with a residual connection: (B, width, T) stays.

    Source: Martinez et al., "Lipreading Using Temporal Convolutional Networks", ICASSP 2020. Fewer
    channels and blocks, and ReLU for PReLU, are choices of this project.
    """

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(MultiScaleConv(width, dilation, dropout) for _ in range(2)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the rectified sum of the layers and x."""
        return F.relu(x + self.layers(x))


def stack_temporal_blocks(width: int, num_layers: int, dropout: float) -> nn.Sequential:
    """Return blocks; each has twice the receptive field of the one before."""
    return nn.Sequential(*(TemporalBlock(width, 2**k, dropout) for k in range(num_layers)))


def weighted_time_mean(x: Tensor, weights: Tensor | None) -> Tensor:
    """Return the mean over time, (B, D, T) and weights (B, T) or None → (B, D).

    Where all weights are 0, all frames count equally.
    """
    if weights is None:
        return x.mean(2)
    total = weights.sum(1, keepdim=True)
    shares = torch.where(total > 0, weights / total.clamp(min=1e-6), 1 / x.shape[2])
    return (x * shares[:, None].to(x.dtype)).sum(2)  # (B, D, T) → (B, D)
