"""Keys of the live window or terminal that mark wrong answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from unvoiced.engine import Engine
from unvoiced.readings import Answer

WRONG_KEY, ENTER_KEYS, ESCAPE_KEY, DELETE_KEYS = ord("w"), (10, 13), 27, (8, 127)
MAX_TYPED = 60  # characters

Keep = Callable[[Answer, str], None]


class FeedbackKeys:
    """The keys that correct the last answer of an engine.

    ``w`` marks the last answer as wrong. The right label is then typed and confirmed with Enter;
    Enter alone or Escape leaves it open.

    Args:
        engine: reads the stream.
        keep: called with a wrong answer and the typed right label, which may be empty.

    Attributes:
        prompt: text to show while a label is typed; empty otherwise.
    """

    def __init__(self, engine: Engine, keep: Keep) -> None:
        self.engine, self.keep = engine, keep
        self._answer: Answer | None = None  # that is or was corrected
        self._typed: str | None = None

    @property
    def prompt(self) -> str:
        """The wrong answer and the label so far; empty while nothing is typed."""
        if self._typed is None or self._answer is None:
            return ""
        return f"not {self._answer.label} but: {self._typed}_"

    def press(self, key: int) -> bool:
        """Take a key; return whether it belongs to a correction."""
        if self._typed is None:
            return key == WRONG_KEY and self._mark_answer()
        if key in ENTER_KEYS or key == ESCAPE_KEY:
            self._finish("" if key == ESCAPE_KEY else self._typed.strip())
        elif key in DELETE_KEYS:
            self._typed = self._typed[:-1]
        elif 32 <= key < 127 and len(self._typed) < MAX_TYPED:
            self._typed += chr(key)
        return True

    def _mark_answer(self) -> bool:
        """Begin to correct the last answer; return whether there is one to correct."""
        answer = self.engine.last_answer
        if answer is None or answer is self._answer:  # nothing yet, or corrected already
            return False
        self._answer, self._typed = answer, ""
        return True

    def _finish(self, typed: str) -> None:
        assert self._answer is not None
        self._typed = None
        self.keep(self._answer, find_known_label(typed, self.engine.recognizer.classes))


def find_known_label(typed: str, classes: Sequence[str]) -> str:
    """Return the class that was typed, in whatever case; another text as it is."""
    if typed in classes:
        return typed
    return {label.casefold(): label for label in classes}.get(typed.casefold(), typed)
