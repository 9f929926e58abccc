"""Frequencies of words and of pairs of words, for what is spelled or read word by word.

The lists are those of symspellpy (82,765 English words, 242,342 pairs): W. Garbe's SymSpell, made
from Google Books Ngram data and SCOWL.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from importlib.resources import files
from math import log

import numpy as np

WORD_LIST = "frequency_dictionary_en_82_765.txt"
PAIR_LIST = "frequency_bigramdictionary_en_243_342.txt"
PERSONAL_RANK = 100  # a word of one's own is as frequent as the list's word of this rank
PAIR_WEIGHT = 0.6  # share of a pair's own frequency beside that of its second word
MAX_PERSONAL = 10_000  # words


class LanguageModel:
    """Log-probabilities of words, alone and after another word.

    Args:
        counts: how often each word occurs; words are lower-case.
        pairs: how often one word follows another, by ``"first second"``.
        personal: words of one's own, such as names; they come before words of the list.
    """

    def __init__(
        self,
        counts: dict[str, int],
        pairs: dict[str, int] | None = None,
        personal: Iterable[str] = (),
    ) -> None:
        self.personal = frozenset(word.lower() for word in personal)
        ranked = sorted(counts.values(), reverse=True)
        typical = ranked[min(PERSONAL_RANK, len(ranked)) - 1] if ranked else 1
        self.counts = counts | {w: max(typical, counts.get(w, 0)) for w in self.personal}
        self.pairs = pairs or {}
        self._log_total = log(sum(self.counts.values()))
        self._log_counts = {word: log(count) for word, count in self.counts.items()}

    def __contains__(self, word: str) -> bool:
        return word in self.counts

    def words(self) -> Iterator[str]:
        """Yield all words."""
        return iter(self.counts)

    def score_word(self, word: str) -> float:
        """Return the log-probability of a word of the list."""
        return self._log_counts[word] - self._log_total

    def score_after(self, word: str, previous: str | None) -> float:
        """Return the log-probability of a word of the list after another one."""
        alone = self.score_word(word)
        pair = self.pairs.get(f"{previous} {word}")
        if pair is None or previous not in self.counts:
            return alone + (log(1 - PAIR_WEIGHT) if previous in self.counts else 0.0)
        follows = log(PAIR_WEIGHT) + log(pair) - self._log_counts[previous]
        return float(np.logaddexp(min(follows, 0.0), log(1 - PAIR_WEIGHT) + alone))


def english(personal: Sequence[str] = ()) -> LanguageModel:
    """Return a model of English with words of one's own.

    Raises:
        ValueError: symspellpy is not installed, or there are too many words.
    """
    if len(personal) > MAX_PERSONAL:
        raise ValueError(
            f"{len(personal):,} words of one's own; expected {MAX_PERSONAL:,} at most."
        )
    counts, pairs = _read_lists()
    return LanguageModel(counts, pairs, personal)


@lru_cache(maxsize=1)
def _read_lists() -> tuple[dict[str, int], dict[str, int]]:
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
    return counts, pairs
