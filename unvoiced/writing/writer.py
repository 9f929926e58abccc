"""The text of a stream, with suggestions and a history for undo."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from unvoiced.composer import LETTERS
from unvoiced.streams.decisions import PAUSE_LABEL, TextBuffer
from unvoiced.validation import to_yaml
from unvoiced.writing.base import Composer

MAX_UNDO = 200  # steps
MAX_SUGGESTIONS = 3
RESERVED_LABELS = ("space", "del", PAUSE_LABEL)


class TextWriter:
    """Writes letters or words, and suggests corrections.

    Only ``accept`` replaces written text.

    Args:
        is_joined: labels are letters; otherwise words, with a space between them.
        composer: suggests texts for the labels; None for no suggestions.
        accept_label: a sign that accepts the first suggestion instead of being written; empty for
            none.

    Raises:
        ValueError: the sign is a letter or another key.
    """

    def __init__(
        self, is_joined: bool = True, composer: Composer | None = None, accept_label: str = ""
    ) -> None:
        if accept_label.lower() in (*LETTERS, *RESERVED_LABELS):
            raise ValueError(
                f"The sign {to_yaml(accept_label)} cannot accept suggestions, since it writes; "
                "expected a sign of your own. Teach the model one with stage=adapt."
            )
        self.composer, self.accept_label = composer, accept_label
        self._is_joined = is_joined
        self._buffer = TextBuffer(is_joined=is_joined)
        self._history: deque[tuple[str, tuple[Any, ...]]] = deque(maxlen=MAX_UNDO)
        self._suggestions: tuple[str, ...] | None = ()

    @property
    def text(self) -> str:
        """The text so far."""
        return self._buffer.text

    @property
    def spelled(self) -> str:
        """The end of the text that a suggestion replaces."""
        count = len(self.composer.spelled) if self.composer is not None else 0
        return self.text[len(self.text) - count :]

    @property
    def suggestions(self) -> tuple[str, ...]:
        """Up to three suggestions for the current word, the likeliest first."""
        if self._suggestions is None:
            self._suggestions = tuple(self._find_suggestions())
        return self._suggestions

    def add(
        self, label: str, probabilities: np.ndarray | None = None, classes: Sequence[str] = ()
    ) -> None:
        """Write a label; ``space`` and ``del`` act as keys.

        Args:
            label: a letter or word.
            probabilities: of the hold, those of ``classes`` first; None for a label that is
                certain, as one that was typed.
            classes: the labels of the model.
        """
        if label == PAUSE_LABEL:
            return
        if label == self.accept_label:
            self.accept()
            return
        self._keep_step()
        self._buffer.add(label)
        if self.composer is not None:
            self._compose(self.composer, label, probabilities, classes)

    def accept(self, choice: int | str = 0) -> bool:
        """Replace the current word by a suggestion; a space follows letters.

        Args:
            choice: the suggestion, or its number from 0. Give the text where the suggestions may
                have changed since they were shown.

        Returns:
            Whether there is such a suggestion.
        """
        texts = dict(enumerate(self.suggestions))
        text = texts.get(choice) if isinstance(choice, int) else choice
        if text not in self.suggestions or self.composer is None:
            return False
        self._keep_step()
        kept = self.text[: len(self.text) - len(self.spelled)]
        self._buffer.text = kept if self._is_joined else kept.removesuffix(" ")
        self._buffer.add(f"{text} " if self._is_joined else text)
        self._forget_holds(self.composer)
        return True

    def use_composer(self, composer: Composer | None) -> None:
        """Suggest with another composer from now on; the text and its history stay."""
        self.composer, self._suggestions = composer, ()
        state = () if composer is None else composer.save_state()
        self._history = deque(((text, state) for text, _ in self._history), MAX_UNDO)

    def undo(self) -> bool:
        """Take back the last hold, acceptance or typed key; return whether there was one."""
        if not self._history:
            return False
        self._buffer.text, state = self._history.pop()
        if self.composer is not None:
            self.composer.restore_state(state)
            self._suggestions = None
        return True

    def clear(self) -> None:
        """Delete the text and its history."""
        self._buffer.text = ""
        self._history.clear()
        if self.composer is not None:
            self._forget_holds(self.composer)

    def _compose(
        self,
        composer: Composer,
        label: str,
        probabilities: np.ndarray | None,
        classes: Sequence[str],
    ) -> None:
        if probabilities is not None and composer.labels != list(classes):
            composer.use_labels(classes)
        self._suggestions = None
        if label == "del" and self._is_joined:
            composer.undo()
        elif not composer.can_add(label):
            self._forget_holds(composer)
        elif probabilities is None:
            composer.add_certain(label)
        else:
            composer.add(probabilities[: len(classes)], label)

    def _find_suggestions(self) -> list[str]:
        assert self.composer is not None
        before = self.text[: len(self.text) - len(self.spelled)].split()
        previous = before[-1].lower() if before else None
        return self.composer.propose(MAX_SUGGESTIONS, previous)

    def _forget_holds(self, composer: Composer) -> None:
        composer.clear()
        self._suggestions = ()

    def _keep_step(self) -> None:
        state = () if self.composer is None else self.composer.save_state()
        self._history.append((self.text, state))
