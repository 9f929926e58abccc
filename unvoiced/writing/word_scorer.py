"""Scores of words while they are decoded token by token."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from unvoiced.tokenizers.base import Tokenizer
from unvoiced.writing.word_models import END, START, WordModel

MAX_CACHED = 100_000  # steps from one prefix to the next


class WordState(NamedTuple):
    """State of the language model after the words of a prefix.

    Attributes:
        history: the complete words that the next one depends on.
        word: the beginning of the last word.
        closed: score of the complete words.
        total: the same with the score of the beginning.
    """

    history: tuple[str, ...]
    word: str
    closed: float
    total: float


class WordScorer:
    """Scores the words of prefixes of tokens.

    The score of a text is ``weight`` times its log-probability, and ``bonus`` for each word.
    A word that has only begun is scored by all words that begin with it.

    Args:
        model: log-probabilities of words.
        tokens: the text of each token; a space begins a word.
        weight: of the model relative to the network's log-probabilities.
        bonus: for each word, since a model prefers few words.
    """

    def __init__(
        self, model: WordModel, tokens: Sequence[str], weight: float, bonus: float = 0.0
    ) -> None:
        self.model, self.tokens, self.weight, self.bonus = model, list(tokens), weight, bonus
        self._step = lru_cache(MAX_CACHED)(self._take_step)

    def start(self) -> WordState:
        """Return the state of the empty prefix."""
        return WordState((START,) * (self.model.order - 1), "", 0.0, 0.0)

    def extend(self, state: WordState, token: int) -> WordState:
        """Return the state of a prefix that grows by a token."""
        history, word, closed, begun = self._step(state.history, state.word, token)
        return WordState(history, word, state.closed + closed, state.closed + closed + begun)

    def finish(self, state: WordState) -> float:
        """Return the score of a prefix if its last word, and the text, end here."""
        history, word, score = state.history, state.word, state.closed
        if word:
            score += self._score_word(word, history)
            history = self._remember(history, word)
        return score + self.weight * self.model.score(END, history)

    def _take_step(
        self, history: tuple[str, ...], word: str, token: int
    ) -> tuple[tuple[str, ...], str, float, float]:
        """Return history and beginning after a token, and the scores that they add."""
        *complete, word = (word + self.tokens[token]).split(" ")
        closed = 0.0
        for part in filter(None, complete):
            closed += self._score_word(part, history)
            history = self._remember(history, part)
        begun = self.weight * self.model.score_beginning(word) + self.bonus if word else 0.0
        return history, word, closed, begun

    def _score_word(self, word: str, history: tuple[str, ...]) -> float:
        return self.weight * self.model.score(word, history) + self.bonus

    def _remember(self, history: tuple[str, ...], word: str) -> tuple[str, ...]:
        return (*history, word)[1:] if history else ()


def build_scorer(
    model: WordModel | None, tokenizer: Tokenizer, weight: float, bonus: float
) -> WordScorer | None:
    """Return the scorer of a tokenizer's tokens; None without a model."""
    return WordScorer(model, tokenizer.token_texts(), weight, bonus) if model else None
