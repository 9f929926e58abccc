"""Suggestions, acceptance and undo of spelled words."""

from __future__ import annotations

import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unvoiced.composer import TextComposer
from unvoiced.language import LanguageModel, build_english
from unvoiced.writing.ngrams import NgramModel
from unvoiced.writing.word_composer import WordComposer
from unvoiced.writing.writer import TextWriter

LABELS = [*string.ascii_uppercase, "del", "nothing", "space"]
WORDS = {"hello": 90, "world": 80, "help": 70, "water": 60, "need": 50, "i": 100, "a": 40}


def make_writer(language: LanguageModel, phrases: tuple[str, ...] = (), **options) -> TextWriter:
    return TextWriter(composer=TextComposer(LABELS, language, phrases=phrases), **options)


@pytest.fixture(scope="module")
def small() -> LanguageModel:
    return LanguageModel(WORDS, personal=["Zoë"])


def hold(writer: TextWriter, letters: str) -> None:
    for letter in letters:
        probabilities = np.full(len(LABELS), 0.001)
        probabilities[LABELS.index(letter.upper())] = 0.9
        writer.add(letter.upper(), probabilities, LABELS)


def test_a_suggestion_replaces_the_word_that_is_spelled() -> None:
    writer = make_writer(build_english())
    hold(writer, "helo")
    assert writer.text == writer.spelled == "HELO" and writer.suggestions[0] == "hello"
    assert writer.accept() and writer.text == "hello " and writer.suggestions == ()
    hold(writer, "worlb")
    assert writer.accept("world") and writer.text == "hello world "


def test_a_space_keeps_the_letters_as_spelled(small: LanguageModel) -> None:
    writer = make_writer(small)
    hold(writer, "watex")
    writer.add("space")
    assert writer.text == "WATEX " and writer.suggestions == () and not writer.accept()


def test_steps_are_taken_back(small: LanguageModel) -> None:
    writer = make_writer(small)
    hold(writer, "wat")
    writer.add("E")  # typed
    writer.accept("water")
    writer.add("space")
    texts = []
    while writer.undo():
        texts.append(writer.text)
    assert texts == ["water ", "WATE", "WAT", "WA", "W", ""]
    assert writer.suggestions == ()


def test_a_suggestion_returns_with_undo(small: LanguageModel) -> None:
    writer = make_writer(small)
    hold(writer, "wate")
    before = writer.suggestions
    writer.accept()
    writer.undo()
    assert writer.suggestions == before and "water" in before


def test_del_removes_the_last_hold(small: LanguageModel) -> None:
    writer = make_writer(small)
    hold(writer, "waterx")
    writer.add("del")
    assert writer.text == "WATER" and writer.suggestions[0] == "water"
    for _ in range(7):
        writer.add("del")
    assert writer.text == "" and writer.suggestions == ()


def test_an_old_suggestion_is_not_accepted_in_place_of_another(small: LanguageModel) -> None:
    writer = make_writer(small)
    hold(writer, "hel")
    hold(writer, "p")
    assert not writer.accept("water") and not writer.accept(7) and writer.text == "HELP"


def test_phrases_are_suggested_by_their_first_letters(small: LanguageModel) -> None:
    writer = make_writer(small, ("My name is Zoë.", "Help!"))
    hold(writer, "myn")
    assert "My name is Zoë." in writer.suggestions
    assert writer.accept("My name is Zoë.") and writer.text == "My name is Zoë. "


def test_names_are_written_as_given(small: LanguageModel) -> None:
    writer = make_writer(small)
    hold(writer, "zoe")
    assert writer.suggestions[0] == "Zoë"


def test_a_sign_accepts_the_first_suggestion(small: LanguageModel) -> None:
    writer = make_writer(small, accept_label="thumb")
    hold(writer, "watr")
    writer.add("thumb")
    writer.add("thumb")  # nothing is spelled now
    assert writer.text == "water "
    for label in ("A", "space", "nothing"):
        with pytest.raises(ValueError, match="cannot accept suggestions, since it writes"):
            TextWriter(accept_label=label)


def test_signs_of_ones_own_end_the_word(small: LanguageModel) -> None:
    writer = make_writer(small)
    labels = [*LABELS, "Thanks"]
    hold(writer, "wat")
    writer.add("Thanks", np.full(len(labels), 1 / len(labels)), labels)
    assert writer.text == "WATThanks" and writer.suggestions == ()


