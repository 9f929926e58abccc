"""From the probabilities of held signs to words: what a person spelled, in spite of errors.

The holds form a lattice: each word of a list is compared with each span of holds, letter by letter,
by the probabilities of all letters and not by the likeliest alone. The best sequence of words then
follows from the frequencies of words and of pairs of words.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unvoiced.language import LanguageModel

LETTERS = string.ascii_lowercase
SLIP_PENALTY = -6.0  # log-probability of a hold too many, or of a letter without a hold
DOUBLE_PENALTY = -2.0  # log-probability of one hold for a double letter
WORD_PENALTY = -1.0  # for each word, against splitting one word into short ones
CANDIDATES = 24  # words that are kept for each span
MAX_HOLDS = 200  # of one text; its beginning is settled
MAX_WORD = 24  # letters
MIN_PROBABILITY = 1e-4


@dataclass(frozen=True)
class Suggestion:
    """A text that may be meant: its words, and a score that ranks it among others."""

    text: str
    score: float


@dataclass(frozen=True)
class _Path:
    """The best words of the holds until a place."""

    score: float
    words: tuple[str, ...]


class TextComposer:
    """Suggests words for signs that were held one after another.

    The text is never changed by itself: a suggestion holds when it is accepted.

    Args:
        labels: what the columns of the probabilities stand for.
        language: frequencies of words.
        confusions: (labels, labels) counts of a test, true labels in rows; None for a model whose
            probabilities are taken as they are.

    Raises:
        ValueError: the confusions have another shape, or are no counts.
    """

    def __init__(
        self,
        labels: Sequence[str],
        language: LanguageModel,
        confusions: np.ndarray | None = None,
    ) -> None:
        self.labels, self.language = list(labels), language
        self._columns = [self._find_column(letter) for letter in LETTERS]
        self._errors = _error_model(confusions, len(self.labels))
        self._table = _WordTable(language)
        self.clear()

    def clear(self) -> None:
        """Forget all holds."""
        self._holds: list[np.ndarray] = []  # (26,) log-likelihoods of the letters
        self._spelled = ""
        self._spans: list[list[tuple[int, str, float]]] = []  # by end: start, word, letters' score

    @property
    def spelled(self) -> str:
        """The likeliest letter of each hold, as spelled."""
        return self._spelled

    def add(self, probabilities: np.ndarray) -> None:
        """Add a hold, (labels,) probabilities.

        Raises:
            ValueError: another number of probabilities, or values that are none.
        """
        values = np.asarray(probabilities, np.float64)
        if (
            values.shape != (len(self.labels),)
            or not np.isfinite(values).all()
            or (values < 0).any()
        ):
            raise ValueError(
                f"probabilities of shape {values.shape}; expected {len(self.labels)} numbers of 0 "
                "or more."
            )
        letters = (self._errors @ values)[self._columns]  # likelihood of the hold for each letter
        letters = np.log(np.maximum(letters, MIN_PROBABILITY))
        if len(self._holds) == MAX_HOLDS:
            self.clear()
        self._holds.append(letters)
        self._spelled += LETTERS[int(values[self._columns].argmax())]
        self._spans.append(self._match_spans(len(self._holds)))

    def undo(self) -> None:
        """Take back the last hold."""
        if self._holds:
            self._holds.pop()
            self._spans.pop()
            self._spelled = self._spelled[:-1]

    def suggest(self, most: int = 3, previous: str | None = None) -> list[Suggestion]:
        """Return the likeliest texts, best first: words as far as they are spelled.

        Args:
            most: number of suggestions.
            previous: the word before the first hold.
        """
        paths = self._find_paths(most, previous)
        return [Suggestion(" ".join(path.words), path.score) for path in paths]

    def complete(self, most: int = 3, previous: str | None = None) -> list[Suggestion]:
        """Return the likeliest words that begin as spelled, best first."""
        if not self._holds:
            return []
        found = self._table.complete(np.stack(self._holds), most * 4)
        scored = [
            Suggestion(word, score + self.language.score_after(word, previous))
            for word, score in found
        ]
        return sorted(scored, key=lambda one: -one.score)[:most]

    def _find_column(self, letter: str) -> int:
        names = [label.lower() for label in self.labels]
        if letter not in names:
            raise ValueError(f"the model has no class for the letter {letter.upper()}.")
        return names.index(letter)

    def _match_spans(self, end: int) -> list[tuple[int, str, float]]:
        """Return the best words of all spans that end at a hold: start, word, letters' score."""
        holds = np.stack(self._holds)
        return [
            (start, word, score)
            for start in range(max(0, end - MAX_WORD), end)
            for word, score in self._table.match(holds[start:end], CANDIDATES)
        ]

    def _find_paths(self, most: int, previous: str | None) -> list[_Path]:
        """Return the best sequences of words for all holds (Viterbi, ``most`` best)."""
        best: list[list[_Path]] = [[_Path(0.0, ())]]
        for spans in self._spans:
            found: dict[tuple[str, ...], float] = {}
            for start, word, letters in spans:
                for path in best[start]:
                    last = path.words[-1] if path.words else previous
                    score = path.score + letters + WORD_PENALTY
                    score += self.language.score_after(word, last)
                    words = (*path.words, word)
                    found[words] = max(score, found.get(words, -np.inf))
            ranked = sorted(found.items(), key=lambda item: -item[1])[: max(most, 4)]
            best.append([_Path(score, words) for words, score in ranked])
        return best[-1][:most] if self._spans else []


