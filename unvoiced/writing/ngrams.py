"""N-grams of sentences: which words follow others."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from math import log
from typing import Any

import numpy as np

from unvoiced.plain_data import check_names, check_number, require_fact

START, END = "<s>", "</s>"
DEFAULT_ORDER, MAX_ORDER = 2, 5  # words of an n-gram
DISCOUNT = 0.75  # count taken from each n-gram that was seen, for those that were not
MAX_NGRAMS = 50_000
MAX_COUNT = 2**40
MAX_CACHED = 100_000  # scores
UNKNOWN_WORD = ""

Ngram = tuple[str, ...]


class NgramModel:
    """A model of sentences, smoothed by interpolated Kneser-Ney with one discount.

    Words that were never seen share the probability that the discounts of single words leave.

    Source: Chen and Goodman, An Empirical Study of Smoothing Techniques for Language Modeling,
    Computer Speech and Language, 1999, section 2.7.

    Args:
        counts: how often each n-gram of ``order`` words occurs, the words joined by spaces; each
            sentence is preceded by ``START`` and followed by ``END``.
        order: words of an n-gram.

    Attributes:
        words: the known words, sorted.
    """

    kind = "ngram"

    def __init__(self, counts: Mapping[str, int], order: int = DEFAULT_ORDER) -> None:
        self.counts, self.order = dict(counts), order
        self._tables = _count_all_orders(self.counts, order)
        self._totals = [_sum_contexts(table) for table in self._tables]
        self.words = sorted({ngram[-1] for ngram in self._tables[0]} - {END})
        scores = [self._score(word, ()) for word in self.words]
        self._beginnings = WordBeginnings(self.words, scores)
        self._unknown = self._score(UNKNOWN_WORD, ())
        self.score = lru_cache(MAX_CACHED)(self._score)

    @classmethod
    def from_sentences(cls, sentences: Iterable[str], order: int = DEFAULT_ORDER) -> NgramModel:
        """Return the model of sentences; of very many n-grams, the most frequent are kept."""
        counts = Counter[str]()
        for sentence in sentences:
            padded = [*[START] * (order - 1), *sentence.split(), END]
            counts.update(" ".join(padded[k : k + order]) for k in range(len(padded) - order + 1))
        return cls(dict(counts.most_common(MAX_NGRAMS)), order)

    def __contains__(self, word: str) -> bool:
        return (word,) in self._tables[0]

    def score_beginning(self, letters: str) -> float:
        """Return the log-probability that any word begins with these letters."""
        score = self._beginnings.score(letters)
        return self._unknown if score is None else score

    def to_plain(self) -> dict[str, Any]:
        """Return plain data, the argument of ``from_plain`` for the same model."""
        ngrams, counts = list(self.counts), list(self.counts.values())
        return {"kind": self.kind, "order": self.order, "ngrams": ngrams, "counts": counts}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> NgramModel:
        """Return the model of untrusted plain data, which ``check_ngrams`` accepts."""
        return cls(dict(zip(plain["ngrams"], plain["counts"], strict=True)), plain["order"])

    def _score(self, word: str, history: Ngram) -> float:
        kept = history[max(0, len(history) - self.order + 1) :]
        return log(self._probability((*kept, word)))

    def _probability(self, ngram: Ngram) -> float:
        """Return the probability of the last word after those before it."""
        if not ngram:
            return 1 / (len(self._tables[0]) + 1)
        lower = self._probability(ngram[1:])
        level = len(ngram) - 1
        total, distinct = self._totals[level].get(ngram[:-1], (0, 0))
        if not total:
            return lower
        count = self._tables[level].get(ngram, 0)
        return (max(count - DISCOUNT, 0.0) + DISCOUNT * distinct * lower) / total


class WordBeginnings:
    """The probabilities of all words that begin alike.

    Args:
        words: sorted.
        scores: their log-probabilities.
    """

    def __init__(self, words: list[str], scores: list[float]) -> None:
        self._words = words
        self._sums = np.concatenate([[0.0], np.exp(scores).cumsum()])

    def score(self, letters: str) -> float | None:
        """Return the log-probability of the words that begin with letters; None for no word."""
        first = bisect_left(self._words, letters)
        stop = bisect_left(self._words, letters + chr(0x10FFFF))
        mass = self._sums[stop] - self._sums[first]
        return log(mass) if stop > first and mass > 0 else None


def check_ngrams(place: str, value: dict[str, Any]) -> None:
    """Accept plain data of an ``NgramModel`` from a file that anyone may have written.

    Raises:
        ValueError: another type, order or size.
    """
    order, ngrams, counts = (value.get(key) for key in ("order", "ngrams", "counts"))
    check_number(f"{place}.order", order, 1, MAX_ORDER, whole=True)
    check_names(f"{place}.ngrams", ngrams, MAX_NGRAMS)
    require_fact(f"{place}.ngrams", ngrams, len(ngrams) > 0, "one n-gram or more")
    has_counts = isinstance(counts, list | tuple) and len(counts) == len(ngrams)
    require_fact(f"{place}.counts", counts, has_counts, f"{len(ngrams):,} numbers")
    for ngram, count in zip(ngrams, counts, strict=True):
        words = ngram.split(" ")
        is_ngram = len(words) == order and all(words) and words[-1] != START
        require_fact(f"{place}.ngrams", ngram, is_ngram, f"n-grams of {order} words")
        check_number(f"{place}.counts", count, 1, MAX_COUNT, whole=True)


def _count_all_orders(counts: Mapping[str, int], order: int) -> list[dict[Ngram, int]]:
    """Return counts by order, from 1: below the highest, in how many contexts each occurs."""
    table = {tuple(ngram.split(" ")): count for ngram, count in counts.items()}
    tables = [table]
    while len(tables) < order:
        lower = Counter[Ngram]()
        for ngram, count in tables[0].items():
            # START alone precedes START: contexts of beginnings say nothing about their frequency.
            lower[ngram[1:]] += count if ngram[1] == START else 1
        tables.insert(0, dict(lower))
    return tables


def _sum_contexts(table: Mapping[Ngram, int]) -> dict[Ngram, tuple[int, int]]:
    """Return the sum of the counts after each context, and the number of different words."""
    totals, distinct = Counter[Ngram](), Counter[Ngram]()
    for ngram, count in table.items():
        totals[ngram[:-1]] += count
        distinct[ngram[:-1]] += 1
    return {context: (total, distinct[context]) for context, total in totals.items()}
