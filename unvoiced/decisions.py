"""From what is read in each moment to letters and words that are said once.

Everything here is told the time of the stream in seconds and looks at no clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MOST_CHARACTERS = 100_000  # of a text that is kept; the beginning goes first
PAUSE = "nothing"  # a class that is never written
KEYS = {"space": " ", "del": ""}  # classes that are written as what they stand for


@dataclass(frozen=True)
class Event:
    """A letter or word that ``started``, is still ``held``, or was ``released``.

    Of a word that started and turned out to be none, ``released`` has a probability of 0.
    """

    kind: str
    label: str
    probability: float
    seconds: float


@dataclass
class Text:
    """Letters and words as they are written."""

    written: str = ""
    joined: bool = True  # letters; else words, with a space between

    def add(self, label: str) -> None:
        """``space`` and ``del`` are keys; ``nothing`` is none."""
        if label == "del":
            self.written = self.written[:-1]
        elif label != PAUSE:
            between = "" if self.joined or not self.written else " "
            self.written = (self.written + between + KEYS.get(label, label))[-MOST_CHARACTERS:]


@dataclass
class Held:
    """A sign counts once it has been held, and again once it was let go.

    Args:
        smooth_s: seconds over which probabilities are averaged; a single frame says little.
        hold_s: seconds that a sign is held before it counts.
        release_s: seconds that it must be gone before it can count again.
        repeat_s: seconds after which a sign that is held on counts again; None: never.
        min_probability: from which a sign is taken to be there.
        keep_probability: below which it is taken to be gone; the gap between them keeps a sign
            that hesitates from counting twice.

    Raises:
        ValueError: an impossible setting.
    """

    smooth_s: float = 0.15
    hold_s: float = 0.5
    release_s: float = 0.2
    repeat_s: float | None = 3.0
    min_probability: float = 0.5
    keep_probability: float = 0.3
    _mean: np.ndarray | None = field(default=None, repr=False)
    _last_s: float = -math.inf
    _rival: tuple[int, float] = (-1, 0.0)  # what may come next, and since when
    _held: int = -1  # what counts now
    _counted_s: float = 0.0
    _gone_s: float | None = None  # since when it seems to be gone

    def __post_init__(self) -> None:
        rules = {
            **{name: getattr(self, name) >= 0 for name in ("smooth_s", "hold_s", "release_s")},
            "repeat_s": self.repeat_s is None or self.repeat_s > 0,
            "min_probability": 0 < self.min_probability <= 1,
            "keep_probability": 0 <= self.keep_probability <= self.min_probability,
        }
        wrong = [name for name, possible in rules.items() if not possible]
        if wrong:
            found = ", ".join(f"live.{name}={getattr(self, name)}" for name in wrong)
            raise ValueError(
                f"{found}: expected seconds of 0 or more, and 0 <= keep_probability <= "
                "min_probability <= 1"
            )

    def push(self, probabilities: np.ndarray, labels: list[str], seconds: float) -> list[Event]:
        """(classes,) at a time of the stream → what started, was held on or let go."""
        mean = self._smoothed(probabilities, seconds)
        best = int(mean.argmax())
        events = self._let_go(mean, best, labels, seconds)
        if self._rival[0] != best or mean[best] < self.min_probability:
            self._rival = (best if mean[best] >= self.min_probability else -1, seconds)
        if labels[best] == PAUSE or self._rival[0] != best:
            return events
        shown = float(mean[best])
        if best == self._held:
            if self.repeat_s is not None and seconds - self._counted_s >= self.repeat_s - 1e-9:
                self._counted_s = seconds
                events.append(Event("held", labels[best], shown, seconds))
        elif self._held < 0 and seconds - self._rival[1] >= self.hold_s - 1e-9:
            self._held, self._counted_s, self._gone_s = best, seconds, None
            events.append(Event("started", labels[best], shown, seconds))
        return events

    def end(self, labels: list[str], seconds: float) -> list[Event]:
        """What the end of the stream lets go."""
        if self._held < 0:
            return []
        assert self._mean is not None
        gone, self._held = self._held, -1
        return [Event("released", labels[gone], float(self._mean[gone]), seconds)]

    def _smoothed(self, probabilities: np.ndarray, seconds: float) -> np.ndarray:
        passed_s, self._last_s = seconds - self._last_s, seconds
        share = 1.0 if not self.smooth_s else 1 - math.exp(-max(passed_s, 0) / self.smooth_s)
        if self._mean is None:
            share, self._mean = 1.0, probabilities
        self._mean = self._mean + share * (probabilities - self._mean)
        return self._mean

    def _let_go(
        self, mean: np.ndarray, best: int, labels: list[str], seconds: float
    ) -> list[Event]:
        if self._held < 0:
            return []
        another = best != self._held and mean[best] >= self.min_probability
        if mean[self._held] >= self.keep_probability and not another:
            self._gone_s = None
            return []
        if self._gone_s is None:
            self._gone_s = seconds
        if seconds - self._gone_s < self.release_s - 1e-9:
            return []
        gone, self._held, self._gone_s = self._held, -1, None
        return [Event("released", labels[gone], float(mean[gone]), seconds)]


def refuse(**rules: tuple[Any, bool, str]) -> None:
    """``ValueError`` for the first live setting, by its name, that is impossible.

    Args:
        rules: what was found, whether that is possible, and what was expected.
    """
    for name, (found, possible, expected) in rules.items():
        if not possible:
            raise ValueError(f"live.{name}={found}: expected {expected}")


def number(value: Any) -> float:
    """Not a number where it is none, which no comparison holds for."""
    fit = isinstance(value, int | float) and math.isfinite(value)
    return float(value) if fit else math.nan
