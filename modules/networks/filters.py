"""Filters of signals that know where each recording of a batch ends."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def low_pass(edge: float, rate: float, taps: int) -> Tensor:
    """Windowed-sinc low-pass of odd length: (taps,), of gain 1 at 0 Hz; ``edge`` in Hz."""
    time = torch.arange(taps, dtype=torch.float64) - taps // 2
    kernel = torch.sinc(2 * edge / rate * time)
    kernel = kernel * torch.hamming_window(taps, periodic=False, dtype=torch.float64)
    return (kernel / kernel.sum()).float()


def high_pass(edge: float, rate: float, taps: int) -> Tensor:
    """What ``low_pass`` leaves out: (taps,), of gain 0 at 0 Hz."""
    whole = F.pad(torch.ones(1), (taps // 2, taps // 2))
    return whole - low_pass(edge, rate, taps)


def filtered(x: Tensor, length: Tensor, kernels: Tensor) -> Tensor:
    """Every channel through every kernel: (B, T, C), (n, taps) → (n, B, C, T), without delay.

    The ends of each recording, of (B,) samples, are held: a step down to the zeros of the padding
    would ring. What lies beyond them is undefined.
    """
    batch, samples, channels = x.shape
    half = kernels.shape[-1] // 2
    index = torch.arange(-half, samples + half, device=x.device).clamp(min=0)
    ends = (length.to(x.device)[:, None] - 1).clamp(min=0)
    long = x.gather(1, index.expand(batch, -1).minimum(ends)[..., None].expand(-1, -1, channels))
    # (B, T + 2 half, C) → (B * C, 1, T + 2 half): each channel is filtered on its own
    rows = long.transpose(1, 2).reshape(batch * channels, 1, -1)
    # (B * C, n, T) → (n, B, C, T)
    return F.conv1d(rows, kernels[:, None]).reshape(batch, channels, -1, samples).movedim(2, 0)
