"""Whether a hand keeps its shape: of landmarks over time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from unvoiced.streams.decisions import TOLERANCE_S
from unvoiced.vision.skeleton import HAND_SIZE

STILL_SHARE = 0.8  # of the frames of a hold; the others may be faults of the detector
MAX_FRAMES = 1_000  # that are remembered


class ShapeHistory:
    """The shapes of a hand in the last seconds.

    Args:
        keep_s: seconds.
        max_change: mean distance of the joints, in palm lengths, up to which shapes are the same.
    """

    def __init__(self, keep_s: float, max_change: float) -> None:
        self.keep_s, self.max_change = keep_s, max_change
        self._shapes: deque[tuple[float, np.ndarray]] = deque(maxlen=MAX_FRAMES)

    def push(self, landmarks: np.ndarray | None, seconds: float) -> None:
        """Add the landmarks (63 per hand,) at a time of the stream; None: no hand, forget all."""
        if landmarks is None:
            self._shapes.clear()
            return
        self._shapes.append((seconds, normalize_shape(landmarks)))
        while seconds - self._shapes[0][0] > self.keep_s + TOLERANCE_S:
            self._shapes.popleft()

    def is_still(self) -> bool:
        """Return whether nearly all shapes are that of the last frame."""
        if not self._shapes:
            return True
        shapes = np.stack([shape for _, shape in self._shapes])
        changes = np.linalg.norm(shapes - shapes[-1], axis=2).mean(1)
        return bool((changes <= self.max_change).mean() >= STILL_SHARE)


def measure_changes(hands: Sequence[np.ndarray], last: np.ndarray) -> np.ndarray:
    """Return the mean distance of the joints of hands from those of the last, in palm lengths."""
    shapes = np.stack([normalize_shape(points) for points in hands])  # (T, 21 * hands, 2)
    return np.linalg.norm(shapes - normalize_shape(last), axis=2).mean(1)


def normalize_shape(landmarks: np.ndarray) -> np.ndarray:
    """Return the image points (21 * hands, 2), each hand from its wrist in palm lengths."""
    hands = landmarks.reshape(-1, HAND_SIZE // 3, 3)[..., :2]
    hands = hands - hands[:, :1]
    palms = np.linalg.norm(hands[:, [5, 9, 13, 17]], axis=2).mean(1)[:, None, None]
    return (hands / np.maximum(palms, 1e-6)).reshape(-1, 2)
