"""From joints before a camera to the landmarks that MediaPipe Hands would detect."""

from __future__ import annotations

import numpy as np

from datamodules.simulators.hand.signers import Signer

FINGER_OF_LANDMARK = (np.arange(21) + 3) // 4  # 0: wrist
PARENT_LANDMARK = np.array([0 if k % 4 == 1 else max(k - 1, 0) for k in range(21)])


def detect_landmarks(
    joints: np.ndarray, signer: Signer, rng: np.random.Generator, noise: float
) -> np.ndarray:
    """Return MediaPipe's normalised landmarks of joints (n, frames, 21, 3), the same shape."""
    count = len(joints)
    size = signer.size * np.exp(0.1 * rng.standard_normal((count, 1, 1, 1)))
    near = signer.distance / (signer.distance + joints[..., 2:])
    middle = joints[..., :2].mean(axis=(1, 2), keepdims=True)  # the camera looks at the hand
    flat = (joints[..., :2] - middle) * near
    lean = signer.depth_lean * np.linalg.norm(flat - flat[:, :, :1], axis=-1, keepdims=True)
    depth = (joints[..., 2:] - joints[:, :, :1, 2:]) * signer.depth_gain - lean
    points = size * _add_detector_error(np.concatenate([flat, depth], axis=-1), rng, noise)
    centre = 0.5 + 0.05 * rng.standard_normal((count, 1, 1, 2))
    points[..., :2] -= points[..., :2].mean(axis=(1, 2), keepdims=True)
    points /= [signer.aspect, 1, signer.aspect]
    points[..., :2] += centre
    points[..., 2] -= points[..., :1, 2]
    return points


def _add_detector_error(points: np.ndarray, rng: np.random.Generator, noise: float) -> np.ndarray:
    """Return points (n, frames, 21, 3) with a landmark network's errors, largest when occluded."""
    occlusion = noise * _measure_occlusion(points)[..., None]
    guess = points + 0.3 * occlusion * (points[:, :, PARENT_LANDMARK] - points)
    constant = rng.standard_normal((len(points), 1, 21, 3))
    fresh = rng.standard_normal(points.shape)
    error = 0.8 * constant + 0.4 * fresh
    error = 0.8 * error + 0.6 * error[:, :, PARENT_LANDMARK]  # errors correlate along a finger
    return guess + noise * error * [0.025, 0.025, 0.06] * (1 + 2 * occlusion)


def _measure_occlusion(points: np.ndarray) -> np.ndarray:
    """Return by how much other fingers cover each point, (n, frames, 21) from 0 to 1."""
    x, y, z = np.moveaxis(points, -1, 0)
    gap = (x[..., :, None] - x[..., None, :]) ** 2 + (y[..., :, None] - y[..., None, :]) ** 2
    is_behind = z[..., :, None] - z[..., None, :] > 0.1
    covers = is_behind & (FINGER_OF_LANDMARK[:, None] != FINGER_OF_LANDMARK)
    return np.where(covers, np.exp(-gap / 0.15**2), 0).max(axis=-1)
