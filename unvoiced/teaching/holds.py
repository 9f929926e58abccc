"""Captures signs that are held before a camera."""

from __future__ import annotations

from typing import Any

import numpy as np

from unvoiced.recognizer import Recognizer
from unvoiced.streams.stillness import measure_changes
from unvoiced.streams.trackers import HandTracker, TrackerSettings
from unvoiced.teaching.captures import Capture
from unvoiced.vision.skeleton import draw_landmarks

HOLD_S = 0.35  # of one recording
MIN_FRAMES, MAX_CLIPS = 3, 6  # of one recording
# Mean distances of the joints in palm lengths. The frames of a hold differ by 0.07 at most (95 of
# 100 holds of six signers), neighbours of the alphabet by 0.09 or more (M and N).
MAX_CHANGE = 0.12  # within a recording
SAME_SHAPE = 0.08  # up to this, a hand still shows the sign of the class before
PATIENCE_S = 3.0  # after which a hand that keeps moving, as in J and Z, is taken as it is


class HoldCapturer:
    """Captures a hand that keeps its shape for a moment, wherever it is.

    Args:
        recognizer: the model that is taught, or the settings of the hand model.
        settings: of the task's stream; a hold uses none.
    """

    def __init__(self, recognizer: Recognizer | TrackerSettings, **settings: Any) -> None:
        self.tracker, self.is_visible = HandTracker(recognizer), False
        self.num_frames = int(recognizer.metadata["input"]["frames"])
        self._frames: list[tuple[float, np.ndarray]] = []  # seconds, landmarks (63,)
        self._since_s: float | None = None  # since when a hand is in sight
        self._last: np.ndarray | None = None  # landmarks of the last recording
        self._previous: np.ndarray | None = None  # those of the class before

    def restart(self, is_new_class: bool = False) -> None:
        """Drop the hand until now.

        Args:
            is_new_class: the hand must leave the sign of the class before.
        """
        self._frames, self._since_s = [], None
        if is_new_class:
            self._previous = self._last

    def push(self, image: np.ndarray, seconds: float) -> Capture | None:
        """Read an image (H, W, 3) uint8 RGB; return the hold that it completes."""
        landmarks = self.tracker.push(image)
        self.is_visible = landmarks is not None
        if landmarks is None:
            self.restart()
            return None
        self._since_s = seconds if self._since_s is None else self._since_s
        is_patient = seconds - self._since_s < PATIENCE_S
        if is_patient and self._shows_previous(landmarks):
            self._frames = []
            return None
        recent = [frame for frame in self._frames if seconds - frame[0] <= 2 * HOLD_S]
        self._frames = [*recent[-2 * MIN_FRAMES * MAX_CLIPS :], (seconds, landmarks)]
        hold = find_still_part(self._frames) if is_patient else self._frames
        if len(hold) < MIN_FRAMES or seconds - hold[0][0] < HOLD_S:
            return None
        self.restart()
        self._last, self._previous = landmarks, None
        return Capture(
            self._cut_clips(np.stack([points for _, points in hold])), draw_landmarks(landmarks)
        )

    def _shows_previous(self, landmarks: np.ndarray) -> bool:
        return self._previous is not None and bool(
            measure_changes([self._previous], landmarks)[0] < SAME_SHAPE
        )

    def _cut_clips(self, hold: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return up to ``MAX_CLIPS`` clips (T, 63) that end at frames of the hold."""
        ends = np.unique(np.linspace(0, len(hold) - 1, MAX_CLIPS).round().astype(int)) + 1
        return tuple(hold[max(0, end - self.num_frames) : end] for end in ends)


def find_still_part(frames: list[tuple[float, np.ndarray]]) -> list[tuple[float, np.ndarray]]:
    """Return the last frames (seconds, landmarks) in which the hand has the same shape."""
    changes = measure_changes([points for _, points in frames], frames[-1][1])
    moved = np.flatnonzero(changes > MAX_CHANGE)
    return frames[moved[-1] + 1 :] if len(moved) else frames
