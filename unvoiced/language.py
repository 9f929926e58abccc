"""Frequencies of words and of pairs of words, for spelled and word-by-word text.

The lists are those of symspellpy (82,765 English words, 242,342 pairs): W. Garbe's SymSpell, made
from Google Books Ngram data and SCOWL.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from importlib.resources import files
from math import log
from typing import Self

import numpy as np

from unvoiced.deprecations import former_function
from unvoiced.writing.personal import check_words

WORD_LIST = "frequency_dictionary_en_82_765.txt"
PAIR_LIST = "frequency_bigramdictionary_en_243_342.txt"
PERSONAL_RANK = 100  # a personal word is as frequent as the list's word of this rank
PAIR_WEIGHT = 0.6  # share of a pair's own frequency; the rest is that of its second word
ENGLISH_SPELLINGS = {"i": "I"}


class LanguageModel:
    """Log-probabilities of words, alone and after another word.

    Args:
        counts: how often each word occurs; words are lower-case.
        pairs: how often one word follows another, by ``"first second"``.
        personal: the user's words, such as names; they come before words of the list.

    Attributes:
        base: the model without personal words, which models of several people share.
        personal: the personal words as they are spelled.
        spellings: how words are written where that differs, such as ``anna`` as ``Anna``.

    Raises:
        ValueError: too many personal words, or one without letters from A to Z.
    """

    def __init__(
        self,
        counts: dict[str, int],
        pairs: dict[str, int] | None = None,
        personal: Iterable[str] = (),
        spellings: dict[str, str] | None = None,
    ) -> None:
        self.counts, self.pairs = counts, pairs or {}
        self.spellings = dict(spellings or {})
        ranked = sorted(counts.values(), reverse=True)
        typical = ranked[min(PERSONAL_RANK, len(ranked)) - 1] if ranked else 1
        self.log_total = log(sum(counts.values()) or 1)
        self._log_counts = {word: log(count) for word, count in counts.items()}
        self.log_typical = log(typical)  # of a personal word
        self.base: LanguageModel = self
        self._set_personal(personal)

    def with_personal(self, words: Iterable[str]) -> Self:
        """Return the same model with other personal words; the lists are shared.

        Raises:
            ValueError: as of the class.
        """
        changed = copy.copy(self)
        changed.spellings = dict(self.base.spellings)
        changed._set_personal(words)
        return changed

    def __contains__(self, word: str) -> bool:
        return word in self.counts or word in self.personal

    def list_words(self) -> Iterator[str]:
        """Yield all words."""
        yield from self.counts
        yield from (word for word in self.personal if word not in self.counts)

    def score_word(self, word: str) -> float:
        """Return the log-probability of a word of the list."""
        return self._log_count(word) - self.log_total

    def score_after(self, word: str, previous: str | None) -> float:
        """Return the log-probability of a word of the list after another one."""
        alone = self.score_word(word)
        if previous is None or previous not in self:
            return alone
        pair = self.pairs.get(f"{previous} {word}")
        if pair is None:
            return alone + log(1 - PAIR_WEIGHT)
        follows = log(PAIR_WEIGHT) + log(pair) - self._log_count(previous)
        return float(np.logaddexp(min(follows, 0.0), log(1 - PAIR_WEIGHT) + alone))

    def write_words(self, words: Iterable[str]) -> str:
        """Return words as they are written, with a space between them."""
        return " ".join(self.spellings.get(word, word) for word in words)

    def _set_personal(self, words: Iterable[str]) -> None:
        spelled = check_words(words)
        self.personal = frozenset(spelled)
        self.spellings |= spelled

    def _log_count(self, word: str) -> float:
        listed = self._log_counts.get(word)
        if word in self.personal:
            return self.log_typical if listed is None else max(self.log_typical, listed)
        return self._log_counts[word]


def build_english(personal: Sequence[str] = ()) -> LanguageModel:
    """Return a model of English with personal words.

    Raises:
        ValueError: symspellpy is not installed, or there are too many words.
    """
    base = _read_english()
    return base.with_personal(personal) if personal else base


english = former_function("english", build_english)


@lru_cache(maxsize=1)
def _read_english() -> LanguageModel:
    try:
        folder = files("symspellpy")
    except ModuleNotFoundError:
        raise ValueError(
            'Suggestions need a word list, which is not installed: pip install "symspellpy>=6.9"'
        ) from None
    counts = {}
    for line in (folder / WORD_LIST).read_text(encoding="utf-8-sig").splitlines():
        word, _, count = line.partition(" ")
        counts[word] = int(count)
    pairs = {}
    for line in (folder / PAIR_LIST).read_text(encoding="utf-8-sig").splitlines():
        pair, _, count = line.rpartition(" ")
        pairs[pair] = int(count)
    return LanguageModel(counts, pairs, spellings=ENGLISH_SPELLINGS)
