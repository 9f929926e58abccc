"""The threshold of a stream: given, or the one that keeps a promise."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.helpers.profiles import EmbeddingNetwork, make_profile
from unvoiced import Engine, Recognizer
from unvoiced.confidence import ConfidenceTable
from unvoiced.thresholds import resolve_threshold

MODEL = SimpleNamespace(confidence=ConfidenceTable((0.2, 0.6), (0.4, 0.05), (1.0, 0.5), 99, 3))


def test_a_promise_becomes_the_threshold() -> None:
    settings = {"coverage": 0.9, "hold_s": 0.5, "keep_probability": 0.7}
    expected = {"hold_s": 0.5, "keep_probability": 0.6, "min_probability": 0.6}
    assert resolve_threshold(settings, MODEL) == expected
    assert resolve_threshold({"coverage": None, "min_probability": 0.3}, MODEL) == {
        "min_probability": 0.3
    }


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"coverage": 0.9, "min_probability": 0.5}, "live.coverage=0.9 and live.min_probability"),
        ({"coverage": 1.0}, "live.coverage=1.0"),
        ({"coverage": "much"}, "live.coverage='?much"),
        ({"coverage": 0.999}, "cannot be promised"),
    ],
)
def test_settings_that_cannot_be_kept_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        resolve_threshold(settings, MODEL)


def test_a_model_that_was_not_measured_promises_nothing() -> None:
    with pytest.raises(ValueError, match=r"needs a model that states.*adapt.method=confidence"):
        resolve_threshold({"coverage": 0.9}, SimpleNamespace(confidence=None))


def test_a_profile_brings_its_own_confidence() -> None:
    recognizer = Recognizer(EmbeddingNetwork())
    assert recognizer.confidence is None
    recognizer.metadata["confidence"] = MODEL.confidence.to_plain()
    assert recognizer.confidence == MODEL.confidence
    profile = make_profile(rows=2, per_class=12)
    recognizer.use_profile(profile)
    assert recognizer.confidence == profile.confidence
    assert profile.confidence.recordings == len(np.unique(profile.recordings))
    threshold = profile.confidence.find_threshold(0.9)
    engine = Engine(recognizer, is_preprocessed=True, coverage=0.9)
    assert engine.min_probability == threshold
    recognizer.use_profile(make_profile(rows=2, per_class=1))  # cannot leave any out
    assert recognizer.confidence == MODEL.confidence
