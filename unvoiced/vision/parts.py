"""Square parts of an image, in which small hands and faces are looked for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import cv2
import numpy as np


def part_around(
    picture: np.ndarray, centre: np.ndarray, side: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the square part about ``centre`` (x, y), as far as the image goes, and its corner."""
    size = np.array(picture.shape[1::-1])
    side = max(side, 16)
    low = np.clip(np.rint(centre - side / 2), 0, np.maximum(size - 16, 0)).astype(int)
    high = np.clip(np.rint(centre + side / 2), np.minimum(low + 16, size), size).astype(int)
    return picture[low[1] : high[1], low[0] : high[0]], low


def part_centres(shape: tuple[int, ...], side: int) -> Iterator[np.ndarray]:
    """Yield the centres of squares that cover an image; neighbours share a third or more."""
    axes = []
    for size in shape[1::-1]:
        count = 1 + math.ceil(max(0, size - side) / (side * 2 / 3))
        axes.append(np.linspace(side / 2, max(size - side / 2, side / 2), count))
    for x, y in itertools.product(*axes):
        yield np.array([x, y])


def with_border(picture: np.ndarray, border: float) -> np.ndarray:
    """Return an image with a black border, in image sizes, on each side."""
    if border == 0:
        return picture
    rows, columns = (round(border * size) for size in picture.shape[:2])
    return cv2.copyMakeBorder(picture, rows, rows, columns, columns, cv2.BORDER_CONSTANT)
