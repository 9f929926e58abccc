"""Rate of false activations: answers without speech or signs, by threshold."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Self

import numpy as np

from unvoiced.plain_data import Check, check_flag, check_number, check_table, require_fact

MAX_STEPS = 64  # of a curve


@dataclass(frozen=True)
class FalseActivations:
    """Answers of a model in streams of silence and of words, by its threshold.

    Attributes:
        thresholds: rising minimum probabilities of answers.
        false: answers in silence, of each threshold.
        kept: the share of right words that are still written, relative to those that the task's
            usual threshold writes, of each threshold.
        hours: of silence.
        words: number of words that were spoken or signed.
        simulated: whether the silence was simulated.
    """

    thresholds: tuple[float, ...]
    false: tuple[int, ...]
    kept: tuple[float, ...]
    hours: float
    words: int
    simulated: bool = False

    @classmethod
    def from_plain(cls, plain: Any, place: str = "false_activations") -> Self | None:
        """Return the curve of an untrusted dict; None for an empty one.

        Raises:
            ValueError: a value has another type, range or size than any curve.
        """
        check_false_activations(place, plain)
        return cls(**plain | {name: tuple(plain[name]) for name in LIST_NAMES}) if plain else None

    def to_plain(self) -> dict[str, Any]:
        """Return the dict that checkpoints and exported files store."""
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        return plain | {name: list(plain[name]) for name in LIST_NAMES}

    @property
    def per_hour(self) -> np.ndarray:
        """(steps,) false answers an hour, of each threshold."""
        return np.array(self.false) / self.hours

    @property
    def lowest_rate(self) -> float:
        """The smallest number of false answers an hour that these streams can show."""
        return (self.false[-1] + 1) / self.hours

    def find_threshold(self, per_hour: float) -> float:
        """Return the lowest measured threshold with at most so many false answers an hour.

        One more false answer than was counted must be allowed, so that an hour without any is not
        taken for a proof that there are none.

        Raises:
            ValueError: the streams are too short, or no threshold is enough.
        """
        rates = (np.array(self.false) + 1) / self.hours
        allowed = np.flip(np.logical_and.accumulate(np.flip(rates <= per_hour)))
        if not allowed.any():
            raise ValueError(
                f"wrong_per_hour={per_hour:g} cannot be promised: {60 * self.hours:.0f} minutes of "
                f"silence allow {self.lowest_rate:.1f} or more. Measure longer with "
                "benchmark.minutes=, or allow more"
            )
        return self.thresholds[int(np.argmax(allowed))]

    def find_kept(self, per_hour: float) -> float | None:
        """Return the largest share of right words at so many false ones an hour; None for none."""
        allowed = np.flatnonzero(self.per_hour <= per_hour)
        return max(self.kept[step] for step in allowed) if len(allowed) else None

    def describe_threshold(self, per_hour: float) -> str:
        """Describe the threshold of a promise and the measurement behind it."""
        step = self.thresholds.index(self.find_threshold(per_hour))
        source = "simulated silence" if self.simulated else "silence"
        return (
            f"At most {per_hour:g} false answers an hour: answers from probability "
            f"{self.thresholds[step]:.3f} on. In {60 * self.hours:.0f} minutes of {source}, "
            f"{self.false[step]} were written; {self.kept[step]:.0%} of the right words stay"
        )


LIST_NAMES = ("thresholds", "false", "kept")


def check_false_activations(place: str, value: Any) -> None:
    """Accept a curve as plain data, or an empty dict.

    Raises:
        ValueError: a value has another type, range or size than any curve.
    """
    check_table(place, value, CURVE_CHECKS)
    if not value:
        return
    missing = [one.name for one in fields(FalseActivations) if one.name not in value]
    require_fact(place, value, not missing, f"a dict that also states {', '.join(missing)}")
    sizes = {len(value[name]) for name in LIST_NAMES}
    require_fact(place, value, len(sizes) == 1, "lists of the same length")
    is_rising = bool((np.diff(value["thresholds"]) > 0).all())
    require_fact(f"{place}.thresholds", value["thresholds"], is_rising, "rising numbers")


def _check_numbers(place: str, value: Any, most: float, whole: bool = False) -> None:
    is_list = isinstance(value, list | tuple) and 1 <= len(value) <= MAX_STEPS
    require_fact(place, value, is_list, f"a list of 1 to {MAX_STEPS} numbers")
    for number in value:
        check_number(place, number, 0, most, whole=whole)


CURVE_CHECKS: dict[str, Check] = {
    "thresholds": partial(_check_numbers, most=1),
    "false": partial(_check_numbers, most=1e9, whole=True),
    "kept": partial(_check_numbers, most=1e3),
    "hours": partial(check_number, least=1e-6, most=1e6),
    "words": partial(check_number, least=0, most=1e9, whole=True),
    "simulated": check_flag,
}
