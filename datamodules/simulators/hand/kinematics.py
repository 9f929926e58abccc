"""From poses to the joints of a moving hand.

The hand frame of a right hand, in palm lengths (wrist to middle knuckle): x across the palm towards
the thumb, y down so that straight fingers point to -y, z away from the viewer so that the palm
faces -z. The image uses the same axes, so a pose without rotation shows its palm to the camera.
"""

from __future__ import annotations

import numpy as np

from datamodules.readers.asl.letters import LETTERS
from datamodules.simulators.hand.poses import FLEXION_LIMITS, POSES, SPLAY_LIMIT, Pose
from datamodules.simulators.hand.signers import Signer

CURL_TILT = np.array([-0.08, 0.0, 0.1, 0.2])  # curled fingers lean towards the scaphoid
HELD_SHARE = 0.3  # of the moving letters: also in clips, some people hold them
DRIFT_SPEED, SWAY = 0.3, 0.1  # of a hand that holds a sign: palm lengths a second, palm lengths
FULL_THUMB_BEND = np.radians([65.0, 85.0])  # knuckle and end joint


def place_joints(
    classes: np.ndarray,
    signer: Signer,
    rng: np.random.Generator,
    frames: int = 1,
    fps: float = 30.0,
    noise: float = 1.0,
) -> np.ndarray:
    """Return joints (n, frames, 21, 3) before the camera, in palm lengths and the image's axes."""
    poses = [POSES[LETTERS[k]][signer.variant[k]] for k in classes]
    count = len(poses)
    fingers = _bend_fingers(signer, *_draw_finger_angles(poses, classes, signer, rng, noise))
    targets = _draw_thumb_targets(poses, classes, signer, fingers, rng, noise)
    thumb = _reach_thumb(signer, targets)
    wrist = np.zeros((count, 1, 3))
    hand = np.concatenate([wrist, thumb, fingers.reshape(count, 16, 3)], axis=1)
    progress = _draw_progress(signer, rng, count, frames, fps)
    rotations = _draw_rotations(poses, classes, signer, progress, rng, noise)
    joints = np.einsum("nfij,nkj->nfki", rotations, hand)
    draws_z = np.array([pose.draws_z for pose in poses])
    joints += draws_z[:, None, None, None] * _trace_z(progress)[:, :, None]
    if frames > 1:
        joints += noise * _draw_drift(rng, count, frames, fps)[:, :, None]
    return joints * [-1, 1, 1] if signer.is_left_handed else joints


