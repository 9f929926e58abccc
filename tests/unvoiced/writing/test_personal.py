"""Words and phrases of a person's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unvoiced.language import build_english
from unvoiced.writing.personal import (
    MAX_FILE_BYTES,
    MAX_PHRASES,
    MAX_WORDS,
    check_phrases,
    check_words,
    fold_letters,
    read_lines,
)
from unvoiced.writing.sentences import make_word_model


@pytest.mark.parametrize(
    ("text", "letters"),
    [("Zoë", "zoe"), ("O'Brien", "obrien"), ("Straße 7", "strasse"), ("Łódź", "lodz"), ("李", "")],
)
def test_texts_are_spelled_with_the_letters_a_to_z(text: str, letters: str) -> None:
    assert fold_letters(text) == letters


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["李"], "has no letter from A to Z"),
        (["a" * 25], "has 25 letters; expected a word of at most 24"),
        (["a\x1bb"], "has control characters"),
        (["a"] * (MAX_WORDS + 1), "10,001 entries; expected at most 10,000"),
    ],
)
def test_words_that_cannot_be_spelled_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_words(words)
    with pytest.raises(ValueError, match=message):
        build_english(words)


@pytest.mark.parametrize(
    ("phrases", "message"),
    [
        (["112"], "has no letter from A to Z"),
        (["a" * 201], "has 201 characters; expected a phrase of at most 200"),
        (["a"] * (MAX_PHRASES + 1), "1,001 entries; expected at most 1,000"),
    ],
)
def test_phrases_that_cannot_be_spelled_are_refused(phrases: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_phrases(phrases)


def test_lists_are_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("\ufeff# people\nMira\n\n  Zoe\u0308 \n", encoding="utf-8")
    assert check_words(read_lines(path, "live.words")) == {"mira": "Mira", "zoe": "Zoë"}
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="live.words=.*: not a text in UTF-8; expected"):
        read_lines(path, "live.words")
    path.write_bytes(b"a" * (MAX_FILE_BYTES + 1))
    with pytest.raises(ValueError, match="at most 2,097,152 are read"):
        read_lines(path, "live.words")


def test_people_share_the_list_but_not_their_words() -> None:
    first, second = build_english(["Mira"]), build_english()
    assert first.base is second.base and first.counts is second.counts
    assert "mira" in first and "mira" not in second.personal
    assert first.write_words(["i", "am", "mira"]) == "I am Mira"


def test_files_that_never_end_are_refused_without_being_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "words.txt")
    for path in (tmp_path / "words.txt", Path("/dev/zero"), tmp_path):
        with pytest.raises(
            ValueError, match="live.words=.*cannot be read: .*; expected a text file"
        ):
            read_lines(path, "live.words")
        with pytest.raises(ValueError, match="module.language_model=.*cannot be read"):
            make_word_model(str(path), ["yes"], str)


def test_a_word_of_many_accents_and_signs_is_refused() -> None:
    for word in ("e" + "\u0301" * 80, "a" + "1" * 80):
        with pytest.raises(ValueError, match="characters; expected a word of at most 60"):
            check_words([word])
