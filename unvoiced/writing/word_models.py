"""Models of the order of words for decoding: n-grams of sentences, and English in general."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

from unvoiced.language import LanguageModel, build_english
from unvoiced.plain_data import check_choice, require_fact
from unvoiced.writing.ngrams import END, START, NgramModel, WordBeginnings, check_ngrams

__all__ = ["END", "START", "EnglishWords", "WordModel", "build_word_model", "check_word_model"]

UNKNOWN_SCORE = -20.0  # the rarest word of the lists has -17.6


class WordModel(Protocol):
    """Log-probabilities of words after other words.

    Attributes:
        order: words that a probability depends on, the word itself included.
    """

    order: int
    score: Callable[[str, tuple[str, ...]], float]

    def __contains__(self, word: str) -> bool: ...

    def score_beginning(self, letters: str) -> float:
        """Return the log-probability that any word begins with these letters."""

    def to_plain(self) -> dict[str, Any]:
        """Return plain data, the argument of ``build_word_model`` for the same model."""


class EnglishWords:
    """The words of English and their pairs; the ends of sentences are not known.

    Args:
        language: frequencies of words and pairs; None for symspellpy's lists.

    Raises:
        ValueError: symspellpy is not installed.
    """

    kind, order = "english", 2

    def __init__(self, language: LanguageModel | None = None) -> None:
        self.language = build_english() if language is None else language
        words = sorted(self.language.list_words())
        scores = [self.language.score_word(word) for word in words]
        self._beginnings = WordBeginnings(words, scores)

    def __contains__(self, word: str) -> bool:
        return word in self.language

    def score(self, word: str, history: tuple[str, ...]) -> float:
        """Return the log-probability of a word after the last of others."""
        if word == END:
            return 0.0
        if word not in self.language:
            return UNKNOWN_SCORE
        return self.language.score_after(word, history[-1] if history else None)

    def score_beginning(self, letters: str) -> float:
        """Return the log-probability that any word begins with these letters."""
        score = self._beginnings.score(letters)
        return UNKNOWN_SCORE if score is None else score

    def to_plain(self) -> dict[str, Any]:
        """Return plain data: the lists themselves are symspellpy's."""
        return {"kind": self.kind}


@lru_cache(maxsize=1)
def _english_words() -> EnglishWords:
    return EnglishWords()


def build_word_model(plain: dict[str, Any] | None) -> WordModel | None:
    """Build a model from its ``to_plain()``, which ``check_word_model`` accepts; None for None.

    Raises:
        ValueError: symspellpy is not installed.
    """
    if plain is None:
        return None
    return _english_words() if plain["kind"] == EnglishWords.kind else NgramModel.from_plain(plain)


def check_word_model(place: str, value: Any) -> None:
    """Accept plain data of a model of words from a file that anyone may have written.

    Raises:
        ValueError: another type, kind or size.
    """
    require_fact(place, value, value is None or isinstance(value, dict), "a dict or null")
    if value is None:
        return
    check_choice(f"{place}.kind", value.get("kind"), (NgramModel.kind, EnglishWords.kind))
    if value["kind"] == NgramModel.kind:
        check_ngrams(place, value)
