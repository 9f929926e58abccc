"""The icons of the app, drawn: a hand of bones and joints on the page's colour."""

from __future__ import annotations

import cv2
import numpy as np

from unvoiced.vision.skeleton import HAND_BONES

BACKGROUND, LINES, JOINTS = (110, 118, 15), (255, 255, 255), (191, 212, 45)  # BGR
# The open hand of the drawing, x and y of the 21 joints, in tenths of the icon.
JOINT_PLACES = (
    *((5.0, 7.8), (4.0, 7.2), (3.3, 6.4), (2.8, 5.7), (2.4, 5.1)),
    *((4.1, 5.3), (3.9, 4.2), (3.8, 3.4), (3.7, 2.7)),
    *((4.9, 5.1), (4.9, 3.9), (4.9, 3.0), (4.9, 2.2)),
    *((5.7, 5.3), (5.9, 4.2), (6.0, 3.4), (6.1, 2.7)),
    *((6.4, 5.8), (6.8, 5.0), (7.1, 4.4), (7.3, 3.8)),
)


def draw_icon(side: int) -> bytes:
    """Return a PNG of (side, side) pixels; its margin may be cut off."""
    image = np.full((side, side, 3), BACKGROUND, np.uint8)
    points = np.rint(np.array(JOINT_PLACES) * side / 10).astype(int).tolist()
    width = max(1, side // 40)
    for start, end in HAND_BONES:
        cv2.line(image, points[start], points[end], LINES, width, cv2.LINE_AA)
    for point in points:
        cv2.circle(image, point, round(1.2 * width), JOINTS, -1, cv2.LINE_AA)
    return cv2.imencode(".png", image)[1].tobytes()
