"""Keys of the live window or terminal that accept suggestions and edit the text."""

from __future__ import annotations

from collections.abc import Callable

from unvoiced.engine import Engine

UNDO_KEY, SPACE_KEY, DELETE_KEYS = ord("z"), ord(" "), (8, 127)
ACCEPT_KEYS = {ord("1"): 0, ord("2"): 1, ord("3"): 2}
KEYS_NOTE = "Keys: 1 2 3 accept a suggestion, z takes a step back"
LETTER_KEYS_NOTE = f"{KEYS_NOTE}, space and backspace edit"


class WritingKeys:
    """The keys that write into the text of an engine.

    ``z`` takes the last step back, and ``1``, ``2`` and ``3`` accept a suggestion. Where letters
    are read, the space bar and backspace act as the signs ``space`` and ``del``.

    Args:
        engine: reads the stream.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._has_letters = engine.recognizer.spec.has_joined_labels

    def describe(self) -> str:
        """Return the keys as a line."""
        return LETTER_KEYS_NOTE if self._has_letters else KEYS_NOTE

    def press(self, key: int) -> bool:
        """Take a key; return whether it has changed the text."""
        before = self.engine.text
        if key == UNDO_KEY:
            self.engine.undo()
        elif key in ACCEPT_KEYS:
            self.engine.accept(ACCEPT_KEYS[key])
        elif not self._has_letters:
            return False
        elif key == SPACE_KEY:
            self.engine.type("space")
        elif key in DELETE_KEYS:
            self.engine.type("del")
        return self.engine.text != before


def chain_keys(*takers: Callable[[int], bool]) -> Callable[[int], bool]:
    """Return a function that offers a key to each in turn; it returns whether one has taken it."""
    return lambda key: any(take(key) for take in takers)
