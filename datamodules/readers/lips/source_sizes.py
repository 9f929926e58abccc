"""Images of mouths at one scale, from boxes that were each enlarged to the same width."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

LEAST_FACTOR, LARGEST_FACTOR = 2.4, 8.0  # of the enlargement; a smaller one leaves no clear trace
NEIGHBOURS = 4  # sizes either way that a size is compared with
MIN_EVIDENCE = 0.6  # of a clip; up to 0.3 in images that were not enlarged
MAX_SIDE = 160  # pixels; the search takes too long in larger images
LIPS_ZOOM = 2.4  # of a mouth window that shows the lips alone
FADE_ACROSS, FADE_DOWN = 0.12, 0.18  # shares of a box at either end that fade to grey


def restore_sizes(images: list[np.ndarray], zoom: float) -> list[np.ndarray]:
    """Scale images of a mouth back to the scale that they had to each other.

    A box around the lips that is enlarged to the same width in every frame hides how wide the
    mouth is. The median of the widths becomes as wide as a window of ``zoom`` shows the lips.

    Args:
        images: of a clip, (H, W) uint8 each; heights may differ.
        zoom: see ``MouthReader``.

    Returns:
        Images (W, W), which fade to the mean grey of the clip around the boxes; the images as they
        were if they show no trace of an enlargement.
    """
    widths = find_source_widths(images)
    if widths is None:
        return images
    grey = np.mean([image.mean() for image in images])
    shares = widths / np.median(widths) * min(1.0, zoom / LIPS_ZOOM)
    return [_place_box(*pair, grey) for pair in zip(images, shares, strict=True)]


def _place_box(image: np.ndarray, share: float, grey: float) -> np.ndarray:
    """Scale an image (H, W) by ``share``, and place it in the middle of grey → (W, W)."""
    length = image.shape[1]
    size = max(1, round(length * share)), max(1, round(image.shape[0] * share))
    method = cv2.INTER_AREA if share < 1 else cv2.INTER_LINEAR
    box = cv2.resize(image, size, interpolation=method)
    weights = np.outer(_fade_edges(size[1], FADE_DOWN), _fade_edges(size[0], FADE_ACROSS))
    box = np.rint(grey + weights * (box - grey)).astype(np.uint8)
    below, right = (length - side for side in box.shape)
    edges = max(0, below // 2), max(0, below - below // 2), max(0, right // 2)
    box = cv2.copyMakeBorder(
        *(box, *edges, max(0, right - right // 2), cv2.BORDER_CONSTANT), value=float(round(grey))
    )
    top, left = ((side - length) // 2 for side in box.shape)
    return np.ascontiguousarray(box[top : top + length, left : left + length])


def _fade_edges(length: int, share: float) -> np.ndarray:
    """Return weights (length,) that rise from 0 to 1 in a ``share`` at either end."""
    positions = np.arange(length) + 0.5
    return np.clip(np.minimum(positions, length - positions) / (share * length), 0, 1)


def find_source_widths(images: Sequence[np.ndarray]) -> np.ndarray | None:
    """Return the width of each image before bicubic interpolation enlarged it.

    An enlarged image lies in the space of images that the interpolation can give: the part of it
    outside of that space, per dimension, is smaller at the true size than at the sizes next to it,
    across and down alike.

    Args:
        images: of a clip, (H, W) uint8 each.

    Returns:
        (T,) pixels; None if the images show no such trace.
    """
    if (
        len({image.shape[1] for image in images}) != 1
        or max(max(i.shape) for i in images) > MAX_SIDE
    ):
        return None
    traces = [_find_source_width(image) for image in images]
    if np.mean([evidence for _, evidence in traces]) < MIN_EVIDENCE:
        return None
    return np.array([width for width, _ in traces])


def _find_source_width(image: np.ndarray) -> tuple[int, float]:
    """Return the likeliest width before the enlargement of an image, and its evidence."""
    pixels = image.astype(np.float32)
    pixels -= pixels.mean()
    across, down = _measure_evidence(pixels), _measure_evidence(pixels.T)
    scores = {
        width: evidence + max(down.get(height, 0.0) for height in _list_heights(width, image))
        for width, evidence in across.items()
    }
    width = max(scores, key=scores.__getitem__, default=0)
    return width, scores.get(width, 0.0)


def _list_heights(width: int, image: np.ndarray) -> tuple[int, int]:
    """Return the two heights that an image of a width may have had."""
    height = image.shape[0] * width / image.shape[1]
    return int(height), int(height) + 1


def _measure_evidence(pixels: np.ndarray) -> dict[int, float]:
    """Return how much less is left of an image (R, N) outside of each size than next to it."""
    length = pixels.shape[1]
    first, last = int(np.ceil(length / LARGEST_FACTOR)), int(length / LEAST_FACTOR)
    sizes = range(max(2, first - NEIGHBOURS), min(length - 1, last + NEIGHBOURS) + 1)
    total = float(np.square(pixels).sum())
    rest = [total - np.square(pixels @ _interpolation_basis(n, length)).sum() for n in sizes]
    logs = [np.log(max(r, 1e-3) / (length - n)) for r, n in zip(rest, sizes, strict=True)]
    around = {n: logs[max(0, i - NEIGHBOURS) : i + NEIGHBOURS + 1] for i, n in enumerate(sizes)}
    own = dict(zip(sizes, logs, strict=True))
    return {n: float(np.median(around[n]) - own[n]) for n in sizes if first <= n <= last}


@lru_cache(maxsize=2048)
def _interpolation_basis(size: int, length: int) -> np.ndarray:
    """Return an orthonormal basis (length, size) of rows that were enlarged from ``size``."""
    rows = cv2.resize(np.eye(size, dtype=np.float32), (length, size), interpolation=cv2.INTER_CUBIC)
    return np.linalg.qr(rows.T)[0]
