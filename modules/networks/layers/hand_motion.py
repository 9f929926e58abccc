"""How a hand moves over a few frames, for signs that are drawn rather than held, such as J and Z.

Each path over time is described by its projections on Legendre polynomials: the first is the way
from the beginning to the end, the next ones its bends. They do not depend on the number of frames.
"""

from __future__ import annotations

import torch
from torch import Tensor

from modules.networks.layers.hand_features import (
    canonicalize_joints,
    find_palm_axes,
    measure_chirality,
    vector_lengths,
)

TRACED_JOINTS = [0, 8, 20]  # wrist, and the tips of the index and little finger
NUM_POLYNOMIALS = 4
NUM_MOTION_FEATURES = NUM_POLYNOMIALS * (2 * len(TRACED_JOINTS) + 9)


def describe_motion(landmarks: Tensor) -> Tensor:
    """Return the motion of a hand, (B, T, 63) → (B, 60), in palm lengths; zeros for one frame.

    Left hands are mirrored. A sample with a frame without a hand counts as a hand at rest.
    """
    batch, frames = landmarks.shape[:2]
    points = landmarks.reshape(batch, frames, 21, 3)  # (B, T, 63) → (B, T, joints, xyz)
    flat = landmarks.reshape(batch * frames, 63)  # (B, T, 63) → (B * T, 63)
    axes = find_palm_axes(canonicalize_joints(flat)).reshape(batch, frames, 9)
    signals = torch.cat([_trace_joints(points), axes], 2)  # (B, T, 15)
    signals = signals - signals.mean(1, keepdim=True)
    polynomials = _legendre_polynomials(frames, landmarks.device)
    moments = torch.einsum("kt,btn->bkn", polynomials, signals) / frames
    is_seen = landmarks.abs().sum(2).amin(1) > 0  # (B,)
    return moments.flatten(1).clamp(-3, 3) * is_seen[:, None]


def _trace_joints(points: Tensor) -> Tensor:
    """Return the paths of three joints in the image, (B, T, 21, 3) → (B, T, 6), palm lengths."""
    hands = points - points[:, :, :1]
    chirality = measure_chirality(hands.flatten(0, 1)).reshape(len(points), -1).mean(1)
    side = torch.where(chirality < 0, -1.0, 1.0)[:, None, None]
    palm = vector_lengths(hands[:, :, 9]).mean(1)[:, None, None, None]
    traced = points[:, :, TRACED_JOINTS, :2] / palm  # (B, T, 3, xy)
    return torch.cat([traced[..., 0] * side, traced[..., 1]], 2)


def _legendre_polynomials(frames: int, device: torch.device) -> Tensor:
    """Return the polynomials of degree 1 to 4 in each frame, (4, T)."""
    t = (2 * torch.arange(frames, device=device) + 1) / frames - 1  # middles of the frames
    cubic = (5 * t**3 - 3 * t) / 2
    return torch.stack([t, (3 * t**2 - 1) / 2, cubic, (35 * t**4 - 30 * t**2 + 3) / 8])
