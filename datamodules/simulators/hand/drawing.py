"""Drawings of the signs of the hand alphabet, as a viewer sees them."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from datamodules.readers.asl.letters import LETTERS
from datamodules.simulators.hand.kinematics import place_joints
from datamodules.simulators.hand.signers import KNUCKLE_POSITIONS, PHALANX_LENGTHS, Signer

SCALE = 4  # the drawing is made larger, and reduced for smooth edges
FINGER_WIDTHS = (0.25, 0.21, 0.21, 0.2, 0.18)  # palm lengths, thumb first
SKIN_COLOUR, LINE_COLOUR = (228, 188, 160), (96, 66, 52)  # RGB
BACKGROUND_COLOUR = (241, 245, 249)
PALM = (0, 1, 5, 9, 13, 17)


@lru_cache(maxsize=64)
def draw_sign(label: str, side: int = 240) -> np.ndarray | None:
    """Draw a sign as (side, side, 3) uint8 RGB; None for a label without a hand shape."""
    if label not in LETTERS or label == "nothing":
        return None
    joints = place_joints(
        np.array([LETTERS.index(label)]), _make_average_signer(), np.random.default_rng(0), noise=0
    )[0, 0]
    return _draw_joints(joints, side)


def _make_average_signer() -> Signer:
    """Return a right-handed signer with the textbook's shapes."""
    count = len(LETTERS)
    return Signer(
        knuckles=KNUCKLE_POSITIONS,
        phalanges=PHALANX_LENGTHS,
        thumb_base=np.array([0.3, -0.25, -0.05]),
        thumb_bones=np.array([0.46, 0.37, 0.30]),
        is_left_handed=False,
        variant=np.zeros(count, int),
        flexion=np.zeros((count, 4, 3)),
        splay=np.zeros((count, 4)),
        thumb=np.zeros((count, 3)),
        palm=np.zeros((count, 3)),
        phase=1.0,
        stroke=1.0,
        aspect=1.0,
        distance=8.0,
        size=0.25,
        depth_gain=1.0,
        depth_lean=0.0,
    )


def _draw_joints(joints: np.ndarray, side: int) -> np.ndarray:
    """Draw joints (21, 3) from the farthest to the nearest bone."""
    canvas = np.full((side * SCALE, side * SCALE, 3), BACKGROUND_COLOUR, np.uint8)
    flat = joints[:, :2]
    extent = float((flat.max(0) - flat.min(0)).max()) + max(FINGER_WIDTHS)
    unit = 0.9 * side * SCALE / extent  # pixels per palm length
    points = (flat - (flat.max(0) + flat.min(0)) / 2) * unit + side * SCALE / 2
    pixels = np.rint(points).astype(int)
    parts = [(float(joints[list(PALM), 2].mean()), -1)]
    parts += [(float(joints[[_parent(n), n], 2].mean()), n) for n in range(1, 21)]
    for _, joint in sorted(parts, reverse=True):  # z grows away from the viewer
        if joint < 0:
            _draw_palm(canvas, pixels[list(PALM)], unit)
        elif joint % 4 != 1:
            _draw_bone(canvas, pixels[_parent(joint)], pixels[joint], joint, unit)
    return cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)


def _draw_palm(canvas: np.ndarray, corners: np.ndarray, unit: float) -> None:
    hull = cv2.convexHull(corners.astype(np.int32))
    width = round(FINGER_WIDTHS[1] * unit)
    cv2.polylines(canvas, [hull], True, LINE_COLOUR, width + 2 * SCALE)
    cv2.fillPoly(canvas, [hull], SKIN_COLOUR)
    cv2.polylines(canvas, [hull], True, SKIN_COLOUR, width)


def _draw_bone(
    canvas: np.ndarray, start: np.ndarray, end: np.ndarray, joint: int, unit: float
) -> None:
    width = round(FINGER_WIDTHS[(joint - 1) // 4] * unit)
    for colour, extra in ((LINE_COLOUR, 2 * SCALE), (SKIN_COLOUR, 0)):
        cv2.line(canvas, start.tolist(), end.tolist(), colour, width + extra)
        for point in (start, end):
            cv2.circle(canvas, point.tolist(), (width + extra) // 2, colour, -1)


def _parent(joint: int) -> int:
    return 0 if joint % 4 == 1 else joint - 1
