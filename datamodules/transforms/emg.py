"""Augmentation of surface EMG: electrode contact and speaking pace."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class EMGGain:
    """Gain, noise and silent channels of another electrode placement: (B, T, C), same out."""

    gain: float = 0.2  # standard deviation of the logarithm of each channel's amplitude
    noise: float = 0.05  # white noise, in units of the scaled signal
    drop: float = 0.05  # share of the channels that are set to 0

    def __call__(self, x: Tensor) -> Tensor:
        """Change recordings (B, T, C)."""
        batch, _, channels = x.shape
        gain = (self.gain * x.new_empty(batch, 1, channels).normal_()).exp()
        kept = torch.rand(batch, 1, channels, device=x.device) >= self.drop
        return x * gain * kept + self.noise * torch.randn_like(x)


@dataclass(frozen=True)
class EMGTimeWarp:
    """Recordings shifted in time and spoken faster or slower: (B, T, C), same out.

    The first and the last sample pad the ends.
    """

    shift: float = 0.04  # largest shift either way, as a share of the length
    warp: float = 0.08  # largest change of speed either way, as a share

    def __call__(self, x: Tensor) -> Tensor:
        """Change recordings (B, T, C)."""
        batch, frames, channels = x.shape
        speed = 1 + self.warp * (2 * x.new_empty(batch, 1).uniform_() - 1)
        shift = self.shift * frames * (2 * x.new_empty(batch, 1).uniform_() - 1)
        time = torch.arange(frames, device=x.device, dtype=x.dtype)
        middle = (frames - 1) / 2
        at = ((time - middle) * speed + middle + shift).clamp(0, frames - 1)  # (B, T)
        before = at.floor().clamp(max=max(0, frames - 2))
        share = (at - before)[..., None]
        before = before.long()[..., None].expand(-1, -1, channels)
        after = (before + 1).clamp(max=frames - 1)
        return torch.lerp(x.gather(1, before), x.gather(1, after), share)
