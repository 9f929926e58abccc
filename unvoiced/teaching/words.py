"""Captures words that a mouth forms before a camera."""

from __future__ import annotations

from typing import Any

import numpy as np

from unvoiced.recognizer import Recognizer
from unvoiced.streams.base import StageTimer
from unvoiced.streams.decisions import Event
from unvoiced.streams.lips import LipStream
from unvoiced.teaching.captures import Capture

STRIP_IMAGES = 6  # mouths of a word that are shown


class WordCapturer(LipStream):
    """Captures speech between two rests, cut as a live stream cuts it.

    Args:
        recognizer: the model that is taught.
        settings: of ``LipStream``.
    """

    def __init__(self, recognizer: Recognizer, **settings: Any) -> None:
        super().__init__(recognizer, **settings | {"min_probability": 0.0})
        self.is_visible, self._timer = False, StageTimer()
        self._clip: np.ndarray | None = None  # (T, h, w) of the last word

    def restart(self, is_new_class: bool = False) -> None:
        """Drop the word that has begun."""
        self._clip = None

    def push(self, image: np.ndarray, seconds: float) -> Capture | None:  # type: ignore[override]
        """Read an image (H, W, 3) uint8 RGB; return the word that it completes."""
        self._clip = None
        super().push(image, seconds, self._timer)
        self.is_visible = self.tracker.has_face
        return None if self._clip is None else Capture((self._clip,), draw_strip(self._clip))

    def _read_segment(
        self, crops: np.ndarray, start_s: float, has_ended: bool, timer: StageTimer
    ) -> list[Event]:
        """Keep the crops of a word that has ended, and read nothing."""
        assert self._speech is not None
        if has_ended:
            around_s, (since_s, stop_s) = self.segmenter.around_s, self._speech
            if stop_s - since_s <= self.window_s:  # longer speech is no word
                span = since_s - around_s - start_s, stop_s + around_s - start_s
                self._clip = self._cut_span(crops, *span)
            self._speech, self._done_s = None, stop_s
        return []


def draw_strip(crops: np.ndarray) -> np.ndarray:
    """Return mouths of a word (T, h, w) side by side, (h, W, 3) uint8."""
    places = np.linspace(0, len(crops) - 1, min(len(crops), STRIP_IMAGES)).round().astype(int)
    strip = np.concatenate(list(crops[places]), axis=1)
    return np.repeat(strip[..., None], 3, axis=2)