class _WordTable:
    """The words of a language by length, as numbers of letters."""

    def __init__(self, language: LanguageModel) -> None:
        by_length: dict[int, list[str]] = {}
        for word in language.words():
            if word.isascii() and word.isalpha() and len(word) <= MAX_WORD:
                by_length.setdefault(len(word), []).append(word)
        self._words = by_length
        self._codes = {
            length: np.frombuffer("".join(words).encode(), np.uint8).reshape(-1, length) - ord("a")
            for length, words in by_length.items()
        }
        self._frequency = {
            length: np.array([language.score_word(word) for word in words])
            for length, words in by_length.items()
        }

    def match(self, holds: np.ndarray, most: int) -> list[tuple[str, float]]:
        """Return the best words of (n, 26) holds, with the log-likelihood of their letters.

        A word may have as many letters as there are holds, or one more or less.
        """
        found: list[tuple[str, float, float]] = []
        for length in (len(holds) - 1, len(holds), len(holds) + 1):
            if length in self._codes:
                letters = _align(holds, self._codes[length])
                total = letters + self._frequency[length]
                top = np.argsort(-total)[:most]
                words = self._words[length]
                found += [(words[k], float(letters[k]), float(total[k])) for k in top]
        found.sort(key=lambda one: -one[2])
        return [(word, letters) for word, letters, _ in found[:most]]

    def complete(self, holds: np.ndarray, most: int) -> list[tuple[str, float]]:
        """Return the best longer words that begin with (n, 26) holds, as ``match``."""
        found: list[tuple[str, float, float]] = []
        for length, codes in self._codes.items():
            if length > len(holds):
                letters = _gather(holds, codes[:, : len(holds)]).sum(1)
                total = letters + self._frequency[length]
                top = np.argsort(-total)[:most]
                words = self._words[length]
                found += [(words[k], float(letters[k]), float(total[k])) for k in top]
        found.sort(key=lambda one: -one[2])
        return [(word, letters) for word, letters, _ in found[:most]]


def _gather(holds: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the log-likelihood of each letter at its own hold, (words, n)."""
    return holds[np.arange(codes.shape[1]), codes]


def _align(holds: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the log-likelihoods (words,) of words (words, length) for holds (n, 26).

    ``length`` is n, or n - 1 (one hold was too many), or n + 1 (one letter has no hold).
    """
    count, length = len(holds), codes.shape[1]
    if length == count:
        return _gather(holds, codes).sum(1)
    shorter = min(count, length)
    first = _gather(holds, codes[:, :shorter]) if shorter else np.zeros((len(codes), 0))
    # A hold too many: the letters behind it lie one hold later. A letter without a hold: the holds
    # behind it belong to the next letters.
    second = _gather(holds[1:], codes) if length < count else _gather(holds, codes[:, 1:])
    zeros = np.zeros((len(codes), 1))
    before = np.concatenate([zeros, first.cumsum(1)], 1)
    behind = np.concatenate([second[:, ::-1].cumsum(1)[:, ::-1], zeros], 1)
    scores = before + behind + SLIP_PENALTY  # by the place of the hold or letter that is left out
    if length > count:  # people hold a double letter once
        scores[:, 1:] += (DOUBLE_PENALTY - SLIP_PENALTY) * (codes[:, 1:] == codes[:, :-1])
    return scores.max(1)


def _error_model(confusions: np.ndarray | None, size: int) -> np.ndarray:
    """Return (true, predicted) probabilities: from counts, with one more for the right label."""
    if confusions is None:
        return np.eye(size)
    counts = np.asarray(confusions, np.float64)
    if counts.shape != (size, size) or not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError(f"confusions of shape {counts.shape}; expected ({size}, {size}) counts.")
    counts = counts + np.eye(size) + 0.1 / size
    return counts / counts.sum(1, keepdims=True)