def _draw_finger_angles(
    poses: list[Pose], classes: np.ndarray, signer: Signer, rng: np.random.Generator, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return flexion (n, 4, 3) and splay (n, 4) in radians, within the joints' limits."""
    count = len(poses)
    flexion = np.array([(p.index, p.middle, p.ring, p.pinky) for p in poses], dtype=float)
    flexion += signer.flexion[classes] + noise * 3 * rng.standard_normal((count, 4, 1))
    flexion += noise * 2 * rng.standard_normal((count, 4, 3))
    splay = np.array([p.splay for p in poses], dtype=float)
    splay += signer.splay[classes] + noise * 1.5 * rng.standard_normal((count, 4))
    flexion = np.clip(flexion, *FLEXION_LIMITS)
    # The collateral ligaments tighten as a knuckle bends, so that a bent finger hardly spreads.
    splay = np.clip(splay, -SPLAY_LIMIT, SPLAY_LIMIT) * np.cos(np.radians(flexion[..., 0]))
    return np.radians(flexion), np.radians(splay)


def _bend_fingers(signer: Signer, flexion: np.ndarray, splay: np.ndarray) -> np.ndarray:
    """Return joints (n, 4, 4, 3): knuckle, middle joint, end joint and tip of each finger."""
    sine, cosine = np.sin(splay), np.cos(splay)
    straight = np.stack([sine, -cosine, np.zeros_like(sine)], axis=-1)
    curl = np.stack([CURL_TILT * cosine, CURL_TILT * sine, -np.ones_like(sine)], axis=-1)
    curl /= np.linalg.norm(curl, axis=-1, keepdims=True)
    total = np.cumsum(flexion, axis=-1)[..., None]
    bones = np.cos(total) * straight[:, :, None] + np.sin(total) * curl[:, :, None]
    joints = signer.knuckles[:, None] + np.cumsum(bones * signer.phalanges[..., None], axis=2)
    knuckles = np.broadcast_to(signer.knuckles[:, None], (len(joints), 4, 1, 3))
    return np.concatenate([knuckles, joints], axis=2)


def _draw_thumb_targets(
    poses: list[Pose],
    classes: np.ndarray,
    signer: Signer,
    fingers: np.ndarray,
    rng: np.random.Generator,
    noise: float,
) -> np.ndarray:
    """Return where the thumb tips rest, (n, 3) in palm lengths."""
    count = len(poses)
    anchors = np.array([pose.thumb[0] for pose in poses]) - 5  # finger joints start at landmark 5
    offsets = np.array([pose.thumb[1:] for pose in poses]) + signer.thumb[classes]
    offsets += noise * 0.03 * rng.standard_normal((count, 3))
    return fingers.reshape(count, 16, 3)[np.arange(count), anchors] + offsets * [1, -1, -1]


def _reach_thumb(signer: Signer, target: np.ndarray) -> np.ndarray:
    """Return joints (n, 4, 3) of a thumb with its tip as near its target (n, 3) as possible."""
    reach = target - signer.thumb_base
    distance = np.linalg.norm(reach, axis=-1, keepdims=True)
    bend = np.linspace(1, 0, 64)  # from fully bent, when the tip is nearest the base, to straight
    spans = np.hypot(*_bend_thumb(signer.thumb_bones, bend)[:, :, -1])
    bend = np.interp(distance[:, 0], spans, bend)
    along, bulge = _bend_thumb(signer.thumb_bones, bend)  # (n, 3) each
    angle = np.arctan2(bulge[:, -1:], along[:, -1:])
    forward = along * np.cos(angle) + bulge * np.sin(angle)
    outward = along * np.sin(angle) - bulge * np.cos(angle)
    axis = reach / np.maximum(distance, 1e-6)
    side = _bulge_direction(axis)
    joints = forward[..., None] * axis[:, None] + outward[..., None] * side[:, None]
    base = np.zeros((len(joints), 1, 3))
    return signer.thumb_base + np.concatenate([base, joints], axis=1)


def _bend_thumb(bones: np.ndarray, bend: np.ndarray) -> np.ndarray:
    """Return planar joints (2, n, 3), along and across, of thumbs bent by (n,) of their range."""
    first, second = FULL_THUMB_BEND[:, None] * bend
    angles = np.stack([np.zeros_like(bend), first, first + second], axis=-1)
    return np.cumsum(np.stack([np.cos(angles), np.sin(angles)]) * bones, axis=-1)


def _bulge_direction(axis: np.ndarray) -> np.ndarray:
    """Return unit vectors (n, 3) square to the thumb's axis, towards its bent knuckle."""
    hint = np.array([0.7, -0.4, -0.4])  # to the thumb side and out of the palm
    side = hint - (axis @ hint)[:, None] * axis
    return side / np.maximum(np.linalg.norm(side, axis=-1, keepdims=True), 1e-6)


def _draw_progress(
    signer: Signer, rng: np.random.Generator, count: int, frames: int, fps: float
) -> np.ndarray:
    """Return the progress of the letter in each frame, (n, frames) from 0 to 1."""
    # For a still image, signers hold a moving letter, each at another moment.
    still = np.clip(signer.phase + 0.1 * rng.standard_normal((count, 1)), 0, 1)
    if frames == 1:
        return still
    # A sample shows at least half of the stroke, or of itself where it is shorter.
    seconds, least = frames / fps, min(frames / fps, signer.stroke) / 2
    start = rng.uniform(least - signer.stroke, seconds - least, (count, 1))
    share = np.clip((np.arange(frames) / fps - start) / signer.stroke, 0, 1)
    moving = share * share * (3 - 2 * share)  # starts and ends at rest
    return np.where(rng.random((count, 1)) < HELD_SHARE, still, moving)


def _draw_drift(rng: np.random.Generator, count: int, frames: int, fps: float) -> np.ndarray:
    """Return how hands that are not quite still move, (n, frames, 3) in palm lengths."""
    seconds = (np.arange(frames) / fps)[:, None]
    speed = DRIFT_SPEED * rng.standard_normal((count, 1, 3))
    sway = SWAY * rng.standard_normal((count, 1, 3))
    rate = rng.uniform(0.3, 1.5, (count, 1, 1))  # Hz
    phase = rng.uniform(0, 2 * np.pi, (count, 1, 3))
    return speed * seconds + sway * np.sin(2 * np.pi * rate * seconds + phase)


def _trace_z(progress: np.ndarray) -> np.ndarray:
    """Return the offset of the hand while it draws a Z, (..., 3) in palm lengths."""
    knots = [0, 0.3, 0.7, 1]
    across = np.interp(progress, knots, [0.6, -0.6, 0.6, -0.6])
    down = np.interp(progress, knots, [-0.5, -0.5, 0.5, 0.5])
    return np.stack([across, down, np.zeros_like(across)], axis=-1)


def _draw_rotations(
    poses: list[Pose],
    classes: np.ndarray,
    signer: Signer,
    progress: np.ndarray,
    rng: np.random.Generator,
    noise: float,
) -> np.ndarray:
    """Return the rotation of the hand in each frame, (n, frames, 3, 3)."""
    palm = np.array([pose.palm for pose in poses]) + signer.palm[classes]
    palm = palm + noise * 5 * rng.standard_normal((len(poses), 3))
    turn = np.array([pose.turn for pose in poses])
    angles = palm[:, None] + progress[..., None] * turn[:, None]
    angles = angles + noise * 0.5 * rng.standard_normal(angles.shape)  # tremor
    yaw, pitch, roll = np.moveaxis(np.radians(angles), -1, 0)
    return _rotate_about(2, roll) @ _rotate_about(0, -pitch) @ _rotate_about(1, -yaw)


def _rotate_about(axis: int, angle: np.ndarray) -> np.ndarray:
    """Return rotations (..., 3, 3) by ``angle`` radians, from the second next axis to the next."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.zeros((*angle.shape, 3, 3))
    matrix[..., axis, axis] = 1
    matrix[..., first, first] = matrix[..., second, second] = np.cos(angle)
    matrix[..., first, second] = np.sin(angle)
    matrix[..., second, first] = -np.sin(angle)
    return matrix
