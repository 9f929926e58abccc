"""N-grams: probabilities, plain data, and data of files from anyone."""

from math import exp, isclose

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unvoiced.language import LanguageModel
from unvoiced.writing.ngrams import END, START, UNKNOWN_WORD, NgramModel
from unvoiced.writing.sentences import make_word_model
from unvoiced.writing.word_models import EnglishWords, build_word_model, check_word_model

sentences = st.lists(st.lists(st.sampled_from("abcd"), max_size=5).map(" ".join), min_size=1)


@settings(max_examples=20)
@given(sentences, st.integers(1, 4), st.lists(st.sampled_from("abcz"), max_size=4))
def test_probabilities_after_any_words_add_up_to_one(texts, order: int, history) -> None:
    model = NgramModel.from_sentences(texts, order)
    after = (*[START] * (order - 1), *history)
    words = [*model.words, END, UNKNOWN_WORD]
    assert isclose(sum(exp(model.score(word, after)) for word in words), 1.0)


@settings(max_examples=15)
@given(sentences, st.integers(1, 4))
def test_plain_data_build_the_same_model(texts, order: int) -> None:
    model = NgramModel.from_sentences(texts, order)
    plain = model.to_plain()
    check_word_model("file", plain)
    again = build_word_model(plain)
    assert again.to_plain() == plain and again.words == model.words
    history = (START,) * (order - 1)
    for word in (*"abz", END):
        assert again.score(word, history) == model.score(word, history)


def test_words_that_follow_each_other_are_likelier() -> None:
    model = NgramModel.from_sentences(["call the nurse", "open the door", "open my door"], 2)
    assert model.score("door", ("my",)) > model.score("nurse", ("my",))
    assert model.score("nurse", ("the",)) > model.score("call", ("the",))
    assert model.score("bicycle", ("the",)) < model.score("call", ("the",))


def test_a_beginning_is_as_likely_as_all_words_that_begin_so() -> None:
    model = NgramModel.from_sentences(["do door done", "window"], 1)
    whole = sum(exp(model.score(word, ())) for word in ("do", "done", "door"))
    assert isclose(exp(model.score_beginning("do")), whole)
    assert model.score_beginning("x") == model.score(UNKNOWN_WORD, ())


def test_english_knows_pairs_and_no_ends() -> None:
    english = EnglishWords(LanguageModel({"the": 50, "nurse": 5, "horse": 5}, {"the nurse": 4}))
    assert english.score("nurse", ("the",)) > english.score("horse", ("the",))
    assert english.score("xyzzy", ("the",)) < english.score("horse", ("the",))
    assert english.score(END, ("the",)) == 0.0


GOOD = {"kind": "ngram", "order": 2, "ngrams": ["<s> a", "a </s>"], "counts": [1, 1]}


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "pickle"},
        {"order": 9},
        {"order": 1},
        {"ngrams": []},
        {"ngrams": ["<s> a", "a  b"]},
        {"ngrams": ["<s> a", "a <s>"]},
        {"ngrams": ["<s> a", "<s> a"]},
        {"ngrams": ["<s> a", "a ${b}"]},
        {"ngrams": "<s> a"},
        {"counts": [1]},
        {"counts": [1, 0]},
        {"counts": [1, float("nan")]},
        {"counts": [1, 2**60]},
    ],
)
def test_damaged_models_are_refused(change: dict) -> None:
    check_word_model("file", GOOD)
    with pytest.raises(ValueError, match=r"^file.*expected"):
        check_word_model("file", GOOD | change)


def test_a_setting_names_training_texts_or_a_file(tmp_path) -> None:
    texts = ["call the nurse", "open the door"]
    assert make_word_model(None, texts, str.lower) is None
    assert "nurse" in make_word_model("train", texts, str.lower).words
    file = tmp_path / "sentences.txt"
    file.write_text("Close the DOOR\n\n", encoding="utf-8")
    assert make_word_model(str(file), texts, str.lower).words == ["close", "door", "the"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: .*expected train, english, or a text file"),
        (b"\xff\xfe\x00", "not a text in UTF-8"),
        (b"\n\n", "has no sentences"),
        (b"guten tag", "knows no word of the training texts"),
    ],
)
def test_files_that_do_not_fit_are_refused(content, message: str, tmp_path) -> None:
    file = tmp_path / "sentences.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        make_word_model(str(file), ["open the door"], str.lower)
