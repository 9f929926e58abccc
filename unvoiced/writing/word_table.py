"""Words by length, compared with the likelihoods of held letters all at once."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

SLIP_PENALTY = -6.0  # log-probability of a hold too many, or of a letter without a hold
DOUBLE_PENALTY = -2.0  # log-probability of one hold for a double letter

Match = tuple[str, float]


class WordTable:
    """Words as arrays of letters.

    Args:
        words: letters a to z, with the log-probability of each word.
    """

    def __init__(self, words: Iterable[tuple[str, float]]) -> None:
        by_length: dict[int, list[tuple[str, float]]] = {}
        for word, score in words:
            by_length.setdefault(len(word), []).append((word, score))
        self._words = {n: [word for word, _ in pairs] for n, pairs in by_length.items()}
        self._scores = {n: np.array([s for _, s in pairs]) for n, pairs in by_length.items()}
        self._codes = {n: _encode_words(words) for n, words in self._words.items()}

    def match(self, holds: np.ndarray, most: int) -> list[Match]:
        """Return the best words of (n, 26) holds, with the log-likelihood of their letters.

        A word may have as many letters as there are holds, or one more or less.
        """
        lengths = (len(holds) - 1, len(holds), len(holds) + 1)
        letters = {n: align_words(holds, self._codes[n]) for n in lengths if n in self._codes}
        return self._rank(letters, most)

    def complete(self, holds: np.ndarray, most: int) -> list[Match]:
        """Return the best longer words that begin with (n, 26) holds, as ``match``."""
        letters = {
            n: gather_letters(holds, codes).sum(0)
            for n, codes in self._codes.items()
            if n > len(holds)
        }
        return self._rank(letters, most)

    def _rank(self, letters: dict[int, np.ndarray], most: int) -> list[Match]:
        """Return the best words by letters and frequency, with the score of the letters."""
        found: list[tuple[str, float, float]] = []
        for length, scores in letters.items():
            total = scores + self._scores[length]
            kept = min(most, len(total))
            best = np.argpartition(-total, kept - 1)[:kept]
            words = self._words[length]
            found += [(words[k], float(scores[k]), float(total[k])) for k in best]
        found.sort(key=lambda one: (-one[2], one[0]))
        return [(word, score) for word, score, _ in found[:most]]


def _encode_words(words: list[str]) -> np.ndarray:
    """Return the letters of words of one length as numbers, (length, words)."""
    letters = np.frombuffer("".join(words).encode(), np.uint8).reshape(len(words), -1)
    return np.ascontiguousarray(letters.T).astype(np.intp) - ord("a")


def gather_letters(holds: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the log-likelihood of each letter at its own hold, (n, words).

    Args:
        holds: (n, 26) log-likelihoods.
        codes: (n or more, words); later letters have no hold.
    """
    return np.stack([hold.take(letters) for hold, letters in zip(holds, codes, strict=False)])


def align_words(holds: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the log-likelihoods (words,) of words (length, words) for holds (n, 26).

    ``length`` is n, or n - 1 (one hold was too many), or n + 1 (one letter has no hold).
    """
    count, length = len(holds), len(codes)
    if length == count:
        return gather_letters(holds, codes).sum(0)
    # A hold too many: the letters behind it lie one hold later. A letter without a hold: the holds
    # behind it belong to the next letters.
    is_longer, shorter = length > count, min(count, length)
    behind = gather_letters(holds, codes[1:]) if is_longer else gather_letters(holds[1:], codes)
    scores = np.empty((shorter + 1, codes.shape[1]))  # by the hold or letter that is left out
    scores[0] = behind.sum(0) + SLIP_PENALTY
    change = gather_letters(holds[:shorter], codes) - behind  # of a letter that is in its place
    np.cumsum(change, 0, out=scores[1:])
    scores[1:] += scores[0]
    if is_longer:  # people hold a double letter once
        scores[1:] += (DOUBLE_PENALTY - SLIP_PENALTY) * (codes[1:] == codes[:-1])
    return scores.max(0)
