"""Hands that sign nothing: random poses of slack or half bent fingers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from datamodules.readers.asl.letters import LETTERS
from datamodules.simulators.hand.camera import detect_landmarks
from datamodules.simulators.hand.kinematics import place_joints
from datamodules.simulators.hand.poses import POSES
from datamodules.simulators.hand.signers import Signer

BASE = LETTERS.index("B")  # straight fingers; other poses bend them
HABITS = ("flexion", "splay", "thumb", "palm")
CURL_RATIO = np.array([1.0, 1.15, 0.65])  # of knuckle, middle and end joint
CURL, TURN = (10.0, 50.0), 40.0  # degrees of a slack hand: flexion, deviation of its orientation


@dataclass(frozen=True)
class PoseRange:
    """Random poses about a mean pose, in degrees.

    Attributes:
        flexion: mean of knuckle, middle joint and end joint.
        bend: deviation of the flexion.
        palm: mean orientation.
        turn: deviation of the orientation.
    """

    flexion: tuple[float, ...]
    bend: float
    palm: tuple[float, ...]
    turn: float


def place_pose(
    signer: Signer,
    rng: np.random.Generator,
    poses: PoseRange,
    frames: int = 1,
    fps: float = 30.0,
    noise: float = 1.0,
) -> np.ndarray:
    """Return the joints (frames, 21, 3) of a hand in one of the poses."""
    base = POSES[LETTERS[BASE]][signer.variant[BASE]]
    own = replace(signer, **{name: getattr(signer, name).copy() for name in HABITS})
    straight = np.array([base.index, base.middle, base.ring, base.pinky])
    own.flexion[BASE] = np.array(poses.flexion) - straight
    deviation = rng.standard_normal() + rng.standard_normal((4, 3))
    own.flexion[BASE] += poses.bend * deviation / np.sqrt(2)
    own.splay[BASE] = 4 * rng.standard_normal(4)
    own.thumb[BASE] = [0.3, 0.1, 0.1] + 0.2 * rng.standard_normal(3)
    own.palm[BASE] = poses.palm - np.array(base.palm) + poses.turn * rng.standard_normal(3)
    return place_joints(np.array([BASE]), own, rng, frames, fps, noise)[0]


def simulate_rest(
    count: int,
    signer: Signer,
    rng: np.random.Generator,
    frames: int = 1,
    fps: float = 30.0,
    noise: float = 1.0,
) -> np.ndarray:
    """Return landmarks (count, frames, 63) float32 of a signer's slack hand."""
    joints = np.stack(
        [place_pose(signer, rng, _draw_range(rng), frames, fps, noise) for _ in range(count)]
    )
    landmarks = detect_landmarks(joints, signer, rng, noise)
    return landmarks.reshape(count, frames, 63).astype(np.float32)


def _draw_range(rng: np.random.Generator) -> PoseRange:
    flexion = rng.uniform(*CURL) * CURL_RATIO
    return PoseRange(tuple(flexion), rng.uniform(5, 20), (0, rng.uniform(-20, 40), 0), TURN)
