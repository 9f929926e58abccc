"""N-best decoding of a stream of words: distinguish words that look alike by context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from unvoiced.composer import Suggestion
from unvoiced.writing.word_models import START, WordModel

CANDIDATES = 8  # words that one place may hold
MAX_WORDS = 24  # of one text; its beginning is settled
MIN_PROBABILITY = 1e-6
MAX_CACHED = 4_096  # histories
DEFAULT_WEIGHT = 0.25  # chosen on validation sentences of GRID
MAX_BEHIND = 7.0  # a text is not offered if its score is this far below that of another


@dataclass(frozen=True)
class _Path:
    """The best words until a place, with the last ones that the next depends on."""

    score: float
    labels: tuple[str, ...]
    history: tuple[str, ...]


class WordComposer:
    """Suggests corrections of a sequence of words, by their probabilities and neighbours.

    The text is never changed by itself: a suggestion holds when it is accepted. The words are the
    labels of the model alone; a label may be a phrase of several words.

    Args:
        labels: labels of the columns of the probabilities.
        model: log-probabilities of words after others; they are distributed over the labels. A
            label with a word that the model does not know has a mean share.
        weight: of the model relative to the network's log-probabilities; 0 for the network alone.
    """

    def __init__(
        self, labels: Sequence[str], model: WordModel, weight: float = DEFAULT_WEIGHT
    ) -> None:
        self.model, self.weight = model, weight
        self._score_labels = lru_cache(MAX_CACHED)(self._score_after)
        self.use_labels(labels)

    def use_labels(self, labels: Sequence[str]) -> None:
        """Take probabilities of other labels from now on, such as with a person's profile."""
        self.labels = list(labels)
        self._words = [tuple(label.lower().replace("_", " ").split()) for label in labels]
        self._score_labels.cache_clear()
        self.clear()

    def clear(self) -> None:
        """Forget all words."""
        self._places: tuple[np.ndarray, ...] = ()  # (labels,) log-probabilities of each
        self._written: tuple[str, ...] = ()

    @property
    def spelled(self) -> str:
        """The likeliest words, as written."""
        return " ".join(self._written)

    def can_add(self, label: str) -> bool:
        """Return whether a label is a word of the model."""
        return label in self.labels

    def add(self, probabilities: np.ndarray, label: str | None = None) -> None:
        """Add a word.

        Args:
            probabilities: (labels,).
            label: the word as written; None for the likeliest.

        Raises:
            ValueError: another number of probabilities, or values that are none.
        """
        values = np.asarray(probabilities, np.float64)
        is_valid = values.shape == (len(self.labels),) and np.isfinite(values).all()
        if not is_valid or (values < 0).any():
            raise ValueError(
                f"probabilities of shape {values.shape}; expected {len(self.labels)} numbers of 0 "
                "or more."
            )
        if len(self._places) == MAX_WORDS:
            self.clear()
        self._places += (np.log(np.maximum(values, MIN_PROBABILITY)),)
        self._written += (self.labels[int(values.argmax())] if label is None else label,)

    def add_certain(self, label: str) -> None:
        """Add a word that is certain, such as one that was typed.

        Raises:
            ValueError: it is no label.
        """
        if label not in self.labels:
            raise ValueError(f"{label!r} is no word of the model.")
        self.add(np.eye(len(self.labels))[self.labels.index(label)])

    def undo(self) -> None:
        """Take back the last word."""
        self._places, self._written = self._places[:-1], self._written[:-1]

    def save_state(self) -> tuple[list[str], tuple[np.ndarray, ...], tuple[str, ...]]:
        """Return the words so far, for ``restore_state``."""
        return self.labels, self._places, self._written

    def restore_state(
        self, state: tuple[list[str], tuple[np.ndarray, ...], tuple[str, ...]]
    ) -> None:
        """Go back to the words of ``save_state``; those of other labels are forgotten."""
        labels, *words = state
        self._places, self._written = words if labels == self.labels else ((), ())

    def suggest(self, most: int = 3, previous: str | None = None) -> list[Suggestion]:
        """Return the likeliest sequences of words, best first (n-best Viterbi).

        Args:
            most: number of sequences.
            previous: the word before the first one.
        """
        if not self._places:
            return []
        history = (START,) * (self.model.order - 1)
        paths = [_Path(0.0, (), self._remember(history, (previous,) if previous else ()))]
        for place in self._places:
            paths = self._extend_paths(paths, place, most)
        ranked = sorted(paths, key=lambda path: -path.score)[:most]
        return [Suggestion(" ".join(path.labels), path.score) for path in ranked]

    def propose(self, most: int = 3, previous: str | None = None) -> list[str]:
        """Return the likeliest texts that differ from the written one, best first."""
        found = self.suggest(most + 1, previous)
        texts = [one.text for one in found if one.score >= found[0].score - MAX_BEHIND]
        return [text for text in texts if text != self.spelled][:most]

    def _extend_paths(self, paths: list[_Path], place: np.ndarray, most: int) -> list[_Path]:
        """Return the best paths of each history that grow by one word."""
        best = np.argsort(-place, kind="stable")[:CANDIDATES].tolist()
        grown: dict[tuple[str, ...], list[_Path]] = {}
        for path in paths:
            scores = place + self.weight * self._score_labels(path.history)
            for k in best:
                history = self._remember(path.history, self._words[k])
                labels = (*path.labels, self.labels[k])
                longer = _Path(path.score + float(scores[k]), labels, history)
                grown.setdefault(history, []).append(longer)
        return [
            path
            for same in grown.values()
            for path in sorted(same, key=lambda one: -one.score)[:most]
        ]

    def _remember(self, history: tuple[str, ...], words: tuple[str, ...]) -> tuple[str, ...]:
        return (*history, *words)[len(words) :]

    def _score_after(self, history: tuple[str, ...]) -> np.ndarray:
        """Return the log-probabilities (labels,) of the labels after a history."""
        scores = np.array([self._score_phrase(words, history) for words in self._words])
        known = np.array([all(word in self.model for word in words) for words in self._words])
        if not known.any():
            return np.full(len(scores), -np.log(len(scores)))
        top = scores[known].max()
        mean = top + np.log(np.exp(scores[known] - top).mean())
        scores = np.where(known, scores, mean)
        return scores - (scores.max() + np.log(np.exp(scores - scores.max()).sum()))

    def _score_phrase(self, words: tuple[str, ...], history: tuple[str, ...]) -> float:
        score = 0.0
        for word in words:
            score += self.model.score(word, history)
            history = self._remember(history, (word,))
        return score
