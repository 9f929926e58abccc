"""The few-shot protocol: how a person's first recordings change the accuracy on the others.

For each person and class, the first k recordings are the support and the second half is tested, the
same for every k. A recording is a ``sequence`` of the set: frames of one held sign stay together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from unvoiced.confidence import ConfidenceTable

# (support, tested rows) → answers to the tested rows.
Adaptation = Callable[["Answers", "Answers"], "AdaptedAnswers"]
PROMISED_COVERAGE = 0.9


@dataclass(frozen=True, eq=False)
class AdaptedAnswers:
    """Answers of an adapted model to N rows.

    Attributes:
        labels: (N,).
        probabilities: (N,) of the labels.
        confidence: how often the adapted model is wrong; None where it is unknown.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    confidence: ConfidenceTable | None = None

    def count_answers(self, true_labels: np.ndarray) -> dict[str, float]:
        """Return the numbers of ``correct`` labels, and of ``answered`` and ``wrong`` ones.

        The last two are those of the promised coverage, NaN if it cannot be given.
        """
        is_correct, table = self.labels == true_labels, self.confidence
        counts: dict[str, float] = {"correct": int(is_correct.sum())}
        if table is None or table.highest_coverage < PROMISED_COVERAGE:
            return counts | {"answered": np.nan, "wrong": np.nan}
        is_answered = self.probabilities >= table.find_threshold(PROMISED_COVERAGE)
        wrong = int((is_answered & ~is_correct).sum())
        return counts | {"answered": int(is_answered.sum()), "wrong": wrong}


