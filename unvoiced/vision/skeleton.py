"""The skeleton of a hand, and a drawing of it.

Joints are the landmarks of MediaPipe: 0 the wrist, then from base to tip 1-4 the thumb, 5-8 the
index, 9-12 the middle, 13-16 the ring and 17-20 the little finger.
"""

from __future__ import annotations

import numpy as np

# Of joints 1-20: the next one on the way to the wrist.
PARENT_JOINTS = [0 if joint % 4 == 1 else joint - 1 for joint in range(1, 21)]
PALM_EDGES = [(0, 1), (0, 5), (0, 17), (5, 9), (9, 13), (13, 17)]
FINGER_BONES = [(parent, joint) for joint, parent in enumerate(PARENT_JOINTS, 1) if parent]
HAND_BONES = PALM_EDGES + FINGER_BONES


def draw_hand(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Draw the bones and joints of a hand on a copy of the image.

    Args:
        image: (H, W, 3) uint8 RGB.
        landmarks: the 63 numbers of a ``Hand``, in any shape.
    """
    import cv2

    canvas, size = image.copy(), np.array(image.shape[1::-1])
    points = np.rint(landmarks.reshape(21, 3)[:, :2] * size).astype(int).tolist()
    width = max(1, int(size.min()) // 200)
    for start, end in HAND_BONES:
        cv2.line(canvas, points[start], points[end], (0, 255, 0), width, cv2.LINE_AA)
    for point in points:
        cv2.circle(canvas, point, 2 * width, (255, 0, 0), -1, cv2.LINE_AA)
    return canvas


def draw_landmarks(landmarks: np.ndarray, side: int = 240) -> np.ndarray:
    """Draw a hand alone, as large as fits: (side, side, 3) uint8 RGB.

    Args:
        landmarks: the 63 numbers of a ``Hand``, in any shape.
        side: of the drawing, pixels.
    """
    points = landmarks.reshape(21, 3).astype(np.float64)
    middle = (points.max(0) + points.min(0)) / 2
    extent = float((points.max(0) - points.min(0))[:2].max())
    fitted = (points - middle) / max(extent, 1e-6) * 0.8 + 0.5
    return draw_hand(np.zeros((side, side, 3), np.uint8), fitted)
