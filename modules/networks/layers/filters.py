"""Low-pass and high-pass filters of padded signals."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def low_pass_kernel(edge_hz: float, sample_rate: float, taps: int) -> Tensor:
    """Return a windowed-sinc low-pass (taps,) of gain 1 at 0 Hz; ``taps`` is odd."""
    time = torch.arange(taps, dtype=torch.float64) - taps // 2
    kernel = torch.sinc(2 * edge_hz / sample_rate * time)
    kernel = kernel * torch.hamming_window(taps, periodic=False, dtype=torch.float64)
    return (kernel / kernel.sum()).float()


def high_pass_kernel(edge_hz: float, sample_rate: float, taps: int) -> Tensor:
    """Return the complement of the low-pass: (taps,), of gain 0 at 0 Hz."""
    identity = F.pad(torch.ones(1), (taps // 2, taps // 2))
    return identity - low_pass_kernel(edge_hz, sample_rate, taps)


def filter_recordings(x: Tensor, length: Tensor, kernels: Tensor) -> Tensor:
    """Filter every channel with every kernel, without delay: (B, T, C) → (n, B, C, T).

    Each recording is extended with its first and last value: a step to the zeros of the padding
    would ring. The result beyond its end is undefined.

    Args:
        x: signals (B, T, C).
        length: samples of each recording, (B,).
        kernels: (n, taps).
    """
    batch, samples, channels = x.shape
    half = kernels.shape[-1] // 2
    index = torch.arange(-half, samples + half, device=x.device).clamp(min=0)
    ends = (length.to(x.device)[:, None] - 1).clamp(min=0)
    extended = x.gather(
        1, index.expand(batch, -1).minimum(ends)[..., None].expand(-1, -1, channels)
    )
    # (B, T + 2 half, C) → (B * C, 1, T + 2 half): each channel is filtered on its own
    rows = extended.transpose(1, 2).reshape(batch * channels, 1, -1)
    # (B * C, n, T) → (n, B, C, T)
    return F.conv1d(rows, kernels[:, None]).reshape(batch, channels, -1, samples).movedim(2, 0)
