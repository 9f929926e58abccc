"""Simulated signers: their proportions, habits and cameras."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datamodules.readers.asl.letters import LETTERS
from datamodules.simulators.hand.poses import POSES

KNUCKLE_POSITIONS = np.array(
    [[0.24, -0.98, 0.0], [0.02, -1.0, 0.02], [-0.18, -0.93, 0.01], [-0.36, -0.79, -0.02]]
)
# Phalanx ratios roughly follow Buryanov and Kotiuk, "Proportions of hand segments", Int. J.
# Morphol. 28(3), 2010, with the soft tip added to the last phalanx.
PHALANX_LENGTHS = np.array(
    [[0.42, 0.25, 0.22], [0.45, 0.27, 0.24], [0.42, 0.26, 0.23], [0.33, 0.20, 0.19]]
)


@dataclass(frozen=True)
class Signer:
    """A signer: proportions in palm lengths, habits by class, and camera."""

    knuckles: np.ndarray  # (4, 3)
    phalanges: np.ndarray  # (4, 3)
    thumb_base: np.ndarray  # (3,)
    thumb_bones: np.ndarray  # (3,)
    is_left_handed: bool
    variant: np.ndarray  # (classes,) number of the pose that this signer uses
    flexion: np.ndarray  # (classes, 4, 3) degrees added
    splay: np.ndarray  # (classes, 4) degrees added
    thumb: np.ndarray  # (classes, 3) palm lengths added
    palm: np.ndarray  # (classes, 3) degrees added
    phase: float  # progress of a moving letter in a single image, 0 to 1
    stroke: float  # duration of a moving letter, seconds
    aspect: float  # image width by height
    distance: float  # camera to wrist, palm lengths
    size: float  # palm length by image height
    depth_gain: float  # MediaPipe's z by true depth
    depth_lean: float  # MediaPipe's bias towards the camera by distance from the wrist


def make_signer(rng: np.random.Generator) -> Signer:
    """Draw a signer."""
    count = len(LETTERS)
    scale = 1 + 0.06 * rng.standard_normal()
    weights = [np.array([pose.weight for pose in POSES[name]]) for name in LETTERS]
    return Signer(
        knuckles=KNUCKLE_POSITIONS * (1 + 0.08 * rng.standard_normal(3))
        + 0.015 * rng.standard_normal((4, 3)),
        phalanges=PHALANX_LENGTHS * scale * (1 + 0.05 * rng.standard_normal((4, 3))),
        thumb_base=[0.3, -0.25, -0.05] + 0.03 * rng.standard_normal(3),
        thumb_bones=np.array([0.46, 0.37, 0.30]) * (1 + 0.06 * rng.standard_normal(3)),
        is_left_handed=bool(rng.random() < 0.5),
        variant=np.array([rng.choice(len(w), p=w / w.sum()) for w in weights]),
        flexion=_draw_flexion_habits(rng, count),
        splay=3 * rng.standard_normal((count, 4)) + 2 * rng.standard_normal(4),
        thumb=0.07 * rng.standard_normal((count, 3)) + 0.03 * rng.standard_normal(3),
        palm=[-6.0, 6.0, -4.0]  # forearms lean in from the side and below
        + 10 * rng.standard_normal((count, 3))
        + 8 * rng.standard_normal(3),
        phase=float(rng.uniform(0.5, 1)),
        stroke=float(rng.uniform(0.5, 1.1)),
        aspect=float(rng.choice((4 / 3, 16 / 9, 1.0, 5 / 6, 3 / 4, 9 / 16))),
        distance=float(rng.uniform(4, 12)),
        size=float(rng.uniform(0.15, 0.35)),
        depth_gain=float(rng.uniform(0.35, 0.85)),
        depth_lean=float(rng.normal(0.08, 0.08)),
    )


def _draw_flexion_habits(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return degrees (count, 4, 3): of the whole hand, of each finger, and of each joint."""
    hand = 6 * rng.standard_normal((count, 1, 1)) + [5, 7, 12] * rng.standard_normal((1, 1, 3))
    finger = 8 * rng.standard_normal((count, 4, 1))
    return hand + finger + 4 * rng.standard_normal((count, 4, 3))
