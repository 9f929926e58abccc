"""Whole recordings to one prediction: a function per kind of recording.

A ``TaskSpec`` names one of them; each imports its libraries when it is called.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from unvoiced.readings import NO_READING, Reading
from unvoiced.recognizer import Recognizer
from unvoiced.tasks import TaskSpec


def convert_bgr(spec: TaskSpec, recording: Any) -> Any:
    """Return an image, or the images of a clip, in RGB.

    Raises:
        ValueError: a recording without colours, or another type, shape or size.
    """
    from unvoiced.vision.images import bgr_to_rgb

    if not spec.has_camera:
        raise ValueError(f"bgr=True is for images; a recording of {spec.name} has no colours")
    if spec.has_single_images:
        return bgr_to_rgb(recording)
    return [bgr_to_rgb(np.asarray(image)) for image in recording]


def read_frames(recognizer: Recognizer, frames: np.ndarray, fps: float | None) -> Reading:
    """Read frames (T, *frame_shape), or one of them, as a prepared set stores them.

    Raises:
        ValueError: an array of another shape, or no frames.
    """
    frames, shape = np.asarray(frames), tuple(recognizer.metadata["frame"]["shape"])
    if frames.shape == shape:
        frames = frames[None]
    if frames.shape[1:] != shape or not len(frames):
        raise ValueError(f"an array of shape {frames.shape}; expected (frames, *{shape})")
    signal = frames.astype(recognizer.metadata["frame"]["dtype"])
    probabilities = recognizer.predict_probabilities(signal)
    return recognizer.to_reading(probabilities, signal=signal, frames=signal)


def read_hand(recognizer: Recognizer, image: np.ndarray, fps: float | None) -> Reading:
    """Read the hands of an image (H, W, 3) uint8 RGB, or landmarks (63,) or (T, 63).

    A model of two hands takes 126 numbers per frame instead of 63.

    Raises:
        ValueError: an array of another shape, or an image that is too large.
    """
    if not _is_image(image):
        landmarks = _to_landmarks(image, recognizer.num_hands)
        probabilities = recognizer.predict_probabilities(landmarks)
        return recognizer.to_reading(probabilities, frames=landmarks)
    from unvoiced.vision.hands import shared_hand_landmarker
    from unvoiced.vision.models import locate_hand_model
    from unvoiced.vision.skeleton import draw_hand, has_standard_ratio

    path = str(locate_hand_model(recognizer.model))
    settings = recognizer.min_confidence, recognizer.num_hands
    hand = shared_hand_landmarker(path, *settings).read(image)
    if hand is None:
        return NO_READING
    use_standard_ratio = has_standard_ratio(recognizer.metadata.get("reader", {}))
    landmarks = hand.convert_landmarks(image, use_standard_ratio)[None]
    probabilities = recognizer.predict_probabilities(landmarks)
    return recognizer.to_reading(probabilities, draw_hand(image, hand.landmarks), frames=landmarks)


def _is_image(array: Any) -> bool:
    return getattr(array, "ndim", 0) == 3 and array.shape[2] == 3 and array.dtype == np.uint8


def _to_landmarks(array: Any, num_hands: int) -> np.ndarray:
    """Return landmarks as (T, 63 * num_hands) float32."""
    points, size = np.asarray(array, np.float32), 63 * num_hands
    if points.shape == (21, 3) or points.ndim == 1:
        points = points.reshape(1, -1)
    if points.ndim != 2 or points.shape[1] != size:
        raise ValueError(
            f"an array of shape {points.shape}, which is neither an image (height, width, 3) "
            f"uint8 nor landmarks ({size},) or (T, {size})"
        )
    return points


def read_mouth(recognizer: Recognizer, clip: Iterable[np.ndarray], fps: float | None) -> Reading:
    """Read images of a face (H, W, 3) uint8 RGB, or grey mouths (T, h, w) as prepared.

    Raises:
        ValueError: an array of another shape, or an image that is too large.
    """
    from unvoiced.streams.trackers import MouthTracker

    images = [np.asarray(image) for image in clip]
    if images and images[0].ndim == 2:
        return _read_crops(recognizer, np.stack(images))
    tracker = MouthTracker(recognizer, np.inf)
    for number, image in enumerate(images):
        tracker.push(image, number / (fps or tracker.fps))
    crops = tracker.crop_mouths()
    return _read_crops(recognizer, crops) if len(crops) else NO_READING


def _read_crops(recognizer: Recognizer, crops: np.ndarray) -> Reading:
    """Read grey mouths (T, h, w) uint8."""
    expected = tuple(recognizer.metadata["frame"]["shape"])
    if crops.shape[1:] != expected or crops.dtype != np.uint8:
        raise ValueError(
            f"mouths of shape {crops.shape[1:]}, {crops.dtype}; the model reads {expected}, uint8"
        )
    middle = np.repeat(crops[len(crops) // 2][..., None], 3, axis=2)
    return recognizer.to_reading(recognizer.predict_probabilities(crops), middle, frames=crops)


def read_emg(recognizer: Recognizer, counts: np.ndarray, sample_rate: float | None) -> Reading:
    """Read EMG samples (T, C) as recorded, at a sample rate in Hz.

    Raises:
        ValueError: an array of another shape, or a recording of bad quality.
    """
    from unvoiced.emg.preprocessing import filter_recording, fit_recording

    emg = filter_recording(np.asarray(counts), recognizer.metadata, sample_rate)
    signal = fit_recording(emg, recognizer.metadata)
    text, probability = recognizer.transcribe(signal)
    return Reading(text, probability, ((text, probability),), signal=signal, frames=emg)
