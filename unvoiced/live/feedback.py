"""Keys of the live window that mark what was read wrongly."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from unvoiced.recognizer import Recognizer

WRONG_KEY, ENTER_KEYS, ESCAPE_KEY, DELETE_KEYS = ord("w"), (10, 13), 27, (8, 127)
MAX_TYPED = 60  # characters

Keep = Callable[[np.ndarray, str, str], None]


class FeedbackKeys:
    """The last answer, and the keys that correct it.

    ``w`` marks the last answer as wrong. The right label is then typed and confirmed with Enter;
    Enter alone or Escape leaves it open.

    Args:
        recognizer: predicts the answers; what it reads last is remembered, in memory alone.
        keep: called with the frames (T, *frame_shape) of a wrong answer, the answer, and the right
            label, which is empty if nobody typed one.

    Attributes:
        prompt: what the window shows while a label is typed; empty otherwise.
    """

    def __init__(self, recognizer: Recognizer, keep: Keep) -> None:
        self.keep = keep
        self._labels = {label.casefold(): label for label in recognizer.classes}
        self._frames: np.ndarray | None = None
        self._answer: tuple[np.ndarray, str] | None = None
        self._typed: str | None = None
        self._follow_readings(recognizer)

    def _follow_readings(self, recognizer: Recognizer) -> None:
        predict = recognizer.predict_probabilities

        def remember_frames(frames: np.ndarray) -> np.ndarray:
            self._frames = frames
            return predict(frames)

        recognizer.predict_probabilities = remember_frames  # type: ignore[method-assign]

    def note_answers(self, labels: Iterable[str]) -> None:
        """Remember the frames of the last of these answers, unless a label is being typed."""
        for label in labels:
            if self._frames is not None and self._typed is None:
                self._answer = np.array(self._frames), label

    @property
    def prompt(self) -> str:
        """The wrong answer and the label so far; empty while nothing is typed."""
        if self._typed is None or self._answer is None:
            return ""
        return f"not {self._answer[1]} but: {self._typed}_"

    def press(self, key: int) -> bool:
        """Take a key; return whether it belongs to a correction."""
        if self._typed is None:
            if key == WRONG_KEY and self._answer is not None:
                self._typed = ""
                return True
            return False
        if key in ENTER_KEYS or key == ESCAPE_KEY:
            self._finish("" if key == ESCAPE_KEY else self._typed.strip())
        elif key in DELETE_KEYS:
            self._typed = self._typed[:-1]
        elif 32 <= key < 127 and len(self._typed) < MAX_TYPED:
            self._typed += chr(key)
        return True

    def _finish(self, typed: str) -> None:
        assert self._answer is not None
        frames, answer = self._answer
        self._answer = self._typed = None
        self.keep(frames, answer, self._labels.get(typed.casefold(), typed))
