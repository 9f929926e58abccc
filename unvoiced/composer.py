"""Suggest words from the probabilities of held signs, in spite of errors.

The holds form a lattice: each word of a list is compared with each span of holds, letter by letter,
by the probabilities of all letters and not by the likeliest alone. The best sequence of words then
follows from the frequencies of words and of pairs of words.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from unvoiced.language import LanguageModel
from unvoiced.writing.confusions import build_error_model
from unvoiced.writing.personal import MAX_WORD_LETTERS, check_phrases, fold_letters
from unvoiced.writing.word_table import WordTable

LETTERS = string.ascii_lowercase
WORD_PENALTY = -3.0  # for each word, against splitting one word into short ones
FIRST_MARGIN = 7.0  # by which the score of a longer text must exceed that of the spelled text
CANDIDATES = 24  # words that are kept for each span
MAX_HOLDS = 200  # of one text; its beginning is settled
MIN_PROBABILITY = 1e-3


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
        labels: labels of the columns of the probabilities.
        language: frequencies of words.
        confusions: (labels, labels) counts of a test, true labels in rows; None if the model's
            probabilities are taken as they are.
        phrases: quick phrases, suggested while their beginning is spelled.

    Raises:
        ValueError: a letter from A to Z has no label; the confusions have another shape, or are no
            counts; or there are too many or too long phrases.
    """

    def __init__(
        self,
        labels: Sequence[str],
        language: LanguageModel,
        confusions: np.ndarray | None = None,
        phrases: Iterable[str] = (),
    ) -> None:
        self.language = language
        self._own_labels, self._own_errors = tuple(labels), None
        missing = list_missing_letters(labels)
        if missing:
            raise ValueError(
                f"the model has no class for the letter {missing[0]}; suggestions need all letters "
                "from A to Z."
            )
        self._own_errors = build_error_model(confusions, len(self._own_labels))
        self.use_labels(labels)
        self._table = _build_table(language.base)
        self._own_table = WordTable((word, language.score_word(word)) for word in language.personal)
        self._phrases = {fold_letters(text): text for text in check_phrases(phrases)}
        typical = language.log_typical
        self._phrase_table = WordTable((letters, typical) for letters in self._phrases)
        self.clear()

    def use_labels(self, labels: Sequence[str]) -> None:
        """Take probabilities of other labels from now on, such as with a person's profile.

        The confusions hold for the first labels alone. Without all letters nothing is suggested.
        """
        self.labels = list(labels)
        self.is_complete = not list_missing_letters(labels)
        self._is_letter = np.array(  # (26, labels)
            [[label.lower() == letter for label in labels] for letter in LETTERS], np.float64
        )
        same = tuple(labels) == self._own_labels
        self._errors = self._own_errors if same else np.eye(len(self.labels))

    def clear(self) -> None:
        """Forget all holds."""
        self._holds: list[np.ndarray] = []  # (26,) log-likelihoods of the letters
        self._spelled = ""
        self._spans: list[list[tuple[int, str, float]]] = []  # by end: start, word, letters' score
        self._paths: list[list[_Path]] = [[_Path(0.0, ())]]  # by end, the best
        self._path_kind: tuple[int, str | None] | None = None  # that they were found for

    @property
    def spelled(self) -> str:
        """The likeliest letter of each hold, as spelled."""
        return self._spelled

    def can_add(self, label: str) -> bool:
        """Return whether a label is a letter, and all letters have a label."""
        return self.is_complete and label.lower() in tuple(LETTERS)

    def add(self, probabilities: np.ndarray, label: str | None = None) -> None:
        """Add a hold.

        Args:
            probabilities: (labels,).
            label: the letter as written; None for the likeliest.

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
        likelihoods = self._is_letter @ (self._errors @ values)  # of the hold, for each letter
        self._add_hold(likelihoods, label or self.labels[self.find_letter(values)])

    def find_letter(self, probabilities: np.ndarray) -> int:
        """Return the number of the label of the likeliest letter."""
        return int(np.where(self._is_letter.any(0), probabilities, -1.0).argmax())

    def add_certain(self, label: str) -> None:
        """Add a letter that is certain, as one that was typed."""
        self._add_hold(np.array([float(label.lower() == one) for one in LETTERS]), label)

    def undo(self) -> None:
        """Take back the last hold."""
        if self._holds:
            self._holds.pop()
            self._spans.pop()
            self._spelled = self._spelled[:-1]
            del self._paths[len(self._spans) + 1 :]

    def save_state(self) -> tuple[Any, ...]:
        """Return the holds so far, for ``restore_state``."""
        return tuple(self._holds), tuple(self._spans), self._spelled

    def restore_state(self, state: tuple[Any, ...]) -> None:
        """Return to holds that ``save_state`` gave."""
        holds, spans, self._spelled = state
        pairs = enumerate(zip(self._spans, spans, strict=False))
        kept = next((n for n, (one, other) in pairs if one is not other), len(spans))
        self._holds, self._spans = list(holds), list(spans)
        del self._paths[kept + 1 :]

    # ---- suggestions

    def propose(self, most: int = 3, previous: str | None = None) -> list[str]:
        """Return the likeliest texts: corrections, completions and quick phrases.

        The words as far as they are spelled come first, unless a longer text is far likelier.

        Args:
            most: number of texts.
            previous: the word before the first hold.
        """
        spelled = self.suggest(most, previous)
        longer = [*self.complete(most, previous), *self.match_phrases(most)]
        best = max((one.score for one in longer), default=-np.inf)
        is_first = bool(spelled) and spelled[0].score >= best - FIRST_MARGIN
        first = spelled[:1] if is_first else []
        others = sorted([*spelled, *longer], key=lambda one: -one.score)
        return list(dict.fromkeys(one.text for one in [*first, *others]))[:most]

    def suggest(self, most: int = 3, previous: str | None = None) -> list[Suggestion]:
        """Return the likeliest texts, best first: words as far as they are spelled.

        Args:
            most: number of suggestions.
            previous: the word before the first hold.
        """
        paths = self._find_paths(most, previous)
        return [Suggestion(self.language.write_words(path.words), path.score) for path in paths]

    def complete(self, most: int = 3, previous: str | None = None) -> list[Suggestion]:
        """Return the likeliest words that begin as spelled, best first."""
        if not self._holds:
            return []
        holds, language = np.stack(self._holds), self.language
        found = dict(self._table.complete(holds, most * 4))
        found |= self._own_table.complete(holds, most * 4)
        scored = [
            Suggestion(language.write_words([word]), score + language.score_after(word, previous))
            for word, score in found.items()
        ]
        return sorted(scored, key=lambda one: -one.score)[:most]

    def match_phrases(self, most: int = 3) -> list[Suggestion]:
        """Return the quick phrases that begin as spelled, best first."""
        if not self._holds:
            return []
        prior = self.language.log_typical - self.language.log_total
        found = self._phrase_table.complete(np.stack(self._holds), most)
        return [Suggestion(self._phrases[letters], score + prior) for letters, score in found]

    # ---- the lattice

    def _add_hold(self, likelihoods: np.ndarray, letter: str) -> None:
        if len(self._holds) == MAX_HOLDS:
            self.clear()
        self._holds.append(np.log(np.maximum(likelihoods, MIN_PROBABILITY)))
        self._spelled += letter.lower()
        self._spans.append(self._match_spans(len(self._holds)))

    def _match_spans(self, end: int) -> list[tuple[int, str, float]]:
        """Return the best words of all spans that end at a hold: start, word, letters' score."""
        holds = np.stack(self._holds)
        spans = []
        for start in range(max(0, end - MAX_WORD_LETTERS), end):
            found = dict(self._table.match(holds[start:end], CANDIDATES))
            found |= self._own_table.match(holds[start:end], CANDIDATES)
            spans += [(start, word, score) for word, score in found.items()]
        return spans

    def _find_paths(self, most: int, previous: str | None) -> list[_Path]:
        """Return the best sequences of words for all holds (Viterbi, ``most`` best)."""
        kind = (max(most, 4), previous)
        if kind != self._path_kind:
            self._path_kind, self._paths = kind, [[_Path(0.0, ())]]
        for spans in self._spans[len(self._paths) - 1 :]:  # those before do not change
            self._paths.append(self._extend_paths(spans, *kind))
        return self._paths[-1][:most] if self._spans else []

    def _extend_paths(
        self, spans: list[tuple[int, str, float]], most: int, previous: str | None
    ) -> list[_Path]:
        """Return the best sequences of words that end with one of the spans."""
        found: dict[tuple[str, ...], float] = {}
        for start, word, letters in spans:
            for path in self._paths[start]:
                last = path.words[-1] if path.words else previous
                score = path.score + letters + WORD_PENALTY
                score += self.language.score_after(word, last)
                words = (*path.words, word)
                found[words] = max(score, found.get(words, -np.inf))
        ranked = sorted(found.items(), key=lambda item: -item[1])[:most]
        return [_Path(score, words) for words, score in ranked]


def list_missing_letters(labels: Iterable[str]) -> list[str]:
    """Return the letters from A to Z without a label, in upper case."""
    names = {label.lower() for label in labels}
    return [letter.upper() for letter in LETTERS if letter not in names]


@lru_cache(maxsize=4)
def _build_table(language: LanguageModel) -> WordTable:
    """Return the words of a list, which composers share."""
    return WordTable(
        (word, language.score_word(word))
        for word in language.counts
        if word.isascii() and word.isalpha() and len(word) <= MAX_WORD_LETTERS
    )
