"""Windows on the mouth that are stable over time, from eye and mouth positions per frame."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

# The unit of a face is the mean of the distances from eye to eye and from the eyes to the mouth. A
# window of this width, with its centre this far above the mouth, is framed like GRID's mouth clips.
WINDOW_WIDTH, CENTRE_ABOVE_MOUTH = 1.86, 0.1
# Standard deviations in seconds of the Gaussians over time: the head moves fast; its size, tilt and
# proportions do not. The window must follow the head and not the mouth, or it would remove the
# movement of the mouth.
HEAD_SMOOTHING_S, SHAPE_SMOOTHING_S = 0.06, 0.4
MEDIAN_FRAMES = 5  # outliers shorter than half of this are removed


def has_restored_sizes(reader: Mapping[str, Any]) -> bool:
    """Return whether these settings of a reader bring boxes around the lips to one scale."""
    return bool(reader.get("restore_size")) and reader.get("crop") != "mouth"


@dataclass(frozen=True)
class MouthWindow:
    """A window on one image.

    Attributes:
        matrix: (2, 3) float64, maps a position (x, y, 1) in the window to one in the image, both
            in pixels with (0, 0) at the centre of the first.
        height, width: of the window, pixels.
    """

    matrix: np.ndarray
    height: int
    width: int

    @property
    def scale(self) -> float:
        """Image pixels per window pixel."""
        return math.hypot(*self.matrix[:, 0])

    @property
    def corners(self) -> np.ndarray:
        """(4, 2) float64, in image pixels, clockwise from the top left."""
        right, bottom = self.width - 0.5, self.height - 0.5
        positions = [(-0.5, -0.5, 1), (right, -0.5, 1), (right, bottom, 1), (-0.5, bottom, 1)]
        return np.array(positions) @ self.matrix.T

    def crop_image(self, image: np.ndarray) -> np.ndarray:
        """Cut the window out of a (H, W) or (H, W, 3) uint8 image, at the window's own size.

        Beyond the image, its edge is repeated.
        """
        samples = min(max(1, math.ceil(self.scale - 0.2)), 8)
        # Each pixel is the mean of samples x samples: a plain warp would skip image pixels.
        step, first = 1 / samples, 0.5 / samples - 0.5
        grid = np.array([[step, 0, first], [0, step, first], [0, 0, 1]])
        size = (self.width * samples, self.height * samples)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        fine = cv2.warpAffine(
            image, self.matrix @ grid, size, flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        if samples == 1:
            return fine
        return cv2.resize(fine, (self.width, self.height), interpolation=cv2.INTER_AREA)


def fit_mouth_windows(
    points: np.ndarray, fps: float, height: int, width: int, zoom: float = 1.0
) -> list[MouthWindow]:
    """Return a window for every frame, with or without a face.

    Args:
        points: (T, 3, 2) left eye, right eye and mouth, (x, y) in image pixels; NaN if no face was
            found. Gaps are interpolated, and the ends extended.
        fps: frames per second.
        height, width: of a window, pixels.
        zoom: 1 frames like GRID's mouth clips, 2.4 the lips alone.

    Raises:
        ValueError: no frame has a face.
    """
    points = _interpolate_gaps(points.astype(np.float64))
    left, right, mouth = np.moveaxis(points, 1, 0)  # (T, 3, 2) → 3 x (T, 2)
    eyes, across = (left + right) / 2, right - left
    unit = (np.linalg.norm(across, axis=1) + np.linalg.norm(mouth - eyes, axis=1)) / 2
    head_sigma, shape_sigma = HEAD_SMOOTHING_S * fps, SHAPE_SMOOTHING_S * fps  # frames
    unit = _smooth_curve(np.maximum(unit, 1e-3), shape_sigma)
    tilt = _smooth_curve(np.unwrap(np.arctan2(across[:, 1], across[:, 0])), shape_sigma)
    rotation = np.exp(1j * tilt)
    # The mouth in the head's coordinates; complex numbers rotate and scale at once.
    offset = (mouth - eyes) @ np.array([1, 1j]) / (rotation * unit)
    offset = _smooth_curve(offset.real, shape_sigma) + 1j * _smooth_curve(offset.imag, shape_sigma)
    offset -= 1j * CENTRE_ABOVE_MOUTH / zoom
    heads = [_smooth_curve(eyes[:, axis], head_sigma, "odd") for axis in (0, 1)]
    centres = heads[0] + 1j * heads[1] + offset * rotation * unit
    steps = rotation * unit * WINDOW_WIDTH / (zoom * width)  # a window pixel to the right
    return [_build_window(*frame, height, width) for frame in zip(centres, steps, strict=True)]


def find_mouth_windows(
    points: np.ndarray, fps: float, height: int, width: int, zoom: float, max_gap_s: float
) -> list[MouthWindow | None]:
    """Return ``fit_mouth_windows``, with None in gaps without a face longer than ``max_gap_s``."""
    has_face = np.isfinite(points).all((1, 2))
    if not has_face.any():
        return [None] * len(points)
    usable = fill_short_gaps(has_face, max_gap_s * fps)
    windows = fit_mouth_windows(points, fps, height, width, zoom)
    return [window if use else None for window, use in zip(windows, usable, strict=True)]


def fill_short_gaps(has_face: np.ndarray, max_frames: float) -> np.ndarray:
    """Return (T,) bool, true for frames with a face and in gaps of at most ``max_frames``."""
    usable = has_face.copy()
    edges = np.flatnonzero(np.diff(np.concatenate([[True], has_face, [True]]).astype(int)))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        usable[start:stop] = stop - start <= max_frames
    return usable


def fit_mouth_image(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Fit an image of a mouth to a window's size.

    It is scaled to the width and keeps its aspect ratio; rows beyond ``height`` are cut off evenly
    at the top and the bottom, and missing rows repeat the edge.

    Args:
        image: (H, W) uint8, grey.
        height, width: of the result, pixels.

    Returns:
        (height, width) uint8.
    """
    assert image.ndim == 2 and image.dtype == np.uint8, (image.shape, image.dtype)
    factor = width / image.shape[1]
    if factor != 1:
        rows = max(1, round(image.shape[0] * factor))
        interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        image = cv2.resize(image, (width, rows), interpolation=interpolation)
    missing = height - image.shape[0]
    if missing < 0:
        top = -missing // 2
        return np.ascontiguousarray(image[top : top + height])
    above = missing // 2
    return cv2.copyMakeBorder(image, above, missing - above, 0, 0, cv2.BORDER_REPLICATE)


