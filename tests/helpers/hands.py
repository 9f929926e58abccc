"""Draw hands that MediaPipe detects."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

FINGERS = (
    ((120, 185), (112, 120), (108, 70)),
    ((150, 180), (150, 105), (150, 48)),
    ((180, 185), (188, 115), (192, 62)),
    ((205, 200), (222, 145), (233, 105)),
    ((120, 250), (80, 215), (52, 180)),
)


WIDTHS = (26, 27, 26, 22, 30)


def paint_hand() -> np.ndarray:
    """Return the back of a right hand, (320, 320, 3) uint8 RGB, that MediaPipe detects."""
    image = np.full((320, 320, 3), (205, 215, 220), np.uint8)
    edge, skin = (150, 100, 75), (224, 172, 140)
    for grow, colour in ((6, edge), (0, skin)):
        _draw_limbs(image, grow, colour)
    for _, (x, y), (tip_x, tip_y) in FINGERS:  # creases and nails turn it into a hand
        cv2.line(image, (x - 9, y), (x + 9, y), edge, 1, cv2.LINE_AA)
        nail = (tip_x, tip_y - 3)
        cv2.ellipse(image, nail, (7, 9), 0, 0, 360, (240, 200, 185), -1, cv2.LINE_AA)
    return cv2.GaussianBlur(image, (0, 0), 1.2)


def _draw_limbs(image, grow, colour):
    cv2.line(image, (160, 310), (160, 240), colour, 70 + grow, cv2.LINE_AA)
    left, right = 105 - grow // 2, 218 + grow // 2
    palm = np.array([(left, 190), (150, 170), (right, 195), (205, 270), (130, 280)])
    cv2.fillPoly(image, [palm], colour, cv2.LINE_AA)
    for joints, width in zip(FINGERS, WIDTHS, strict=True):
        for start, end in pairwise(joints):
            cv2.line(image, start, end, colour, width + grow, cv2.LINE_AA)
