"""From probabilities per moment to letters and words that are written once.

All times are seconds of the stream; no function reads a clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from unvoiced.validation import is_number, require

MAX_CHARACTERS = 100_000  # of a text; its beginning is dropped
PAUSE_LABEL = "nothing"  # a class that is never written
KEY_LABELS = {"space": " ", "del": ""}  # classes that act as a key
TOLERANCE_S = 1e-9  # rounding of times


@dataclass(frozen=True)
class Event:
    """A letter or word that ``started``, is still ``held``, or was ``released``.

    A word that started and was withdrawn is ``released`` with a probability of 0. ``frames`` are
    those (T, *frame_shape) that were read as it; None: those of the stream's last reading.
    ``probabilities`` are those of all labels, (labels,), as the mean of a hold; None: unknown.
    """

    kind: str
    label: str
    probability: float
    seconds: float
    frames: np.ndarray | None = field(default=None, repr=False, compare=False)
    probabilities: np.ndarray | None = field(default=None, repr=False, compare=False)


@dataclass
class TextBuffer:
    """The letters or words written so far.

    Attributes:
        text: the text.
        is_joined: labels are letters; otherwise words, with a space between them.
    """

    text: str = ""
    is_joined: bool = True

    def add(self, label: str) -> None:
        """Write a label; ``space`` and ``del`` act as keys, ``nothing`` is ignored."""
        if label == "del":
            self.text = self.text[:-1]
        elif label != PAUSE_LABEL:
            separator = "" if self.is_joined or not self.text else " "
            label = KEY_LABELS.get(label, label)
            self.text = (self.text + separator + label)[-MAX_CHARACTERS:]


def check_settings(hop_s: float, min_probability: float, window_s: float | None = None) -> None:
    """Check the settings that streams of windows share.

    Raises:
        ValueError: one of them is not valid.
    """
    is_positive = [is_number(seconds) and seconds > 0 for seconds in (hop_s, window_s)]
    require("live.hop_s", hop_s, is_positive[0], "seconds above 0")
    is_valid = window_s is None or is_positive[1]
    require("live.window_s", window_s, is_valid, "seconds above 0, or null")
    is_share = is_number(min_probability) and 0 <= min_probability <= 1
    require("live.min_probability", min_probability, is_share, "a share, 0 to 1")


@dataclass
class HoldDetector:
    """Detects signs that are held: each counts once, and again after it was released.

    Args:
        smooth_s: time constant in seconds of the average over probabilities.
        hold_s: seconds for which a sign must be held before it counts.
        release_s: seconds for which it must be absent before it can count again.
        repeat_s: seconds after which a sign that is still held counts again; None: never.
        min_probability: threshold above which a sign is present.
        keep_probability: threshold below which it is absent; the gap between the two keeps a
            hesitant sign from counting twice.

    Raises:
        ValueError: a setting is not valid.
    """

    smooth_s: float = 0.15
    hold_s: float = 0.5
    release_s: float = 0.2
    repeat_s: float | None = 3.0
    min_probability: float = 0.5
    keep_probability: float = 0.3
    _mean: np.ndarray | None = field(default=None, repr=False)
    _hold_sum: np.ndarray | float = field(default=0.0, repr=False)  # since the candidate appeared,
    _hold_count: int = 0  # or since it counted last
    _last_s: float = -math.inf
    _candidate: tuple[int, float] = (-1, 0.0)  # a class that may come next, and since when
    _current: int = -1  # the class that counts now
    _counted_s: float = 0.0
    _absent_since_s: float | None = None

    def __post_init__(self) -> None:
        for name in ("smooth_s", "hold_s", "release_s"):
            value = getattr(self, name)
            require(f"live.{name}", value, value >= 0, "seconds of 0 or more")
        is_valid = self.repeat_s is None or self.repeat_s > 0
        require("live.repeat_s", self.repeat_s, is_valid, "seconds above 0, or null")
        highest, lowest = self.min_probability, self.keep_probability
        order = "0 <= keep_probability <= min_probability <= 1"
        require("live.min_probability", highest, 0 < highest <= 1, order)
        require("live.keep_probability", lowest, 0 <= lowest <= highest, order)

    def push(
        self,
        probabilities: np.ndarray,
        labels: list[str],
        seconds: float,
        can_start: Callable[[str], bool] | None = None,
    ) -> list[Event]:
        """Return the events of the probabilities (classes,) at a time of the stream.

        Args:
            probabilities: (classes,).
            labels: of the classes.
            seconds: time of the stream.
            can_start: whether a label that was held for long enough may count; None: each may.
        """
        mean = self._update_mean(probabilities, seconds)
        best = int(mean.argmax())
        events = self._detect_release(mean, best, labels, seconds)
        is_present = mean[best] >= self.min_probability
        if self._candidate[0] != best or not is_present:
            self._candidate = (best if is_present else -1, seconds)
            self._hold_sum, self._hold_count = 0.0, 0
        self._hold_sum, self._hold_count = self._hold_sum + probabilities, self._hold_count + 1
        if labels[best] == PAUSE_LABEL or not is_present:
            return events
        if best == self._current:
            passed_s = seconds - self._counted_s
            if self.repeat_s is not None and passed_s >= self.repeat_s - TOLERANCE_S:
                self._counted_s = seconds
                events.append(self._count_hold("held", best, labels, seconds))
        elif self._is_due(seconds) and (can_start is None or can_start(labels[best])):
            self._current, self._counted_s, self._absent_since_s = best, seconds, None
            events.append(self._count_hold("started", best, labels, seconds))
        return events

    def end(self, labels: list[str], seconds: float) -> list[Event]:
        """Return the release of the sign that is held at the end of the stream."""
        if self._current < 0:
            return []
        assert self._mean is not None
        return [self._release(self._mean, labels, seconds)]

    def reset(self) -> None:
        """Forget all probabilities so far, such as when the classes are others."""
        self._mean, self._candidate, self._current = None, (-1, 0.0), -1

    def _is_due(self, seconds: float) -> bool:
        is_held = seconds - self._candidate[1] >= self.hold_s - TOLERANCE_S
        return self._current < 0 and is_held

    def _count_hold(self, kind: str, best: int, labels: list[str], seconds: float) -> Event:
        assert self._mean is not None
        held = np.asarray(self._hold_sum) / self._hold_count
        self._hold_sum, self._hold_count = 0.0, 0
        probability = float(self._mean[best])
        return Event(kind, labels[best], probability, seconds, probabilities=held)

    def _update_mean(self, probabilities: np.ndarray, seconds: float) -> np.ndarray:
        passed_s, self._last_s = seconds - self._last_s, seconds
        weight = 1.0 if not self.smooth_s else 1 - math.exp(-max(passed_s, 0) / self.smooth_s)
        if self._mean is None:
            weight, self._mean = 1.0, probabilities
        self._mean = self._mean + weight * (probabilities - self._mean)
        return self._mean

    def _detect_release(
        self, mean: np.ndarray, best: int, labels: list[str], seconds: float
    ) -> list[Event]:
        if self._current < 0:
            return []
        is_replaced = best != self._current and mean[best] >= self.min_probability
        if mean[self._current] >= self.keep_probability and not is_replaced:
            self._absent_since_s = None
            return []
        if self._absent_since_s is None:
            self._absent_since_s = seconds
        if seconds - self._absent_since_s < self.release_s - TOLERANCE_S:
            return []
        return [self._release(mean, labels, seconds)]

    def _release(self, mean: np.ndarray, labels: list[str], seconds: float) -> Event:
        released, self._current, self._absent_since_s = self._current, -1, None
        return Event("released", labels[released], float(mean[released]), seconds)
