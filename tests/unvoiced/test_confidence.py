"""Confidence tables: their promises, their weights and their checks."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unvoiced.confidence import (
    LOWEST_THRESHOLD,
    MAX_STEPS,
    ConfidenceTable,
    measure_confidence,
    weigh_recordings,
)


def draw_answers(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities that are too high for how often they are right, and what is right."""
    random = np.random.default_rng(seed)
    chances = random.beta(3, 1.5, count)
    return np.sqrt(chances), random.random(count) < chances


def make_table(probabilities: np.ndarray, correct: np.ndarray) -> ConfidenceTable:
    rows = np.arange(len(correct))
    return measure_confidence(probabilities, correct, np.zeros(len(rows)), rows)


@pytest.mark.parametrize("coverage", [0.75, 0.9, 0.95])
def test_a_promise_is_kept_on_new_recordings_of_the_same_kind(coverage: float) -> None:
    tested, is_right = draw_answers(1, 20_000)
    wrong = []
    for seed in range(100):
        threshold = make_table(*draw_answers(seed + 2, 99)).find_threshold(coverage)
        wrong.append(((tested >= threshold) & ~is_right).mean())
    assert 1 - coverage - 0.02 < np.mean(wrong) < 1 - coverage + 0.004


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60),
    st.floats(0.01, 0.999),
)
def test_a_table_states_what_its_recordings_show(
    answers: list[tuple[float, bool]], coverage: float
) -> None:
    probabilities, correct = (np.array(column) for column in zip(*answers, strict=True))
    table = make_table(probabilities, correct)
    assert ConfidenceTable.from_plain(json.loads(json.dumps(table.to_plain()))) == table
    assert len(table.thresholds) <= MAX_STEPS
    for threshold, wrong, answered in zip(
        table.thresholds, table.wrong, table.answered, strict=True
    ):
        is_answered = probabilities >= threshold
        assert answered == pytest.approx(is_answered.mean(), abs=1e-6)
        assert wrong == pytest.approx((is_answered & ~correct).mean(), abs=2e-6)
    if coverage <= table.highest_coverage:
        is_wrong = (probabilities >= table.find_threshold(coverage)) & ~correct
        assert (is_wrong.sum() + 1) / (len(correct) + 1) <= 1 - coverage + 1e-5
    else:
        with pytest.raises(ValueError, match="cannot be promised: the highest"):
            table.find_threshold(coverage)


def test_a_probability_that_is_no_number_is_no_answer() -> None:
    table = make_table(np.array([math.nan, 0.9]), np.array([False, True]))
    assert table.answered[-1] == 0 and table.find_threshold(0.6) == LOWEST_THRESHOLD


def test_a_model_that_is_always_right_always_answers() -> None:
    table = make_table(np.linspace(0.1, 1, 50), np.ones(50, bool))
    assert table.find_threshold(0.9) == LOWEST_THRESHOLD


def test_people_and_recordings_count_equally() -> None:
    people = np.array(["a"] * 6 + ["b"] * 2)
    recordings = np.array([0, 0, 0, 0, 1, 1, 2, 3])
    weights = weigh_recordings(people, recordings)
    assert weights.tolist() == pytest.approx([1 / 16] * 4 + [1 / 8] * 2 + [1 / 4] * 2)


def test_a_table_is_small() -> None:
    table = make_table(*draw_answers(0, 30_000))
    assert len(json.dumps(table.to_plain())) < 4096


@pytest.mark.parametrize(
    "changes",
    [
        {"thresholds": [0.5, 0.5]},
        {"thresholds": [0.0, 0.5]},
        {"wrong": [0.1, 0.2]},
        {"answered": [0.5]},
        {"answered": [math.nan, 0.1]},
        {"wrong": [1.5, 0.1]},
        {"wrong": "0.1"},
        {"thresholds": [], "wrong": [], "answered": []},
        {"recordings": 0},
        {"people": 1.5},
        {"people": 10},
        {"recordings": 10**400},
        {"wrong": [0.9, 0.6]},
        {"simulated": "yes"},
        {"more": 1},
        {"thresholds": None},
    ],
)
def test_a_damaged_table_is_refused(changes: dict[str, Any]) -> None:
    plain = ConfidenceTable((0.2, 0.5), (0.2, 0.1), (1.0, 0.5), 9, 3).to_plain() | changes
    with pytest.raises(ValueError, match="confidence"):
        ConfidenceTable.from_plain(plain)


def test_a_table_without_all_facts_is_refused_and_an_empty_one_is_none() -> None:
    with pytest.raises(ValueError, match="also states recordings"):
        ConfidenceTable.from_plain({"thresholds": [0.5], "wrong": [0.1], "answered": [1.0]})
    assert ConfidenceTable.from_plain({}) is None
