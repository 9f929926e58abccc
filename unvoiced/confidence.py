"""How often the answers of a model are wrong above a probability, and the thresholds of a promise.

A promised coverage of 0.9 means: of the recordings of people like those that were measured, at most
10 % get a wrong answer; each of the others gets the right one or none. The threshold is that of
split conformal prediction; its score is the probability of a wrong answer, 0 for a right one.
Source: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005; in the form of
Angelopoulos et al., "Conformal Risk Control", ICLR 2024, whose loss is 1 for a wrong answer.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from functools import partial
from typing import Any, Self

import numpy as np

from unvoiced.plain_data import Check, check_flag, check_number, check_table, require_fact
from unvoiced.text import count_noun

MAX_STEPS = 128  # of a table, which then takes less than 4 kB
LOWEST_THRESHOLD = 1e-6  # answers everything
DIGITS = 6
ROUNDING = 1e-9  # of sums of shares


@dataclass(frozen=True)
class ConfidenceTable:
    """Answers of a model to recordings of some people, by the threshold of its probability.

    Each person counts equally, and each recording of a person.

    Attributes:
        thresholds: rising probabilities; the model answers from a threshold on.
        wrong: the share of all recordings that get a wrong answer, of each threshold.
        answered: the share of all recordings that get an answer.
        recordings: number of recordings.
        people: number of people.
        simulated: whether the recordings were simulated.
        has_trained_people: whether the model was trained on other recordings of some of the people.
    """

    thresholds: tuple[float, ...]
    wrong: tuple[float, ...]
    answered: tuple[float, ...]
    recordings: int
    people: int
    simulated: bool = False
    has_trained_people: bool = False

    @classmethod
    def from_plain(cls, plain: Any, place: str = "confidence") -> Self | None:
        """Return the table of an untrusted dict; None for an empty one.

        Raises:
            ValueError: a value has another type, range or size than any table.
        """
        check_confidence(place, plain)
        if not plain:
            return None
        lists = {name: tuple(map(float, plain[name])) for name in LIST_NAMES}
        return cls(**plain | lists)

    def to_plain(self) -> dict[str, Any]:
        """Return the dict that checkpoints and exported files store."""
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        return plain | {name: list(plain[name]) for name in LIST_NAMES}

    @property
    def highest_coverage(self) -> float:
        """The highest coverage that these recordings allow to promise."""
        return float(np.floor(1e6 * (1 - self._bounds[-1])) / 1e6)

    def find_threshold(self, coverage: float) -> float:
        """Return the smallest minimum probability that keeps a promised coverage.

        Raises:
            ValueError: these recordings do not allow to promise it.
        """
        allowed = self._bounds <= 1 - coverage + ROUNDING
        if not allowed[-1]:
            raise ValueError(
                f"coverage={coverage} cannot be promised: the highest that can be promised after "
                f"{self._source} is {self.highest_coverage:.6g}. Use a smaller one, or measure "
                "more recordings with stage=adapt adapt.method=confidence"
            )
        return self.thresholds[int(np.argmax(allowed))]

    def describe_threshold(self, coverage: float) -> str:
        """Describe the threshold of a promise and the measurement behind it."""
        threshold = self.find_threshold(coverage)
        step = self.thresholds.index(threshold)
        right = 1 - self.wrong[step] / max(self.answered[step], ROUNDING)
        return (
            f"Promised coverage {coverage}: answers from probability {threshold:.3f} on. Of "
            f"{self._source} that were measured, {self.answered[step]:.0%} get an answer, "
            f"{right:.0%} of them the right one{self._warning}"
        )

    @property
    def _source(self) -> str:
        people = "1 person" if self.people == 1 else f"{self.people:,} people"
        return f"{count_noun(self.recordings, 'recording')} of {people}"

    @property
    def _warning(self) -> str:
        if self.simulated:
            return "; they were simulated, and real people get more wrong answers"
        is_seen = self.has_trained_people
        return "; the model knows some of them, and others get more wrong answers" * is_seen

    @property
    def _bounds(self) -> np.ndarray:
        """(steps,) the expected share of wrong answers to one more recording, at most."""
        count = self.recordings
        return (count * np.array(self.wrong) + 1) / (count + 1)


LIST_NAMES = ("thresholds", "wrong", "answered")


def weigh_recordings(people: np.ndarray, recordings: np.ndarray) -> np.ndarray:
    """Return the weight of each row (N,), with the sum 1.

    Each person has the same, each recording of a person, and each row of a recording.

    Args:
        people: (N,) of any values that can be compared.
        recordings: (N,), such values that differ between people.
    """
    rows, per_row = np.unique(recordings, return_inverse=True, return_counts=True)[1:]
    weights = 1 / per_row[rows]
    codes = np.unique(people, return_inverse=True)[1]
    weights /= np.bincount(codes, weights)[codes]
    return weights / weights.sum()


def measure_confidence(
    probabilities: np.ndarray,
    correct: np.ndarray,
    people: np.ndarray,
    recordings: np.ndarray,
    simulated: bool = False,
    has_trained_people: bool = False,
) -> ConfidenceTable:
    """Return the table of answers to recordings that the model was not trained on.

    Args:
        probabilities: (N,) of the answers.
        correct: (N,) bool.
        people, recordings: (N,) as of ``weigh_recordings``.
        simulated, has_trained_people: as of ``ConfidenceTable``.

    Raises:
        ValueError: there is no row.
    """
    if not len(probabilities):
        raise ValueError("There is no recording to measure answers of.")
    probabilities = np.nan_to_num(probabilities, nan=0.0)  # no threshold answers these
    weights = weigh_recordings(people, recordings)
    thresholds = _choose_thresholds(probabilities[~correct])
    passed = np.searchsorted(thresholds, probabilities, side="right")  # thresholds of each row
    answered, wrong = (
        np.bincount(passed, shares, len(thresholds) + 1)[::-1].cumsum()[::-1][1:]
        for shares in (weights, weights * ~correct)
    )
    return ConfidenceTable(
        tuple(thresholds.tolist()),
        tuple(np.minimum(np.ceil(wrong * 10**DIGITS - 1e-3).clip(0) / 10**DIGITS, 1).tolist()),
        tuple(np.minimum(np.round(answered, DIGITS), 1).tolist()),
        len(np.unique(recordings)),
        len(np.unique(people)),
        simulated,
        has_trained_people,
    )


def _choose_thresholds(wrong: np.ndarray) -> np.ndarray:
    """Return rising thresholds, most of them just above the probability of a wrong answer."""
    above = np.unique((np.floor(wrong.astype(np.float64) * 10**DIGITS) + 1) / 10**DIGITS)
    above = above[(above > LOWEST_THRESHOLD) & (above < 1)]
    count, half = max(len(above), 1), MAX_STEPS // 2 - 1
    ranks = np.concatenate([np.linspace(1, count, half), np.geomspace(1, count, half)])
    steps = len(above) - np.unique(ranks.round().astype(int))[::-1]  # from the most confident one
    return np.concatenate([[LOWEST_THRESHOLD], above[steps[steps >= 0]], [1.0]])


# ---- checks of files


def check_confidence(place: str, value: Any) -> None:
    """Accept a table as plain data, or an empty dict."""
    check_table(place, value, TABLE_CHECKS)
    if not value:
        return
    required = [one.name for one in fields(ConfidenceTable) if one.default is MISSING]
    missing = [name for name in required if name not in value]
    require_fact(place, value, not missing, f"a dict that also states {', '.join(missing)}")
    thresholds, wrong, answered = (np.array(value[name], float) for name in LIST_NAMES)
    is_table = len(thresholds) == len(wrong) == len(answered)
    require_fact(place, value, is_table, "lists of the same length")
    is_rising = bool((np.diff(thresholds) > 0).all())
    require_fact(f"{place}.thresholds", value["thresholds"], is_rising, "rising numbers")
    for name, shares in (("wrong", wrong), ("answered", answered)):
        is_falling = bool((np.diff(shares) <= ROUNDING).all())
        require_fact(f"{place}.{name}", value[name], is_falling, "numbers that do not rise")
    is_part = bool((wrong <= answered + 2 * 10.0**-DIGITS).all())  # both are rounded
    require_fact(f"{place}.wrong", value["wrong"], is_part, "at most the share that is answered")
    recordings, is_count = value["recordings"], value["people"] <= value["recordings"]
    require_fact(f"{place}.people", value["people"], is_count, f"at most {recordings} recordings")


def _check_shares(place: str, value: Any, least: float = 0.0) -> None:
    is_list = isinstance(value, list | tuple) and 1 <= len(value) <= MAX_STEPS
    require_fact(place, value, is_list, f"a list of 1 to {MAX_STEPS} numbers")
    for number in value:
        check_number(place, number, least, 1)


_check_count: Check = partial(check_number, least=1, most=1e9, whole=True)
TABLE_CHECKS: dict[str, Check] = {
    "thresholds": partial(_check_shares, least=1e-9),
    **dict.fromkeys(("wrong", "answered"), _check_shares),
    **dict.fromkeys(("recordings", "people"), _check_count),
    **dict.fromkeys(("simulated", "has_trained_people"), check_flag),
}
