"""Hands that are shown to letters that are written."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from unvoiced.decisions import Event, Held
from unvoiced.engine import Clock
from unvoiced.eyes import HandEye
from unvoiced.recognizer import NOTHING, Recognizer

CANVAS = 480  # pixels per side, where there is no image to draw on


class Letters:
    """Hands to letters: every picture is read, and a letter counts when it is held.

    Args:
        ready: frames are landmarks (63,) already; zeros where there is no hand.
        settings: of ``Held``.
    """

    writes = ("started", "held")

    def __init__(self, recognizer: Recognizer, ready: bool = False, **settings: Any) -> None:
        self.recognizer, self.held = recognizer, Held(**settings)
        self.min_probability = self.held.min_probability
        self.eye = None if ready else HandEye(recognizer)
        self.kept: deque[np.ndarray] = deque(maxlen=recognizer.about["input"]["frames"])
        self.labels = [*recognizer.classes, *(["nothing"] * ("nothing" not in recognizer.classes))]
        self.reading = NOTHING

    def push(self, frame: np.ndarray, seconds: float, clock: Clock) -> list[Event]:
        with clock.stage("landmarks"):
            hand = self._hand(frame)
        with clock.stage("network"):
            chances = self._chances(hand)
        with clock.stage("decision"):
            return self.held.push(chances, self.labels, seconds)

    def _hand(self, frame: np.ndarray) -> np.ndarray | None:
        """The last landmarks, as many as the network takes, (T, 63); None where no hand is."""
        found = (frame if frame.any() else None) if self.eye is None else self.eye.push(frame)
        if found is None:
            self.kept.clear()
            return None
        self.kept.append(found)
        return np.stack(self.kept)

    def _chances(self, hand: np.ndarray | None) -> np.ndarray:
        """(classes,), with one for ``nothing`` whether or not the model knows it."""
        if hand is None:
            self.reading = NOTHING
            return np.float64([label == "nothing" for label in self.labels])
        chances = self.recognizer.probabilities(hand)
        self.reading = self.recognizer.reading(chances)
        return np.pad(chances, (0, len(self.labels) - len(chances)))

    def end(self, seconds: float, clock: Clock) -> list[Event]:
        return self.held.end(self.labels, seconds)

    @property
    def seen(self) -> np.ndarray | None:
        if self.eye is not None:
            return self.eye.seen
        from unvoiced.vision.skeleton import draw_hand  # of those alone who look

        canvas = np.zeros((CANVAS, CANVAS, 3), np.uint8)
        return draw_hand(canvas, self.kept[-1]) if self.kept else canvas