@dataclass(frozen=True, eq=False)
class Answers:
    """A model's answers to N rows of a prepared set.

    Attributes:
        rows: (N,) of the manifest.
        log_probabilities: (N, classes).
        embeddings: (N, D).
        labels: (N,) true labels.
        people: (N,) names of the persons; empty where the set names none.
        recordings: (N,) names of the recordings.
    """

    rows: np.ndarray
    log_probabilities: np.ndarray
    embeddings: np.ndarray
    labels: np.ndarray
    people: np.ndarray
    recordings: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def name_best(self, classes: Sequence[str]) -> np.ndarray:
        """Return the label of the best class of each row (N,)."""
        return np.array(classes)[self.log_probabilities.argmax(1)]

    def read_best(
        self, classes: Sequence[str], confidence: ConfidenceTable | None = None
    ) -> AdaptedAnswers:
        """Return the answers of the model itself, with its confidence."""
        probabilities = np.exp(self.log_probabilities.max(1))
        return AdaptedAnswers(self.name_best(classes), probabilities, confidence)

    def select_rows(self, rows: np.ndarray) -> Answers:
        """Return some of the rows."""
        return Answers(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def concatenate_answers(parts: Sequence[Answers]) -> Answers:
    """Return the answers of all parts."""
    names = Answers.__dataclass_fields__
    return Answers(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True, eq=False)
class Division:
    """The rows of one person: which are tested, and which recordings may be the support.

    Attributes:
        tested: rows of the second half of each class.
        shots: (N,) which recording of its class a row belongs to, from 0 on.
        too_few: classes with too few recordings, of which no row is used; all classes where fewer
            than two have enough for a profile.
    """

    tested: np.ndarray
    shots: np.ndarray
    too_few: tuple[str, ...]


def divide_person(labels: np.ndarray, recordings: np.ndarray, most: int) -> Division:
    """Divide the rows of one person, in the order in which they were recorded.

    Args:
        labels: (N,).
        recordings: (N,) names.
        most: the largest number of shots; a class needs twice as many recordings.
    """
    tested = np.zeros(len(labels), bool)
    shots = np.full(len(labels), -1)
    too_few = []
    for label in pd.unique(labels):
        rows = np.flatnonzero(labels == label)
        order = pd.factorize(recordings[rows])[0]
        count = int(order.max()) + 1
        if count // 2 < max(most, 1):
            too_few.append(str(label))
            continue
        shots[rows] = order
        tested[rows] = order >= count // 2
    names = set(map(str, labels))
    if most and len(names) - len(too_few) < 2:
        return Division(np.zeros_like(tested), np.full_like(shots, -1), tuple(sorted(names)))
    return Division(tested, shots, tuple(sorted(too_few)))


def list_support_rows(answers: Answers, most: int) -> np.ndarray:
    """Return the rows of the manifest that are support of anyone, with up to ``most`` shots."""
    parts = []
    for person in pd.unique(answers.people):
        own = answers.select_rows(np.flatnonzero(answers.people == person))
        shots = divide_person(own.labels, own.recordings, most).shots
        parts.append(own.rows[(shots >= 0) & (shots < most)])
    return np.concatenate(parts)


def measure_shots(
    answers: Answers,
    shots: Sequence[int],
    classes: Sequence[str],
    adapt: Adaptation,
    confidence: ConfidenceTable | None = None,
) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """Measure the accuracy of each person after k recordings of each class.

    Args:
        answers: of all tested people.
        shots: the numbers k; 0 is the model alone.
        classes: of the columns of the log-probabilities.
        adapt: from the support to answers to the tested rows.
        confidence: of the model alone.

    Returns:
        A table of person, shots, the counts of ``AdaptedAnswers``, and n; and the classes that a
        person has too few recordings of.

    Raises:
        ValueError: no person has enough recordings.
    """
    rows, too_few = [], {}
    for person in pd.unique(answers.people):
        own = answers.select_rows(np.flatnonzero(answers.people == person))
        division = divide_person(own.labels, own.recordings, max(shots))
        if division.too_few:
            too_few[str(person)] = list(division.too_few)
        tested = own.select_rows(division.tested)
        if not len(tested):
            continue
        for count in shots:
            support = own.select_rows((division.shots >= 0) & (division.shots < count))
            read = adapt(support, tested) if count else tested.read_best(classes, confidence)
            counts = read.count_answers(tested.labels)
            rows.append({"person": person, "shots": count, **counts, "n": len(tested)})
    if not rows:
        raise ValueError(
            f"shots={list(shots)} needs {2 * max(max(shots), 1)} recordings of each of two classes "
            "by one person; this set has no such person. Use smaller numbers"
        )
    return pd.DataFrame(rows), too_few


def summarize_shots(table: pd.DataFrame, seed: int = 0) -> dict[str, float]:
    """Return ``test/acc@k`` for each k, with ``_low``, ``_high`` and ``_worst``.

    The accuracy is the mean of all people. The 95 % interval is bootstrapped over people; one
    person has none (NaN). ``test/coverage_0.9@k`` and ``test/answered_0.9@k`` are those of the
    promised coverage, where it can be given to all of them.
    """
    scores = _summarize_promise(table) if "wrong" in table else {}
    accuracies = table.assign(acc=table.correct / table.n).pivot(
        index="person", columns="shots", values="acc"
    )
    draws = np.random.default_rng(seed).integers(0, len(accuracies), (2000, len(accuracies)))
    for count, values in accuracies.items():
        means = values.to_numpy()[draws].mean(1)
        low, high = np.percentile(means, [2.5, 97.5]) if len(values) > 1 else (np.nan, np.nan)
        name = f"test/acc@{count}"
        scores[name] = float(values.mean())
        scores |= {f"{name}_low": float(low), f"{name}_high": float(high)}
        scores[f"{name}_worst"] = float(values.min())
    return scores


def _summarize_promise(table: pd.DataFrame) -> dict[str, float]:
    """Return the share of rows without a wrong answer, and of answered ones, as means of people."""
    scores = {}
    for count, rows in table.groupby("shots"):
        if rows["wrong"].isna().any():
            continue
        coverage = 1 - rows["wrong"] / rows["n"]
        name = f"test/coverage_{PROMISED_COVERAGE}"
        scores[f"{name}@{count}"] = float(coverage.mean())
        scores[f"{name}_worst@{count}"] = float(coverage.min())
        answered = float((rows["answered"] / rows["n"]).mean())
        scores[f"test/answered_{PROMISED_COVERAGE}@{count}"] = answered
    return scores
