"""Square crops of an image, to search for small hands and faces."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import cv2
import numpy as np

MIN_SIDE = 16  # pixels of a crop


def crop_around(
    image: np.ndarray, centre: np.ndarray, side: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the square crop about ``centre`` (x, y), within the image, and its corner (x, y)."""
    size = np.array(image.shape[1::-1])
    side = max(side, MIN_SIDE)
    low = np.clip(np.rint(centre - side / 2), 0, np.maximum(size - MIN_SIDE, 0)).astype(int)
    high = np.clip(np.rint(centre + side / 2), np.minimum(low + MIN_SIDE, size), size).astype(int)
    return image[low[1] : high[1], low[0] : high[0]], low


def crop_centres(shape: tuple[int, ...], side: int) -> Iterator[np.ndarray]:
    """Yield the centres of squares that cover an image and overlap by a third or more."""
    axes = []
    for size in shape[1::-1]:
        count = 1 + math.ceil(max(0, size - side) / (side * 2 / 3))
        axes.append(np.linspace(side / 2, max(size - side / 2, side / 2), count))
    for x, y in itertools.product(*axes):
        yield np.array([x, y])


def add_border(image: np.ndarray, border: float) -> np.ndarray:
    """Return the image with a black border, in image sizes, on each side."""
    if border == 0:
        return image
    rows, columns = (round(border * size) for size in image.shape[:2])
    return cv2.copyMakeBorder(image, rows, rows, columns, columns, cv2.BORDER_CONSTANT)
