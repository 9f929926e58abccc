"""Letters of the hand alphabet, read from a stream of images or hand landmarks."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from unvoiced.readings import NO_READING
from unvoiced.recognizer import Recognizer
from unvoiced.streams.base import StageTimer
from unvoiced.streams.decisions import PAUSE_LABEL, TOLERANCE_S, Event, HoldDetector
from unvoiced.streams.stillness import ShapeHistory
from unvoiced.streams.trackers import HandTracker
from unvoiced.validation import is_number, require

DEFAULT_RATE = 30.0  # frames a second of a model of several frames that states no rate
MAX_FRAMES = 1_000  # of one answer
MAX_CHANGE = 0.2  # palm lengths; the frames of a hold differ by 0.15 at most (98 of 100 holds)


class FingerspellingStream:
    """Reads every frame; a letter counts when it is held, or drawn.

    A model of several frames reads those of the same time, whatever the camera's frame rate.

    Args:
        recognizer: predicts letters.
        is_preprocessed: frames are landmarks (63,), zeros without a hand; otherwise images.
        max_change: change of the hand's shape while a sign is held, in palm lengths, up to which
            the sign counts; None: any. Letters that are drawn and signs of a profile may move.
        settings: of ``HoldDetector``.

    Attributes:
        window_s: seconds between the first and the last frame that the network takes.
        max_change: see above.
        static_labels: the model's own labels that are shapes, not movements.

    Raises:
        ValueError: a setting is not valid.
    """

    written_kinds = ("started", "held")
    has_nested_events = False

    def __init__(
        self,
        recognizer: Recognizer,
        is_preprocessed: bool = False,
        max_change: float | None = MAX_CHANGE,
        **settings: Any,
    ) -> None:
        is_valid = max_change is None or (is_number(max_change) and max_change > 0)
        require("live.max_change", max_change, is_valid, "palm lengths above 0, or null")
        if "min_probability" in settings:  # the default of the other must not be above it
            keep = min(HoldDetector.keep_probability, settings["min_probability"])
            settings = {"keep_probability": keep} | settings
        self.recognizer, self.detector = recognizer, HoldDetector(**settings)
        self.min_probability = self.detector.min_probability
        self.tracker = None if is_preprocessed else HandTracker(recognizer)
        rate = recognizer.metadata["frame"].get("rate") or DEFAULT_RATE
        self.window_s = (recognizer.metadata["input"]["frames"] - 1) / rate
        self._landmarks: deque[tuple[float, np.ndarray]] = deque(maxlen=MAX_FRAMES)
        self.max_change = max_change
        self._shapes = ShapeHistory(self.detector.hold_s, max_change) if max_change else None
        self.reading = NO_READING
        self._list_labels()

    def push(self, frame: np.ndarray, seconds: float, timer: StageTimer) -> list[Event]:
        """Read an image (H, W, 3) or landmarks (63,), and return the events."""
        events = self._follow_classes(seconds)
        with timer.measure("landmarks"):
            landmarks = self._collect_landmarks(frame, seconds)
        with timer.measure("network"):
            probabilities = self._predict(landmarks)
        with timer.measure("decision"):
            return events + self.detector.push(probabilities, self.labels, seconds, self._can_start)

    def end(self, seconds: float, timer: StageTimer) -> list[Event]:
        """Return the release of the letter that is still held."""
        return self.detector.end(self.labels, seconds)

    @property
    def annotated_image(self) -> np.ndarray | None:
        """The last image with the hand on it; a black one for landmarks."""
        if self.tracker is not None:
            return self.tracker.annotated_image
        from unvoiced.vision.skeleton import draw_hand  # needed for drawing only

        canvas = np.zeros((480, 480, 3), np.uint8)
        return draw_hand(canvas, self._landmarks[-1][1]) if self._landmarks else canvas

    def _list_labels(self) -> None:
        self._classes = self.recognizer.classes
        self.labels = list(self._classes)
        if PAUSE_LABEL not in self.labels:
            self.labels.append(PAUSE_LABEL)
        known = set(self.recognizer.metadata["classes"])
        self.static_labels = known - set(self.recognizer.spec.drawn_labels)

    def _follow_classes(self, seconds: float) -> list[Event]:
        """Release the letter that is held where the recognizer has another profile now."""
        if self._classes is self.recognizer.classes:
            return []
        events = self.detector.end(self.labels, seconds)
        self.detector.reset()
        self._list_labels()
        return events

    def _can_start(self, label: str) -> bool:
        """Return whether the hand moves no more than the sign allows."""
        if self._shapes is None or label not in self.static_labels:
            return True
        return self._shapes.is_still()

    def _collect_landmarks(self, frame: np.ndarray, seconds: float) -> np.ndarray | None:
        """Return the landmarks (T, 63) of the time that the network takes; None without a hand."""
        if self.tracker is None:
            landmarks = frame if frame.any() else None
        else:
            landmarks = self.tracker.push(frame)
        if self._shapes is not None:
            self._shapes.push(landmarks, seconds)
        if landmarks is None:
            self._landmarks.clear()
            return None
        while self._landmarks and self._landmarks[-1][0] >= seconds:  # the clock does not advance
            self._landmarks.pop()
        self._landmarks.append((seconds, landmarks))
        while seconds - self._landmarks[0][0] > self.window_s + TOLERANCE_S:
            self._landmarks.popleft()
        return np.stack([landmarks for _, landmarks in self._landmarks])

    def _predict(self, landmarks: np.ndarray | None) -> np.ndarray:
        """Return (labels,) probabilities, including one for a pause."""
        if landmarks is None:
            self.reading = NO_READING
            return np.float64([label == PAUSE_LABEL for label in self.labels])
        probabilities = self.recognizer.predict_probabilities(landmarks)
        self.reading = self.recognizer.to_reading(probabilities, frames=landmarks)
        return np.pad(probabilities, (0, len(self.labels) - len(probabilities)))
