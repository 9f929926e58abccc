"""The few-shot protocol: the same tested rows for every k, and people apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.reports.few_shots import (
    AdaptedAnswers,
    Answers,
    divide_person,
    measure_shots,
    summarize_shots,
)

CLASSES = ("A", "B", "C")


def make_answers(people: int = 2, recordings: int = 6, rows: int = 2) -> Answers:
    """Return answers of a model that predicts the first class for everything."""
    index = [
        (f"p{person}", label, f"{label}{number}")
        for person in range(people)
        for number in range(recordings)
        for label in CLASSES
        for _ in range(rows)
    ]
    names, labels, sequences = (np.array(column) for column in zip(*index, strict=True))
    log_probabilities = np.log(np.tile([0.8, 0.1, 0.1], (len(index), 1)))
    rows, embeddings = np.arange(len(index)), np.zeros((len(index), 3))
    return Answers(rows, log_probabilities, embeddings, labels, names, sequences)


@given(st.lists(st.sampled_from("ABC"), min_size=1, max_size=40), st.integers(1, 4))
def test_no_recording_is_both_support_and_tested(labels: list[str], most: int) -> None:
    names = np.array([f"r{number // 2}{label}" for number, label in enumerate(labels)])
    division = divide_person(np.array(labels), names, most)
    support = (division.shots >= 0) & (division.shots < most)
    assert not (support & division.tested).any()
    assert not set(names[support]) & set(names[division.tested])
    used = set(np.array(labels)[division.tested])
    assert used | set(division.too_few) == set(labels)


def test_every_k_is_tested_on_the_same_rows_with_the_first_recordings_as_support() -> None:
    calls = []

    def adapt(support: Answers, tested: Answers) -> AdaptedAnswers:
        calls.append((sorted(set(support.recordings)), tuple(tested.recordings)))
        return AdaptedAnswers(tested.labels, np.ones(len(tested)))

    table, too_few = measure_shots(make_answers(), [0, 1, 3], CLASSES, adapt)
    assert not too_few
    assert calls[0][0] == ["A0", "B0", "C0"]
    assert calls[1][0] == [f"{name}{number}" for name in CLASSES for number in range(3)]
    assert len({tested for _, tested in calls}) == 1
    assert set(calls[0][1]) == {f"{name}{number}" for name in CLASSES for number in (3, 4, 5)}
    scores = summarize_shots(table)
    assert (scores["test/acc@0"], scores["test/acc@1"]) == (1 / 3, 1.0)
    assert scores["test/acc@0_worst"] == 1 / 3


def test_classes_with_too_few_recordings_are_listed_and_not_tested() -> None:
    answers = make_answers(people=1, recordings=4)
    keep = ~((answers.labels == "B") & (answers.recordings != "B0"))
    table, too_few = measure_shots(
        answers.select_rows(keep), [0, 2], CLASSES, lambda _, tested: tested.read_best(CLASSES)
    )
    assert too_few == {"p0": ["B"]}
    assert table.n.unique().tolist() == [8]


def test_a_person_of_whom_only_one_class_is_left_is_not_tested() -> None:
    answers = make_answers(people=2, recordings=4)
    keep = (answers.people == "p0") | (answers.labels == "A")
    table, too_few = measure_shots(
        answers.select_rows(keep), [0, 2], CLASSES, lambda _, tested: tested.read_best(CLASSES)
    )
    assert too_few == {"p1": ["A"]}
    assert table.person.unique().tolist() == ["p0"]


def test_a_set_without_enough_recordings_is_refused() -> None:
    with pytest.raises(ValueError, match="needs 10 recordings of each of two classes"):
        measure_shots(make_answers(), [5], CLASSES, lambda _, tested: tested.read_best(CLASSES))


def test_one_person_has_no_interval() -> None:
    table = pd.DataFrame({"person": ["p"], "shots": [1], "correct": [3], "n": [4]})
    scores = summarize_shots(table)
    assert scores["test/acc@1"] == 0.75
    assert np.isnan(scores["test/acc@1_low"])
