"""Augmentation of mouth clips: light, camera, timing and missing frames.

Clips are (B, 1, T, H, W), grey in [0, 1]; all frames of a clip share one draw.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class MouthLight:
    """Brightness, contrast and mirroring, as in the source recipe (docs/sources.md)."""

    flip: float = 0.5  # share of the clips that are mirrored
    brightness: float = 0.15  # largest change of brightness either way, as a share
    brightness_share: float = 0.7  # share of the clips
    contrast: Sequence[float] = (0.9, 1.1)  # range of the factor on the distance from mean grey
    contrast_share: float = 0.5  # share of the clips

    def __call__(self, x: Tensor) -> Tensor:
        """Change clips (B, 1, T, H, W)."""
        x = torch.where(_draw_uniform(x) < self.flip, x.flip(-1), x)
        brighter = 1 + self.brightness * (2 * _draw_uniform(x) - 1)
        x = torch.where(_draw_uniform(x) < self.brightness_share, x * brighter, x)
        low, high = self.contrast
        mean = x.mean((1, 2, 3, 4), keepdim=True)
        changed = mean + (x - mean) * (low + (high - low) * _draw_uniform(x))
        return torch.where(_draw_uniform(x) < self.contrast_share, changed, x).clamp(0, 1)


@dataclass(frozen=True)
class MouthAffine:
    """Shift, scale, rotation and mirroring. Each number but ``flip`` is the largest draw."""

    shift: float = 8.0  # either way, pixels of a frame 96 wide
    scale: float = 0.12  # logarithm, either way
    aspect: float = 0.1  # logarithm of width by height, either way
    turn: float = 8.0  # rotation either way, degrees
    flip: float = 0.5  # share of the clips that are mirrored

    def __call__(self, x: Tensor) -> Tensor:
        """Change clips (B, 1, T, H, W)."""
        grid = F.affine_grid(self._draw_matrices(x), list(x[:, :, 0].shape), align_corners=False)
        # (B, 1, T, H, W) → (B, T, H, W): as channels, all frames of a clip move alike
        moved = F.grid_sample(x[:, 0], grid, padding_mode="border", align_corners=False)
        return moved[:, None]

    def _draw_matrices(self, x: Tensor) -> Tensor:
        """Return (B, 2, 3): affine maps from output to input pixels, in units of half a frame."""
        ratio = x.shape[-2] / x.shape[-1]
        angle, zoom = (
            math.radians(self.turn) * _draw_signed(x),
            (self.scale * _draw_signed(x)).exp(),
        )
        wide = (self.aspect * _draw_signed(x)).exp()
        mirror = 1 - 2 * (torch.rand(len(x), device=x.device) < self.flip).to(x.dtype)
        shift = self.shift * 2 / 96 * _draw_signed(x, 2)
        across = [mirror * zoom * wide * angle.cos(), -mirror * zoom * ratio * angle.sin()]
        down = [zoom * angle.sin() / ratio, zoom * angle.cos()]
        rows = [*across, shift[:, 0], *down, shift[:, 1] / ratio]
        return torch.stack(rows, 1).reshape(-1, 2, 3)  # (B, 6) → (B, 2, 3)


@dataclass(frozen=True)
class MouthTone:
    """Gamma, contrast and brightness of another light and camera, drawn once per clip."""

    gamma: float = 0.3  # logarithm, either way
    contrast: float = 0.3  # logarithm, either way
    brightness: float = 0.1  # added, either way

    def __call__(self, x: Tensor) -> Tensor:
        """Change clips (B, 1, T, H, W)."""
        shape = (1, 1, 1, 1)
        curved = x.clamp(1e-4, 1) ** (self.gamma * _draw_signed(x, *shape)).exp()
        mean = curved.mean((2, 3, 4), keepdim=True)
        contrast = (self.contrast * _draw_signed(x, *shape)).exp()
        changed = (curved - mean) * contrast + mean + self.brightness * _draw_signed(x, *shape)
        return changed.clamp(0, 1)


@dataclass(frozen=True)
class MouthTimeWarp:
    """Random cuts at both ends and jitter of the sampling times.

    The frames that are left are spread over all T frames again, which also changes the speed.
    """

    trim: float = 0.15  # largest share of a clip's length that is cut off at either end
    jitter: float = 0.5  # of each clip's sampling times, frames

    def __call__(self, x: Tensor) -> Tensor:
        """Change clips (B, 1, T, H, W)."""
        return self.apply_with_mask(x, x.new_ones(len(x), x.shape[2]))[0]

    def apply_with_mask(self, x: Tensor, word_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Take the same frames of the clips and of their word mask (B, T)."""
        indices = self.draw_frame_indices(x)
        clip_indices = indices[:, None, :, None, None].expand(-1, 1, -1, *x.shape[3:])
        return x.gather(2, clip_indices), word_mask.gather(1, indices)

    def draw_frame_indices(self, x: Tensor) -> Tensor:
        """Draw (B, T) int64: the input frame that each output frame shows."""
        frames = x.shape[2]
        ends = self.trim * torch.rand(len(x), 2, device=x.device)
        along = torch.linspace(0, 1, frames, device=x.device)
        spread = ends[:, :1] + (1 - ends.sum(1, keepdim=True)) * along  # (B, T), 0 to 1
        indices = spread * (frames - 1) + self.jitter * _draw_signed(x, 1)
        return indices.round().clamp(0, frames - 1).long()


@dataclass(frozen=True)
class MouthTimeMask:
    """A span of frames replaced by the clip's mean frame.

    Source: time masking of P. Ma et al., Training Strategies for Improved Lip-reading, ICASSP 2022.
    """

    longest: float = 0.2  # largest share of the frames that are replaced

    def __call__(self, x: Tensor) -> Tensor:
        """Change clips (B, 1, T, H, W)."""
        frames = x.shape[2]
        length = (self.longest * frames * torch.rand(len(x), 1, device=x.device)).floor()
        start = ((frames - length + 1) * torch.rand(len(x), 1, device=x.device)).floor()
        time = torch.arange(frames, device=x.device)
        hidden = (time >= start) & (time < start + length)  # (B, T)
        return torch.where(hidden[:, None, :, None, None], x.mean(2, keepdim=True), x)


def _draw_uniform(x: Tensor) -> Tensor:
    """Return (B, 1, 1, 1, 1), uniform in [0, 1)."""
    return torch.rand(len(x), 1, 1, 1, 1, device=x.device)


def _draw_signed(x: Tensor, *shape: int) -> Tensor:
    """Return (B, *shape), uniform in [-1, 1)."""
    return 2 * torch.rand(len(x), *shape, device=x.device) - 1
