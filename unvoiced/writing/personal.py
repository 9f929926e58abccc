"""Words and phrases of a person's own, checked and as they are spelled."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import Path

from unvoiced.files import read_text
from unvoiced.text import escape_controls
from unvoiced.validation import to_yaml

MAX_WORDS, MAX_WORD_LETTERS = 10_000, 24
MAX_WORD_CHARACTERS = 60  # accents and signs included
MAX_PHRASES, MAX_PHRASE_CHARACTERS = 1_000, 200
MAX_FILE_BYTES = 2 << 20
_FOREIGN_LETTERS = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}
)


def fold_letters(text: str) -> str:
    """Return the letters a to z that spell a text, without accents, spaces and signs.

    >>> fold_letters("Zoë O'Brien")
    'zoeobrien'
    """
    parts = unicodedata.normalize("NFKD", text.casefold().translate(_FOREIGN_LETTERS))
    return "".join(letter for letter in parts if "a" <= letter <= "z")


def check_words(words: Iterable[str], place: str = "words") -> dict[str, str]:
    """Return personal words by the letters that spell them.

    Raises:
        ValueError: there are too many, or one of them cannot be spelled.
    """
    texts = _check_texts(words, place, MAX_WORDS)
    spelled = {fold_letters(text): text for text in texts}
    for letters, text in spelled.items():
        _require_letters(place, text, letters)
        if len(letters) > MAX_WORD_LETTERS:
            raise ValueError(
                f"{place}: {to_yaml(text)} has {len(letters)} letters; expected a word of at "
                f"most {MAX_WORD_LETTERS}. Use a phrase instead."
            )
        if len(text) > MAX_WORD_CHARACTERS:
            raise ValueError(
                f"{place}: {to_yaml(text)} has {len(text):,} characters; expected a word of at "
                f"most {MAX_WORD_CHARACTERS}. Shorten it."
            )
    return spelled


def check_phrases(phrases: Iterable[str], place: str = "phrases") -> tuple[str, ...]:
    """Return quick phrases, each once.

    Raises:
        ValueError: there are too many, or one of them is too long or cannot be spelled.
    """
    texts = _check_texts(phrases, place, MAX_PHRASES)
    for text in texts:
        _require_letters(place, text, fold_letters(text))
        if len(text) > MAX_PHRASE_CHARACTERS:
            raise ValueError(
                f"{place}: {to_yaml(text)} has {len(text):,} characters; expected a phrase of at "
                f"most {MAX_PHRASE_CHARACTERS}. Shorten it."
            )
    return tuple(dict.fromkeys(texts))


def read_lines(path: str | Path, place: str) -> list[str]:
    """Return the lines of a text file in UTF-8; empty ones and those after # are left out.

    Raises:
        ValueError: it does not exist, is too large, or is no text.
    """
    try:
        lines = read_text(Path(path), MAX_FILE_BYTES).splitlines()
    except ValueError as error:
        raise ValueError(
            f"{place}={to_yaml(path)}: {error}; expected a text file in UTF-8 with "
            "one entry per line. Check the path."
        ) from None
    return [line for line in map(str.strip, lines) if line and not line.startswith("#")]


def _check_texts(texts: Iterable[str], place: str, most: int) -> list[str]:
    found = [" ".join(unicodedata.normalize("NFC", text).split()) for text in texts]
    found = [text for text in found if text]
    if len(found) > most:
        raise ValueError(
            f"{place}: {len(found):,} entries; expected at most {most:,}. Use a shorter list."
        )
    for text in found:
        if escape_controls(text) != text:
            raise ValueError(
                f"{place}: {to_yaml(text)} has control characters; expected text. Remove them."
            )
    return found


def _require_letters(place: str, text: str, letters: str) -> None:
    if not letters:
        raise ValueError(
            f"{place}: {to_yaml(text)} has no letter from A to Z; expected a text that can be "
            "spelled. Write it with these letters."
        )
