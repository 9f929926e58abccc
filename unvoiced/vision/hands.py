"""Hands in images, found with MediaPipe's Tasks API, which is imported on first use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from unvoiced.vision.crops import add_border, crop_around, crop_centres
from unvoiced.vision.images import check_image, is_grey, limit_side, to_skin_tones
from unvoiced.vision.mediapipe_tasks import import_mediapipe, open_task, quiet_stderr, to_mediapipe
from unvoiced.vision.models import HAND_MODEL
from unvoiced.vision.skeleton import standardize_ratio

# (border in image sizes, factor on the confidence of detection), until a hand is found. A hand
# that fills the image is found once there is a border, as in most images of at most
# CLOSE_UP_SIDE pixels: the first attempt then finds 87 % of 436 hands, without a border 73 %.
SEARCH_ATTEMPTS = ((0.0, 0.5), (0.5, 0.5), (0.25, 0.5))
CLOSE_UP_ATTEMPTS = ((0.25, 0.5), (0.5, 0.5), (0.0, 0.5))
CLOSE_UP_SIDE = 384
ONE_ATTEMPT = ((0.0, 1.0),)
# A second hand is not searched with less confidence.
PAIR_ATTEMPTS = ((0.0, 1.0), (0.25, 1.0), (0.5, 1.0), (0.25, 0.5), (0.5, 0.5))
# Borders of the frames of a video, in turn until a hand is found: one search for each frame.
VIDEO_BORDERS = (0.0, 0.25, 0.0, 0.5)
MAX_SEARCHED_SIDE = 2560  # pixels; borders double it
MIN_CROP_SIDE = 160  # pixels; the detector sees 192 x 192


def list_attempts(num_hands: int, longest_side: int) -> tuple[tuple[float, float], ...]:
    """Return the (border, factor on the confidence) of each search of an image, in order."""
    if num_hands > 1:
        return PAIR_ATTEMPTS
    return CLOSE_UP_ATTEMPTS if longest_side <= CLOSE_UP_SIDE else SEARCH_ATTEMPTS


@dataclass(frozen=True)
class Hand:
    """A hand in an image, or a pair of hands.

    Attributes:
        landmarks: (63,) float32, 21 points x (x, y, z), wrist first; x, y in image widths and
            heights, z in the scale of x and relative to the wrist. Of a pair (126,): the left hand
            and the right one, with zeros for one that is not in sight.
        handedness: "Left" or "Right" as the image shows it (reversed in a mirrored image); of a
            pair the hand that MediaPipe is surer of.
        score: MediaPipe's confidence in the handedness, 0 to 1.
    """

    landmarks: np.ndarray
    handedness: str
    score: float

    def convert_landmarks(self, image: np.ndarray, use_standard_ratio: bool) -> np.ndarray:
        """Return the landmarks as a model takes them.

        Args:
            image: the image (H, W, 3) with the hand.
            use_standard_ratio: whether they are as an image of 4:3 would have them.
        """
        height, width = image.shape[:2]
        return (
            standardize_ratio(self.landmarks, width / height)
            if use_standard_ratio
            else self.landmarks
        )

    @property
    def num_hands(self) -> int:
        """The hands in sight, 1 or 2."""
        return int(self.landmarks.reshape(-1, 63).any(1).sum())

    def rescale_landmarks(self, scale: np.ndarray | float, offset: np.ndarray) -> Hand:
        """Return the hand with landmarks times ``scale`` plus ``offset``, (3,) each."""
        hands = self.landmarks.reshape(-1, 21, 3)
        moved = np.where(hands.any((1, 2), keepdims=True), hands * scale + offset, 0)
        return Hand(moved.reshape(-1).astype(np.float32), self.handedness, self.score)


class HandLandmarker:
    """Finds the hand that MediaPipe sees best, or a pair of hands.

    Args:
        model: a ``hand_landmarker.task``, see ``unvoiced.vision.models``.
        min_confidence: detections below this are dropped, 0 to 1.
        video_fps: frames per second of the one video whose frames are read in order, to track the
            hand between frames; None for unrelated images. While no hand is in sight, the border
            changes from frame to frame, as a hand that fills the image is found with a border.
        thorough: if no hand is found, search again with borders around the image, in overlapping
            crops of a large image, and in a grey image with the tones of skin. An image without a
            hand then takes 3 times as long, one of 1920 x 1080 pixels about half a second.
        num_hands: 1, or 2 for a left and a right hand of which one may be absent.

    Raises:
        ValueError: the model is damaged or of another kind.
    """

    def __init__(
        self,
        model: str | Path,
        min_confidence: float = 0.5,
        video_fps: float | None = None,
        thorough: bool = True,
        num_hands: int = 1,
    ) -> None:
        self.model = Path(model)
        self.min_confidence = min_confidence
        self.thorough = thorough
        self.num_hands = num_hands
        self._tasks: dict[float, _LandmarkerTask] = {}  # by factor on the confidence
        self._num_missed = 0  # frames of the video without a hand
        self._video = (
            None
            if video_fps is None
            else _LandmarkerTask(self.model, min_confidence, 1.0, num_hands, video_fps)
        )

    def read(self, image: np.ndarray) -> Hand | None:
        """Return the hand in a (H, W, 3) uint8 RGB image; None if there is none."""
        check_image(image)
        image = limit_side(image, MAX_SEARCHED_SIDE)
        hand = self._find_hand(image)
        if hand is None and self.thorough and is_grey(image):
            return self._find_hand(to_skin_tones(image))
        return hand

    def _find_hand(self, image: np.ndarray) -> Hand | None:
        if self._video is not None and not self.thorough:
            return self._track_hand(self._video, image)
        best: Hand | None = None
        attempts = list_attempts(self.num_hands, max(image.shape)) if self.thorough else ONE_ATTEMPT
        for border, factor in attempts:
            if best is not None and (best.num_hands == self.num_hands or factor < 1):
                break
            tracking = self._video if border == 0 else None
            hand = (tracking or self._get_task(factor)).detect(add_border(image, border))
            if hand is not None and (best is None or hand.num_hands > best.num_hands):
                best = _remove_border(hand, border)
        return best or (next(self._search_crops(image), None) if self.thorough else None)

    def _track_hand(self, video: _LandmarkerTask, image: np.ndarray) -> Hand | None:
        border = VIDEO_BORDERS[self._num_missed % len(VIDEO_BORDERS)]
        hand = video.detect(add_border(image, border))
        if hand is None:
            self._num_missed += 1
            return None
        return _remove_border(hand, border)

    def _search_crops(self, image: np.ndarray) -> Iterator[Hand]:
        """Yield small hands, found in crops of a large image."""
        for share in (0.5, 0.25):
            side = round(share * min(image.shape[:2]))
            if side < MIN_CROP_SIDE:
                break
            for centre in crop_centres(image.shape, side):
                hand = self._find_in_crop(image, centre, side)
                if hand is not None and (closer := self._refine_hand(image, hand)):
                    yield closer

    def _refine_hand(self, image: np.ndarray, hand: Hand) -> Hand | None:
        """Return the hand as closer crops show it; None for a face that was taken for a hand."""
        points = hand.landmarks.reshape(-1, 3)[:, :2]
        points = points[points.any(1)] * image.shape[1::-1]
        centre, size = (points.min(0) + points.max(0)) / 2, np.ptp(points, axis=0).max()
        hands = (self._find_in_crop(image, centre, factor * size) for factor in (2.0, 3.0))
        return next((hand for hand in hands if hand is not None), None)

    def _find_in_crop(self, image: np.ndarray, centre: np.ndarray, side: float) -> Hand | None:
        crop, corner = crop_around(image, centre, side)
        hand = self._get_task(1.0).detect(crop)
        if hand is None:
            return None
        width_share, height_share = np.divide(crop.shape[1::-1], image.shape[1::-1])
        scale = np.float32([width_share, height_share, width_share])
        return hand.rescale_landmarks(
            scale, np.float32([*np.divide(corner, image.shape[1::-1]), 0])
        )

    def _get_task(self, factor: float) -> _LandmarkerTask:
        if factor not in self._tasks:
            self._tasks[factor] = _LandmarkerTask(
                self.model, self.min_confidence, factor, self.num_hands
            )
        return self._tasks[factor]


class _LandmarkerTask:
    """One MediaPipe graph."""

    def __init__(
        self,
        model: Path,
        min_confidence: float,
        factor: float,
        num_hands: int = 1,
        video_fps: float | None = None,
    ) -> None:
        self._num_hands = num_hands
        self._mediapipe = import_mediapipe()
        self._step_ms = None if video_fps is None else max(1, round(1000 / video_fps))
        self._time_ms = 0
        self._is_quiet = True
        self._landmarker = self._open_task(model, min_confidence, factor)

    def detect(self, image: np.ndarray) -> Hand | None:
        """Return the hand in a (H, W, 3) uint8 RGB image; None if there is none."""
        converted = to_mediapipe(self._mediapipe, image)
        if self._is_quiet:
            with quiet_stderr():
                result = self._run_task(converted)
        else:
            result = self._run_task(converted)
        if not result.hand_landmarks:
            return None
        self._is_quiet = False  # every part of the graph has run, and printed its notes
        found = [
            Hand(_flatten_points(points), side.category_name, side.score)
            for points, (side, *_) in zip(result.hand_landmarks, result.handedness, strict=True)
        ]
        return found[0] if self._num_hands == 1 else pair_hands(found)

    def _run_task(self, image: Any) -> Any:
        if self._step_ms is None:
            return self._landmarker.detect(image)
        self._time_ms += self._step_ms
        return self._landmarker.detect_for_video(image, self._time_ms)

    def _open_task(self, model: Path, min_confidence: float, factor: float) -> Any:
        from mediapipe.tasks.python import BaseOptions, vision

        modes = vision.RunningMode
        # The content, not the path: MediaPipe cannot open every path on every system.
        options = vision.HandLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=model.read_bytes()),
            running_mode=modes.IMAGE if self._step_ms is None else modes.VIDEO,
            num_hands=self._num_hands,
            min_hand_detection_confidence=min_confidence * factor,
            min_hand_presence_confidence=min_confidence,
            min_tracking_confidence=min_confidence,
        )
        create = partial(vision.HandLandmarker.create_from_options, options)
        return open_task(create, self, model, HAND_MODEL)


def _remove_border(hand: Hand, border: float) -> Hand:
    """Return the hand in units of the image itself; z is in widths, as x is."""
    return hand.rescale_landmarks(1 + 2 * border, -np.float32([border, border, 0]))


def _flatten_points(points: Any) -> np.ndarray:
    return np.array([(p.x, p.y, p.z) for p in points], np.float32).reshape(63)  # (21, 3) → (63,)


def pair_hands(hands: list[Hand]) -> Hand:
    """Return one or two hands as a pair: the left hand, then the right one.

    Where both seem to be of one side, the one further left in the image is the left hand.
    """
    surest = max(hands, key=lambda hand: hand.score)
    halves = [np.zeros(63, np.float32), np.zeros(63, np.float32)]
    sides = [int(hand.handedness == "Right") for hand in hands]
    if len(hands) == 2 and sides[0] == sides[1]:
        sides = [0, 1] if hands[0].landmarks[0] <= hands[1].landmarks[0] else [1, 0]
    for hand, side in zip(hands, sides, strict=True):
        halves[side] = hand.landmarks
    return Hand(np.concatenate(halves), surest.handedness, surest.score)


@lru_cache(maxsize=1)
def shared_hand_landmarker(
    model: str, min_confidence: float = 0.5, num_hands: int = 1
) -> HandLandmarker:
    """Return the landmarker of this process for single images, created on first use."""
    return HandLandmarker(model, min_confidence, num_hands=num_hands)


def no_hand_reason(image: np.ndarray) -> str:
    """Return why no hand was found in a (H, W, 3) uint8 image."""
    grey = " (the image is grey, and hands are found more often in colour)"
    return "no hand found" + (grey if is_grey(image) else "")
