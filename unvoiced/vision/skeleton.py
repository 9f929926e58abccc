"""The skeleton of a hand, and a drawing of it.

Joints are the landmarks of MediaPipe: 0 the wrist, then from base to tip 1-4 the thumb, 5-8 the
index, 9-12 the middle, 13-16 the ring and 17-20 the little finger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

# Of joints 1-20: the next one on the way to the wrist.
PARENT_JOINTS = [0 if joint % 4 == 1 else joint - 1 for joint in range(1, 21)]
PALM_EDGES = [(0, 1), (0, 5), (0, 17), (5, 9), (9, 13), (13, 17)]
FINGER_BONES = [(parent, joint) for joint, parent in enumerate(PARENT_JOINTS, 1) if parent]
HAND_BONES = PALM_EDGES + FINGER_BONES
STANDARD_RATIO = 4 / 3  # width over height of the image that landmarks are brought to
HAND_SIZE = 63  # numbers of a hand: 21 joints x (x, y, z)


def count_hands(shape: Sequence[int]) -> int:
    """Return the hands in a frame of landmarks of this shape; 0 for frames of other data."""
    return shape[0] // HAND_SIZE if len(shape) == 1 else 0


def has_standard_ratio(reader: Mapping[str, Any]) -> bool:
    """Return whether these settings of a reader make landmarks as of an image of 4:3."""
    return bool(reader.get("standard_ratio")) or reader.get("aspect_ratio") is not None


def standardize_ratio(landmarks: np.ndarray, aspect_ratio: float) -> np.ndarray:
    """Return landmarks as an image of 4:3 would have them, so that every camera shows one hand.

    Args:
        landmarks: of one or more hands, in any shape; x and z in image widths.
        aspect_ratio: width of the image over its height.
    """
    width = aspect_ratio / STANDARD_RATIO
    scale = np.float32([width, 1, width])
    return (landmarks.reshape(-1, 3) * scale).reshape(landmarks.shape).astype(np.float32)


def draw_hand(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Draw the bones and joints of one or two hands on a copy of the image.

    Args:
        image: (H, W, 3) uint8 RGB.
        landmarks: the numbers of a ``Hand``, in any shape; a hand of zeros is not drawn.
    """
    import cv2

    canvas, size = image.copy(), np.array(image.shape[1::-1])
    width = max(1, int(size.min()) // 200)
    for hand in landmarks.reshape(-1, 21, 3):
        points = np.rint(hand[:, :2] * size).astype(int).tolist() if hand.any() else []
        for start, end in HAND_BONES if points else ():
            cv2.line(canvas, points[start], points[end], (0, 255, 0), width, cv2.LINE_AA)
        for point in points:
            cv2.circle(canvas, point, 2 * width, (255, 0, 0), -1, cv2.LINE_AA)
    return canvas


def draw_landmarks(landmarks: np.ndarray, side: int = 240) -> np.ndarray:
    """Draw one or two hands alone, as large as fits: (side, side, 3) uint8 RGB.

    Args:
        landmarks: the numbers of a ``Hand``, in any shape; a hand of zeros is not drawn.
        side: of the drawing, pixels.
    """
    hands = landmarks.reshape(-1, 21, 3).astype(np.float64)
    is_seen = hands.any((1, 2), keepdims=True)
    points = hands[is_seen[:, 0, 0]].reshape(-1, 3)
    if not len(points):
        return np.zeros((side, side, 3), np.uint8)
    middle = (points.max(0) + points.min(0)) / 2
    extent = float((points.max(0) - points.min(0))[:2].max())
    fitted = np.where(is_seen, (hands - middle) / max(extent, 1e-6) * 0.8 + 0.5, 0)
    return draw_hand(np.zeros((side, side, 3), np.uint8), fitted)