def draw_mouth(image: np.ndarray, window: MouthWindow) -> np.ndarray:
    """Draw the window's edge on a copy of the (H, W, 3) uint8 RGB image."""
    corners = np.rint(window.corners).astype(np.int32)
    width = max(1, min(image.shape[:2]) // 200)
    return cv2.polylines(image.copy(), [corners], True, (0, 255, 0), width, cv2.LINE_AA)


def _build_window(centre: complex, step: complex, height: int, width: int) -> MouthWindow:
    down = step * 1j
    first = centre - step * (width - 1) / 2 - down * (height - 1) / 2
    matrix = [[step.real, down.real, first.real], [step.imag, down.imag, first.imag]]
    return MouthWindow(np.array(matrix), height, width)


def _interpolate_gaps(points: np.ndarray) -> np.ndarray:
    """Return (T, 3, 2) without NaN: linear over gaps, the nearest values at the ends."""
    found = np.flatnonzero(np.isfinite(points).all((1, 2)))
    if not len(found):
        raise ValueError("no face found in any frame")
    frames = np.arange(len(points))
    lines = points.reshape(len(points), 6).T  # (T, 3, 2) → (6, T)
    filled = [np.interp(frames, found, line[found]) for line in lines]
    return np.stack(filled, 1).reshape(points.shape)


def _smooth_curve(values: np.ndarray, sigma: float, reflection: str = "even") -> np.ndarray:
    """Smooth (T,) with a median of a few frames, then a Gaussian of ``sigma`` frames.

    ``reflection`` beyond the ends is "odd" (continues the trend) or "even" (turns back).
    """
    padded = np.pad(values, MEDIAN_FRAMES // 2, mode="edge")
    values = np.median(np.lib.stride_tricks.sliding_window_view(padded, MEDIAN_FRAMES), axis=1)
    if len(values) == 1:
        return values
    reach = max(1, math.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma, 1e-3)) ** 2)
    padded = np.pad(values, reach, mode="reflect", reflect_type=reflection)
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")
