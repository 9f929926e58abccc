"""Faults injected into the frames of a camera: lists of (seconds, image) to the same."""

from __future__ import annotations

import cv2
import numpy as np

Frames = list[tuple[float, np.ndarray]]


def film_still(image: np.ndarray, count: int = 36, fps: float = 25.0) -> Frames:
    """Return a camera's frames of a still hand: the image with tremor and noise."""
    rng = np.random.default_rng(0)
    tremor = np.cumsum(rng.normal(0, 0.25, (count, 2)), axis=0)
    return [
        (number / fps, add_noise(shift_image(image, *offset), rng))
        for number, offset in enumerate(tremor)
    ]


def add_noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the image with the noise of a sensor."""
    return np.clip(image + rng.normal(0, 1.5, image.shape), 0, 255).astype(np.uint8)


def shift_image(image: np.ndarray, right: float, down: float) -> np.ndarray:
    """Move an image by pixels; beyond its edge, the edge is repeated."""
    matrix = np.array([[1, 0, right], [0, 1, down]], float)
    size = image.shape[1::-1]
    return cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REPLICATE)


def _map_images(frames: Frames, change) -> Frames:
    return [(seconds, np.ascontiguousarray(change(image))) for seconds, image in frames]


def scale_light(frames: Frames, factor: float) -> Frames:
    """Multiply the light."""
    return _map_images(
        frames, lambda image: np.clip(image * float(factor), 0, 255).astype(np.uint8)
    )


def light_from_behind(frames: Frames, outline: np.ndarray) -> Frames:
    """Darken the outline (N, 2), pixels, and brighten what is around it."""
    mask = np.zeros(frames[0][1].shape[:2], np.uint8)
    hull = cv2.convexHull(np.rint(outline).astype(np.int32))
    cv2.fillConvexPoly(mask, hull, 255)
    mask = cv2.dilate(mask, np.ones((15, 15), np.uint8))
    inside = cv2.GaussianBlur(mask, (0, 0), 5)[..., None] / 255

    def relight(image: np.ndarray) -> np.ndarray:
        bright = np.clip(image * 1.3 + 50, 0, 255)
        return (inside * image * 0.25 + (1 - inside) * bright).astype(np.uint8)

    return _map_images(frames, relight)


def move_away(frames: Frames, factor: float) -> Frames:
    """Shrink the image inside a scene of its own size, whose background continues its edge."""

    def shrink(image: np.ndarray) -> np.ndarray:
        small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        height, width = image.shape[:2]
        top, left = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
        bottom, right = height - small.shape[0] - top, width - small.shape[1] - left
        return cv2.copyMakeBorder(small, top, bottom, left, right, cv2.BORDER_REPLICATE)

    return _map_images(frames, shrink)


def move_near(frames: Frames, centre: np.ndarray, factor: float) -> Frames:
    """Enlarge the image around a point (x, y), pixels."""
    height, width = frames[0][1].shape[:2]
    left, top = centre - np.array([width, height]) / factor / 2
    matrix = np.array([[factor, 0, -left * factor], [0, factor, -top * factor]])
    size = (width, height)
    return _map_images(
        frames, lambda image: cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    )


def cut_edge(frames: Frames, edge: float, axis: int) -> Frames:
    """Cut the image off at a pixel: 0 the rows below, 1 the columns to the right."""
    stop = max(32, round(edge))
    return _map_images(frames, lambda image: image[:stop] if axis == 0 else image[:, :stop])


def replace_scene(frames: Frames) -> Frames:
    """Show an empty scene: a strongly blurred image without any shapes."""
    return _map_images(frames, lambda image: cv2.GaussianBlur(image, (0, 0), image.shape[1] / 6))


def add_person(frames: Frames, others: Frames) -> Frames:
    """Show two scenes beside each other."""
    joined = []
    for (seconds, image), (_, other) in zip(frames, others, strict=False):
        size = (round(other.shape[1] * image.shape[0] / other.shape[0]), image.shape[0])
        joined.append((seconds, np.hstack([image, cv2.resize(other, size)])))
    return joined


def mirror_images(frames: Frames) -> Frames:
    """Mirror the images."""
    return _map_images(frames, lambda image: image[:, ::-1])


def blur_images(frames: Frames, sigma: float) -> Frames:
    """Put the camera out of focus."""
    return _map_images(frames, lambda image: cv2.GaussianBlur(image, (0, 0), sigma))


def shake(frames: Frames, pixels: float) -> Frames:
    """Move the scene to and fro by that much from frame to frame."""
    return [
        (seconds, shift_image(image, pixels * (1 - abs(number % 4 - 2)), 0))
        for number, (seconds, image) in enumerate(frames)
    ]


def slow_down(frames: Frames, fps: float) -> Frames:
    """Give the frames at a lower rate."""
    return [(number / fps, image) for number, (_, image) in enumerate(frames)]


def make_uneven(frames: Frames) -> Frames:
    """Drop three of four frames in bursts, as a busy network does."""
    return [frame for number, frame in enumerate(frames) if number % 20 < 8 or number % 20 == 14]


def freeze(frames: Frames, after_s: float = 0.3) -> Frames:
    """Repeat one frame for the rest."""
    still = next(image for seconds, image in frames if seconds >= after_s)
    return [(s, image if s < after_s else still) for s, image in frames]


def cover(frames: Frames, low: np.ndarray, high: np.ndarray, patch: np.ndarray) -> Frames:
    """Put a patch, (h, w, 3), over the box from ``low`` to ``high`` (x, y), pixels."""

    def paste(image: np.ndarray) -> np.ndarray:
        copy = image.copy()
        top, left = max(0, int(low[1])), max(0, int(low[0]))
        area = copy[top : int(high[1]), left : int(high[0])]
        area[:] = cv2.resize(patch, area.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        return copy

    return _map_images(frames, paste)
