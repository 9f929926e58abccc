"""The curve of false activations: thresholds that keep a promise, and checks of untrusted files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.streams import LipNetwork
from unvoiced import Engine, Recognizer
from unvoiced.false_activations import FalseActivations

CURVE = FalseActivations((0.2, 0.5, 0.8), (30, 2, 0), (1.1, 1.0, 0.6), 0.5, 50)


def test_a_promise_counts_one_more_answer_than_was_seen() -> None:
    assert CURVE.find_threshold(62) == 0.2
    assert CURVE.find_threshold(61) == 0.5 and CURVE.find_threshold(6) == 0.5
    assert CURVE.find_threshold(5) == 0.8 and CURVE.find_threshold(2) == 0.8
    with pytest.raises(ValueError, match=r"wrong_per_hour=1 cannot be promised: 30 minutes of"):
        CURVE.find_threshold(1)
    assert CURVE.find_kept(4) == 1.0 and CURVE.find_kept(0) == 0.6


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=20), st.floats(0.5, 500))
def test_no_threshold_above_the_promised_one_breaks_it(false: list[int], rate: float) -> None:
    thresholds = tuple(np.linspace(0.1, 0.9, len(false)))
    curve = FalseActivations(thresholds, tuple(false), tuple([1.0] * len(false)), 1.0, 9)
    if false[-1] + 1 > rate:
        with pytest.raises(ValueError, match="cannot be promised"):
            curve.find_threshold(rate)
        return
    threshold = curve.find_threshold(rate)
    assert all(n + 1 <= rate for t, n in zip(thresholds, false, strict=True) if t >= threshold)


def test_curves_survive_a_file() -> None:
    assert FalseActivations.from_plain(CURVE.to_plain()) == CURVE
    assert FalseActivations.from_plain({}) is None


@pytest.mark.parametrize(
    "change",
    [
        {"thresholds": [0.5, 0.2, 0.8]},
        {"thresholds": [0.2, 0.5]},
        {"false": [1, 2, -3]},
        {"false": "${oc.env:HOME}"},
        {"kept": [1.0] * 100},
        {"hours": 0},
        {"hours": float("nan")},
        {"words": 2.5},
    ],
)
def test_invalid_curves_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^false_activations"):
        FalseActivations.from_plain(CURVE.to_plain() | change)


def test_incomplete_curves_are_refused() -> None:
    with pytest.raises(ValueError, match="also states thresholds, false"):
        FalseActivations.from_plain({"hours": 1.0})


def build_recognizer(**facts: Any) -> Recognizer:
    network = LipNetwork()
    network.metadata |= facts
    return Recognizer(network)


def test_an_engine_takes_its_threshold_from_the_curve() -> None:
    reader = build_recognizer(false_activations=CURVE.to_plain())
    assert Engine(reader, is_preprocessed=True, wrong_per_hour=6).min_probability == 0.5
    assert Engine(reader, is_preprocessed=True, wrong_per_hour=None).min_probability == 0.4
    with pytest.raises(ValueError, match=r"live\.wrong_per_hour=0 .* above 0"):
        Engine(reader, is_preprocessed=True, wrong_per_hour=0)
    with pytest.raises(ValueError, match="each set the threshold"):
        Engine(reader, is_preprocessed=True, wrong_per_hour=6, min_probability=0.5)
    with pytest.raises(ValueError, match=r"Measure it with stage=benchmark"):
        Engine(build_recognizer(), is_preprocessed=True, wrong_per_hour=6)
