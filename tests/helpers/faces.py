"""Draw faces that MediaPipe detects."""

from __future__ import annotations

import cv2
import numpy as np

BACKGROUND = (120, 140, 160)


SKIN, SHADE, HAIR, WHITE = (214, 164, 134), (185, 135, 108), (70, 45, 35), (245, 240, 235)


def paint_face(size=160, gape=0.3):
    """Return a face, (size, size, 3) uint8 RGB, that MediaPipe detects; ``gape`` is 0 to 1."""
    image = np.full((240, 240, 3), BACKGROUND, np.uint8)

    def oval(centre, axes, colour):
        cv2.ellipse(image, centre, axes, 0, 0, 360, colour, -1, cv2.LINE_AA)

    oval((120, 105), (78, 92), HAIR)
    cv2.rectangle(image, (95, 180), (145, 240), SHADE, -1)
    oval((120, 125), (66, 86), SKIN)
    for x in (92, 148):
        for dy, axes, colour in ((0, (16, 11), SHADE), (1, (13, 7), WHITE), (1, (6, 6), HAIR)):
            oval((x, 112 + dy), axes, colour)
        cv2.ellipse(image, (x, 98), (18, 5), 0, 180, 360, HAIR, 4, cv2.LINE_AA)
    cv2.line(image, (120, 115), (118, 145), SHADE, 5, cv2.LINE_AA)
    cv2.ellipse(image, (120, 150), (14, 7), 0, 0, 180, SHADE, 3, cv2.LINE_AA)
    for x in (113, 127):
        oval((x, 151), (3, 3), (120, 75, 60))
    oval((120, 178), (26, 8 + round(12 * gape)), (170, 80, 80))
    oval((120, 178), (22, max(1, round(14 * gape))), (60, 20, 25))
    image = cv2.GaussianBlur(image, (0, 0), 2.0)
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)


def paint_scene(*faces, shape=(240, 320)):
    """Return an (H, W, 3) image with faces (x, y, size, gape) at whole pixels."""
    image = np.full((*shape, 3), BACKGROUND, np.uint8)
    for x, y, size, gape in faces:
        image[y : y + size, x : x + size] = paint_face(size, gape)
    return image


def find_center(window):
    return window.corners.mean(0)
