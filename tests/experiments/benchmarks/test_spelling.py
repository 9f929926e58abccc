"""Phrases that are spelled with and without suggestions."""

from __future__ import annotations

import string

import numpy as np
import pytest

from experiments.benchmarks.spelled_frames import SpelledFrames
from experiments.benchmarks.spelling import (
    NAMES,
    PHRASES,
    build_composers,
    describe_names,
    measure_phrases,
)
from unvoiced.language import build_english


@pytest.fixture
def frames() -> SpelledFrames:
    """Return frames of two people, of which a sixth is read as the next letter."""
    letters = np.array(list(string.ascii_uppercase) * 12)
    people = np.repeat(["ann", "bob"], len(letters) // 2)
    probabilities = np.full((len(letters), 26), 0.01)
    for row, letter in enumerate(letters):
        column = string.ascii_uppercase.index(letter)
        probabilities[row, column] = 0.4
        probabilities[row, (column + 1) % 26] = 0.5 if row % 156 < 26 else 0.1
    return SpelledFrames(list(string.ascii_uppercase), letters, people, probabilities)


@pytest.mark.slow
def test_suggestions_halve_the_errors_of_words(frames: SpelledFrames) -> None:
    table, written = measure_phrases(frames, 3, 0)
    assert len(table) == 4 and len(written) == 12
    real = table.iloc[0]
    assert real["word error, spelled"] > 0
    assert real["word error, first suggestion"] <= real["word error, spelled"] / 2
    assert (
        0 < real["keys saved"] < 1
        and real["words"] == written["phrase"][:3].str.split().str.len().sum()
    )


def test_confusions_are_those_of_the_other_people(frames: SpelledFrames) -> None:
    counts = frames.count_confusions(["ann"])
    assert counts.sum() == 156 and counts[0, 1] == 26 / 26 and counts[0, 0] == 5
    composers = build_composers(frames, True)
    assert composers["ann"].language is composers["bob"].language


@pytest.mark.slow
def test_names_are_kept_as_they_are_spelled(frames: SpelledFrames) -> None:
    assert "0 of 120 texts changed without consent" in describe_names(frames, 0)


def test_a_letter_that_nobody_showed_is_named(frames: SpelledFrames) -> None:
    few = SpelledFrames(
        frames.classes, *(a[:25] for a in (frames.labels, frames.people, frames.probabilities))
    )
    with pytest.raises(ValueError, match="no recording of the letter Z"):
        few.spell_with_frames("ann", np.random.default_rng(0))("z")


def test_phrases_are_of_known_words_and_names_of_unknown_ones() -> None:
    language = build_english()
    assert len(PHRASES) == len(set(PHRASES)) > 200
    assert all(word in language for phrase in PHRASES for word in phrase.split())
    assert not any(name.lower() in language for name in NAMES)