def test_other_classes_follow_a_profile(small: LanguageModel) -> None:
    writer, few = make_writer(small), ["A", "B"]
    writer.add("A", np.array([0.9, 0.1]), few)
    assert writer.text == "A" and writer.suggestions == ()
    hold(writer, "hello")
    assert writer.suggestions[0] == "hello"


def test_words_have_no_suggestions() -> None:
    writer = TextWriter(is_joined=False)
    writer.add("yes")
    writer.add("no")
    assert writer.text == "yes no" and writer.suggestions == () and not writer.accept()
    assert writer.undo() and writer.text == "yes"
    writer.clear()
    assert writer.text == "" and not writer.undo()


KEYS = st.sampled_from(["A", "H", "W", "space", "del", "nothing", "Thanks"])


@settings(max_examples=20)
@given(st.lists(KEYS, max_size=20))
def test_nothing_but_acceptance_changes_letters(labels: list[str]) -> None:
    small = LanguageModel(WORDS)
    writer, plain = make_writer(small), TextWriter()
    for label in labels:
        writer.add(label)
        plain.add(label)
        assert writer.text == plain.text and plain.text.endswith(writer.spelled)


@pytest.mark.parametrize("label", ["Hi", "no", ""])
def test_signs_whose_names_are_parts_of_the_alphabet_are_no_letters(
    small: LanguageModel, label: str
) -> None:
    writer = make_writer(small)
    labels = [*LABELS, label]
    writer.add(label, np.full(len(labels), 1 / len(labels)), labels)
    writer.add(label)
    assert writer.spelled == "" and writer.suggestions == ()
    hold(writer, "wate")
    assert writer.accept("water") and writer.text == f"{label}{label}water "


def test_a_letter_with_two_labels_is_as_likely_as_both(small: LanguageModel) -> None:
    composer = TextComposer([*LABELS, "w"], small)
    probabilities = np.full(len(LABELS) + 1, 0.001)
    probabilities[-1] = 0.9
    writer = TextWriter(composer=composer)
    writer.add("w", probabilities, composer.labels)
    for letter in "ATE":
        writer.add(letter)
    assert writer.spelled == "wATE" and writer.suggestions[0] == "water"


# ---- words


WORDS_OF_LIPS = ["bin", "pin", "blue", "thank you"]
ROWS = {"pin": [0.45, 0.55, 0, 0], "blue": [0, 0, 1, 0], "thank you": [0, 0, 0, 1]}


def make_word_writer() -> TextWriter:
    model = NgramModel.from_sentences(["bin blue", "bin blue", "thank you"])
    return TextWriter(is_joined=False, composer=WordComposer(WORDS_OF_LIPS, model, 1.0))


def read_words(writer: TextWriter, *words: str) -> None:
    for word in words:
        writer.add(word, np.array(ROWS[word], np.float64), WORDS_OF_LIPS)


def test_words_are_suggested_by_their_neighbours() -> None:
    writer = make_word_writer()
    read_words(writer, "thank you", "pin", "blue")
    assert writer.text == writer.spelled == "thank you pin blue"
    assert writer.suggestions == ("thank you bin blue",)
    assert writer.accept() and writer.text == "thank you bin blue"
    read_words(writer, "pin")
    assert writer.spelled == "pin" and writer.suggestions[0] == "bin"
    assert writer.accept("bin") and writer.text == "thank you bin blue bin"
    texts = []
    while writer.undo():
        texts.append(writer.text)
    assert texts[:2] == ["thank you bin blue pin", "thank you bin blue"] and texts[-1] == ""


def test_words_of_a_model_without_a_doubt_have_no_suggestions() -> None:
    writer = make_word_writer()
    read_words(writer, "blue")
    writer.add("bin")  # typed
    assert writer.spelled == "blue bin" and writer.suggestions == ()
    writer.add("hello")  # no word of the model
    assert writer.spelled == "" and writer.text == "blue bin hello"
    read_words(writer, "pin")
    writer.add("del")
    assert writer.spelled == "" and writer.text == "blue bin hello pi"


def test_steps_back_behind_a_profile_forget_its_words() -> None:
    writer = make_word_writer()
    read_words(writer, "pin")
    writer.add("tea", np.full(5, 0.2), [*WORDS_OF_LIPS, "tea"])
    read_words(writer, "pin")
    for expected in ("pin tea", "pin", ""):
        assert writer.undo() and writer.text == expected
        assert all(isinstance(text, str) for text in writer.suggestions)
