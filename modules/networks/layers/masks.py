"""Masks of padded recordings, and operations that leave the padding out."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def length_mask(lengths: Tensor, size: int, device: torch.device | None = None) -> Tensor:
    """Return which of ``size`` steps belong to a recording, (B,) → (B, size) bool.

    A recording has at least one step: attention over no step would be NaN.

    Args:
        lengths: steps of each recording (B,).
        size: steps of the longest one.
        device: of the mask; by default that of ``lengths``.
    """
    device = lengths.device if device is None else device
    ends = lengths.to(device, non_blocking=True).clamp(min=1)[:, None]
    return torch.arange(size, device=device) < ends


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over the steps in the mask, (B, T, D) and (B, T) → (B, D)."""
    weight = mask.unsqueeze(-1).to(values.dtype)
    return (values * weight).sum(1) / weight.sum(1).clamp(min=1)


def standardize_frames(frames: Tensor, mask: Tensor) -> Tensor:
    """Scale (B, T, D) to mean 0 and deviation 1 over the mask (B, T); 0 outside of it."""
    weight = mask[..., None].float()
    count = weight.sum(1, keepdim=True)
    mean = (frames * weight).sum(1, keepdim=True) / count
    centred = (frames - mean) * weight
    variance = centred.square().sum(1, keepdim=True) / count
    return centred / (variance + 0.01).sqrt()


class MaskedBatchNorm1d(nn.BatchNorm1d):
    """Batch normalisation over the frames of recordings, without their padding.

    With the padding, the statistics would depend on which recordings share a batch, and differ
    from those of a recording on its own.
    """

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Normalise (B, C, T) where the mask (B, 1, T) is True; 0 elsewhere."""
        if self.training:
            normed = self._normalize_batch(x.float(), mask).to(x.dtype)
        else:
            normed = super().forward(x)
        return normed.masked_fill(~mask, 0)

    def _normalize_batch(self, x: Tensor, mask: Tensor) -> Tensor:
        count = mask.sum()
        mean = (x * mask).sum((0, 2)) / count  # (C,)
        centred = (x - mean[:, None]) * mask
        variance = centred.square().sum((0, 2)) / count
        unbiased = variance.detach() * count / (count - 1).clamp(min=1)
        self._update_running_stats(mean.detach(), unbiased)
        gain = self.weight * (variance + self.eps).rsqrt()
        return centred * gain[:, None] + self.bias[:, None]

    def _update_running_stats(self, mean: Tensor, variance: Tensor) -> None:
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)
        self.running_var.lerp_(variance.to(self.running_var), self.momentum)
