"""A hand's bones and joints, drawn."""

from __future__ import annotations

import cv2
import numpy as np

BONES = (
    *((0, 1), (1, 2), (2, 3), (3, 4), (0, 5), (5, 6), (6, 7), (7, 8), (5, 9), (9, 10), (10, 11)),
    *((11, 12), (9, 13), (13, 14), (14, 15), (15, 16), (13, 17), (0, 17), (17, 18), (18, 19)),
    (19, 20),
)


def draw_hand(picture: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """A copy of the (height, width, 3) picture with the hand's bones and joints on it.

    Args:
        picture: uint8, red first.
        landmarks: 63 numbers as ``HandLandmarks`` gives them, in any shape.
    """
    drawn, size = picture.copy(), np.array(picture.shape[1::-1])
    points = np.rint(landmarks.reshape(21, 3)[:, :2] * size).astype(int).tolist()
    width = max(1, int(size.min()) // 200)
    for start, end in BONES:
        cv2.line(drawn, points[start], points[end], (0, 255, 0), width, cv2.LINE_AA)
    for point in points:
        cv2.circle(drawn, point, 2 * width, (255, 0, 0), -1, cv2.LINE_AA)
    return drawn
