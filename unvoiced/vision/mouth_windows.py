"""From eyes and mouths, frame by frame, to a window on the mouth that is stable over time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

# A face's measure is the mean of the distances from eye to eye and from the eyes to the mouth. A
# window as wide as this, with its centre as much above the mouth, is framed as GRID's mouth clips.
WIDE, ABOVE = 1.86, 0.1
# Seconds of the Gaussians over time: the head moves fast, its size, tilt and proportions do not.
# The window must follow the head and not the mouth, or it would take out what the mouth does.
HEAD_S, SHAPE_S = 0.06, 0.4
MEDIAN = 5  # frames; outliers shorter than half of it go
MAX_SAMPLES = 8  # a side and window pixel, where the picture is larger than the window


@dataclass(frozen=True)
class Window:
    """A window on one picture.

    ``matrix`` is (2, 3) float64: from a place (x, y, 1) in the window to one in the picture, both
    in pixels with (0, 0) at the middle of the first. ``height`` and ``width`` are in pixels.
    """

    matrix: np.ndarray
    height: int
    width: int

    @property
    def scale(self) -> float:
        """Picture pixels a window pixel."""
        return math.hypot(*self.matrix[:, 0])

    @property
    def corners(self) -> np.ndarray:
        """(4, 2) float64, in picture pixels, clockwise from the top left one."""
        right, bottom = self.width - 0.5, self.height - 0.5
        places = np.array(
            [(-0.5, -0.5, 1), (right, -0.5, 1), (right, bottom, 1), (-0.5, bottom, 1)]
        )
        return places @ self.matrix.T

    def cut(self, picture: np.ndarray) -> np.ndarray:
        """What it shows of a (H, W) or (H, W, 3) uint8 picture, at its own size.

        Beyond the picture's edge, the edge is repeated.
        """
        samples = min(max(1, math.ceil(self.scale - 0.2)), MAX_SAMPLES)
        # Each pixel is the mean of samples x samples: a plain warp would skip picture pixels.
        step, first = 1 / samples, 0.5 / samples - 0.5
        place = np.array([[step, 0, first], [0, step, first], [0, 0, 1]])
        size = (self.width * samples, self.height * samples)
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        fine = cv2.warpAffine(
            picture, self.matrix @ place, size, flags=how, borderMode=cv2.BORDER_REPLICATE
        )
        if samples == 1:
            return fine
        return cv2.resize(fine, (self.width, self.height), interpolation=cv2.INTER_AREA)


def mouth_windows(
    points: np.ndarray, rate: float, height: int, width: int, zoom: float = 1.0
) -> list[Window]:
    """A window for every frame, those without a face among them.

    Args:
        points: (T, 3, 2) left eye, right eye and mouth, (x, y) in picture pixels; NaN where no
            face was found. Gaps are bridged in a straight line, and the ends held.
        rate: frames a second (Hz).
        height, width: of a window, pixels.
        zoom: 1 frames as GRID's mouth clips, 2.4 the lips alone.

    Raises:
        ValueError: no frame has a face.
    """
    points = _bridged(points.astype(np.float64))
    left, right, mouth = np.moveaxis(points, 1, 0)  # (T, 3, 2) → 3 x (T, 2)
    eyes, across = (left + right) / 2, right - left
    measure = (np.linalg.norm(across, axis=1) + np.linalg.norm(mouth - eyes, axis=1)) / 2
    measure = _smooth(np.maximum(measure, 1e-3), SHAPE_S * rate)
    tilt = _smooth(np.unwrap(np.arctan2(across[:, 1], across[:, 0])), SHAPE_S * rate)
    turn = np.exp(1j * tilt)
    # The mouth as the head sees it; complex numbers turn and scale at once.
    offset = (mouth - eyes) @ np.array([1, 1j]) / (turn * measure)
    offset = _smooth(offset.real, SHAPE_S * rate) + 1j * _smooth(offset.imag, SHAPE_S * rate)
    offset -= 1j * ABOVE / zoom
    heads = [_smooth(eyes[:, axis], HEAD_S * rate, "odd") for axis in (0, 1)]
    centres = heads[0] + 1j * heads[1] + offset * turn * measure
    steps = turn * measure * WIDE / (zoom * width)  # a window pixel to the right, in the picture
    return [_window(*frame, height, width) for frame in zip(centres, steps, strict=True)]


def mouth_views(
    points: np.ndarray, rate: float, height: int, width: int, zoom: float, max_gap_s: float
) -> list[Window | None]:
    """``mouth_windows``; None where the face is away for longer than ``max_gap_s`` seconds."""
    found = np.isfinite(points).all((1, 2))
    if not found.any():
        return [None] * len(points)
    usable = bridged_gaps(found, max_gap_s * rate)
    windows = mouth_windows(points, rate, height, width, zoom)
    return [window if use else None for window, use in zip(windows, usable, strict=True)]


def bridged_gaps(found: np.ndarray, longest: float) -> np.ndarray:
    """(T,) bool: the frames with a face, and those in gaps of at most ``longest`` frames."""
    usable = found.copy()
    edges = np.flatnonzero(np.diff(np.concatenate([[True], found, [True]]).astype(int)))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        usable[start:stop] = stop - start <= longest
    return usable


def fit_window(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """A ready mouth picture at a window's size.

    It is scaled to the width and keeps its shape; rows beyond ``height`` are cut off evenly at
    the top and the bottom, and missing ones repeat the edge.

    Args:
        picture: (H, W) uint8, grey.

    Returns:
        (height, width) uint8.
    """
    assert picture.ndim == 2 and picture.dtype == np.uint8, (picture.shape, picture.dtype)
    factor = width / picture.shape[1]
    if factor != 1:
        rows = max(1, round(picture.shape[0] * factor))
        how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        picture = cv2.resize(picture, (width, rows), interpolation=how)
    missing = height - picture.shape[0]
    if missing < 0:
        top = -missing // 2
        return np.ascontiguousarray(picture[top : top + height])
    above = missing // 2
    return cv2.copyMakeBorder(picture, above, missing - above, 0, 0, cv2.BORDER_REPLICATE)


def draw_mouth(picture: np.ndarray, window: Window) -> np.ndarray:
    """A copy of the (H, W, 3) uint8 picture, red first, with the window's edge on it."""
    drawn = picture.copy()
    corners = np.rint(window.corners).astype(np.int32)
    width = max(1, min(picture.shape[:2]) // 200)
    return cv2.polylines(drawn, [corners], True, (0, 255, 0), width, cv2.LINE_AA)


def _window(centre: complex, step: complex, height: int, width: int) -> Window:
    down = step * 1j
    first = centre - step * (width - 1) / 2 - down * (height - 1) / 2
    matrix = [[step.real, down.real, first.real], [step.imag, down.imag, first.imag]]
    return Window(np.array(matrix), height, width)


def _bridged(points: np.ndarray) -> np.ndarray:
    """(T, 3, 2) without NaN: straight lines over gaps, the nearest at the ends."""
    found = np.flatnonzero(np.isfinite(points).all((1, 2)))
    if not len(found):
        raise ValueError("no face found in any frame")
    frames = np.arange(len(points))
    lines = points.reshape(len(points), 6).T  # (T, 3, 2) → (6, T)
    filled = [np.interp(frames, found, line[found]) for line in lines]
    return np.stack(filled, 1).reshape(points.shape)


def _smooth(values: np.ndarray, sigma: float, trend: str = "even") -> np.ndarray:
    """(T,) through a median of a few frames, then a Gaussian of ``sigma`` frames.

    ``trend`` is "odd" where values go on beyond the ends as they come, "even" where they turn back.
    """
    padded = np.pad(values, MEDIAN // 2, mode="edge")
    values = np.median(np.lib.stride_tricks.sliding_window_view(padded, MEDIAN), axis=1)
    if len(values) == 1:
        return values
    reach = max(1, math.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma, 1e-3)) ** 2)
    padded = np.pad(values, reach, mode="reflect", reflect_type=trend)
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")
