"""The text of a stream, typed into other programs by the keyboard of the operating system."""

from __future__ import annotations

import time
from typing import Any

MAX_KEYS = 500  # of one change; longer ones are not typed
ECHO_S = 0.5  # after typing, keys that arrive in the own window are the typed ones


class KeyboardTyper:
    """Types added text, and deletes removed text, in the active program.

    Args:
        keyboard: has ``type(text)`` and ``tap(key)``; None for the keyboard of the system.
        backspace: the key that removes a character.

    Raises:
        ValueError: pynput is not installed, or the machine has no screen.
    """

    def __init__(self, keyboard: Any = None, backspace: Any = "backspace") -> None:
        self._keyboard, self._backspace = keyboard, backspace
        if keyboard is None:
            self._keyboard, self._backspace = _open_keyboard()
        self._text = ""
        self._typed_s = -float("inf")

    @property
    def has_just_typed(self) -> bool:
        """Whether a key that arrives now may be one of the typed keys."""
        return time.monotonic() - self._typed_s < ECHO_S

    def follow_text(self, text: str) -> None:
        """Type the difference between this text and the one before.

        Raises:
            ValueError: the system refuses the keys.
        """
        if text == self._text:
            return
        shared = _count_shared(self._text, text)
        removed, added = len(self._text) - shared, text[shared:]
        self._text = text
        if max(removed, len(added)) > MAX_KEYS:  # no step of a person
            return
        try:
            for _ in range(removed):
                self._keyboard.tap(self._backspace)
            self._keyboard.type(added)
        except Exception as error:  # of the system, by platform
            raise ValueError(
                f"The system types no keys ({type(error).__name__}: {error}). Leave out "
                "live.type=true, or allow this program to control the keyboard."
            ) from None
        self._typed_s = time.monotonic()


def _count_shared(first: str, second: str) -> int:
    """Return the number of characters that two texts begin with alike."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((n for n, (one, other) in pairs if one != other), min(len(first), len(second)))


def _open_keyboard() -> tuple[Any, Any]:
    """Return the keyboard of the system, and its backspace key."""
    try:
        from pynput import keyboard
    except ModuleNotFoundError:
        raise ValueError(
            'live.type=true needs pynput, which is not installed: pip install "unvoiced[type]"'
        ) from None
    except ImportError as error:  # pynput looks for a screen when it is imported
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"live.type=true needs a screen, and there is none ({reason}). Leave it out."
        ) from None
    return keyboard.Controller(), keyboard.Key.backspace
