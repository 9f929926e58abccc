"""Whole recordings to one prediction: a function per kind of recording.

A ``TaskSpec`` names one of them; what it needs is imported inside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from unvoiced.recognizer import NOTHING, Reading, Recognizer


def read_frames(recognizer: Recognizer, frames: np.ndarray, fps: float | None) -> Reading:
    """Read frames (T, *frame_shape), or one of them, as a prepared set stores them.

    Raises:
        ValueError: an array of another shape, or no frames.
    """
    frames, shape = np.asarray(frames), tuple(recognizer.about["frame"]["shape"])
    if frames.shape == shape:
        frames = frames[None]
    if frames.shape[1:] != shape or not len(frames):
        raise ValueError(f"an array of shape {frames.shape}; expected (frames, *{shape})")
    signal = frames.astype(recognizer.about["frame"]["dtype"])
    return recognizer.reading(recognizer.probabilities(signal), signal=signal)


def read_hand(recognizer: Recognizer, shown: np.ndarray, fps: float | None) -> Reading:
    """Read the hand of an image (H, W, 3), RGB uint8, or landmarks (63,) or (T, 63).

    Raises:
        ValueError: an array of another shape, or an image that is too large.
    """
    if not _is_image(shown):
        return recognizer.reading(recognizer.probabilities(_to_landmarks(shown)))
    from unvoiced.vision.hands import shared_hand_landmarker
    from unvoiced.vision.models import locate_hand_model
    from unvoiced.vision.skeleton import draw_hand

    path = str(locate_hand_model(recognizer.model))
    finder = shared_hand_landmarker(path, recognizer.min_confidence)
    hand = finder.read(shown)
    if hand is None:
        return NOTHING
    seen = draw_hand(shown, hand.landmarks)
    return recognizer.reading(recognizer.probabilities(hand.landmarks[None]), seen)


def _is_image(shown: Any) -> bool:
    return getattr(shown, "ndim", 0) == 3 and shown.shape[2] == 3 and shown.dtype == np.uint8


def _to_landmarks(shown: Any) -> np.ndarray:
    """Return landmarks as (T, 63) float32."""
    points = np.asarray(shown, np.float32)
    if points.shape == (21, 3) or points.ndim == 1:
        points = points.reshape(1, -1)
    if points.ndim != 2 or points.shape[1] != 63:
        raise ValueError(
            f"an array of shape {points.shape}, which is neither a picture (height, width, 3) "
            "uint8 nor landmarks (63,) or (T, 63)"
        )
    return points


def read_mouth(recognizer: Recognizer, shown: Iterable[np.ndarray], fps: float | None) -> Reading:
    """Read images of a face (H, W, 3), RGB uint8, or grey mouths (T, h, w) as prepared.

    Raises:
        ValueError: an array of another shape, or an image that is too large.
    """
    from unvoiced.eyes import MouthEye

    images = [np.asarray(image) for image in shown]
    if images and images[0].ndim == 2:
        return _read_crops(recognizer, np.stack(images))
    eye = MouthEye(recognizer, np.inf)
    for number, image in enumerate(images):
        eye.push(image, number / (fps or eye.rate))
    crops = eye.mouths()
    return _read_crops(recognizer, crops) if len(crops) else NOTHING


def _read_crops(recognizer: Recognizer, crops: np.ndarray) -> Reading:
    """Read grey mouths (T, h, w) uint8."""
    expected = tuple(recognizer.about["frame"]["shape"])
    if crops.shape[1:] != expected or crops.dtype != np.uint8:
        raise ValueError(
            f"mouths of shape {crops.shape[1:]}, {crops.dtype}; the model reads {expected}, uint8"
        )
    middle = np.repeat(crops[len(crops) // 2][..., None], 3, axis=2)
    return recognizer.reading(recognizer.probabilities(crops), middle)


def read_emg(recognizer: Recognizer, counts: np.ndarray, sample_rate: float | None) -> Reading:
    """Read a recording (T, C) of EMG as recorded, at a sample rate in Hz.

    Raises:
        ValueError: an array of another shape, or a recording of bad quality.
    """
    from unvoiced.muscles import signal_of

    signal = signal_of(np.asarray(counts), recognizer.about, sample_rate)
    text, probability = recognizer.text(signal)
    return Reading(text, probability, ((text, probability),), signal=signal)
