"""Bones of a hand, and a drawing of them."""

from __future__ import annotations

import cv2
import numpy as np

HAND_BONES = (  # pairs of the 21 landmarks
    *((0, 1), (1, 2), (2, 3), (3, 4), (0, 5), (5, 6), (6, 7), (7, 8), (5, 9), (9, 10), (10, 11)),
    *((11, 12), (9, 13), (13, 14), (14, 15), (15, 16), (13, 17), (0, 17), (17, 18), (18, 19)),
    (19, 20),
)


def draw_hand(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Draw the bones and joints of a hand on a copy of the image.

    Args:
        image: (H, W, 3) uint8 RGB.
        landmarks: the 63 numbers of a ``Hand``, in any shape.
    """
    canvas, size = image.copy(), np.array(image.shape[1::-1])
    points = np.rint(landmarks.reshape(21, 3)[:, :2] * size).astype(int).tolist()
    width = max(1, int(size.min()) // 200)
    for start, end in HAND_BONES:
        cv2.line(canvas, points[start], points[end], (0, 255, 0), width, cv2.LINE_AA)
    for point in points:
        cv2.circle(canvas, point, 2 * width, (255, 0, 0), -1, cv2.LINE_AA)
    return canvas
