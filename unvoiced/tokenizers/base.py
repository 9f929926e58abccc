"""The interface of all tokenizers, and their common errors."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

PAD_ID, EOS_ID, UNKNOWN_ID = 0, 1, 2


class Tokenizer(ABC):
    """Converts text to ids and back.

    ``pad`` fills short sequences and is CTC's blank; ``eos`` ends a sequence whose positions are
    decoded in parallel. ``encode`` adds neither.

    Args:
        lower: convert texts to lower case.
    """

    kind: ClassVar[str]
    pad: ClassVar[int] = PAD_ID
    eos: ClassVar[int] = EOS_ID

    def __init__(self, lower: bool = True) -> None:
        self.lower = lower

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of ids, with ``pad`` and ``eos``: the width of a network's head."""

    @abstractmethod
    def fit(self, texts: Sequence[str]) -> Tokenizer:
        """Return a tokenizer that is trained on these texts.

        Raises:
            ValueError: the texts are empty.
        """

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Return the ids of the normalized text, without the parts that have none."""

    @abstractmethod
    def find_unwritable(self, text: str) -> list[str]:
        """Return the distinct parts of the text that have no ids, in order."""

    @abstractmethod
    def token_texts(self) -> list[str]:
        """Return the text of each id, empty for special ones; a space begins a word."""

    @abstractmethod
    def to_plain(self) -> dict[str, Any]:
        """Return plain data, the argument of ``build_tokenizer`` for the same tokenizer."""

    @abstractmethod
    def _join_tokens(self, ids: list[int]) -> str:
        """Return the text of ids without ``pad`` and ``eos``; some may be unknown."""

    def normalize(self, text: str) -> str:
        """Return the text with single spaces, in lower case if ``lower``."""
        text = " ".join(text.split())
        return text.lower() if self.lower else text

    def decode(self, ids: Sequence[int]) -> str:
        """Return the normalized text up to the first ``eos``; unknown ids are dropped."""
        known = []
        for token in map(int, ids):
            if token == self.eos:
                break
            if token != self.pad:
                known.append(token)
        return self.normalize(self._join_tokens(known))

    def save(self, folder: Path) -> Path:
        """Write ``tokenizer.json`` into the folder and return its path."""
        path = Path(folder) / "tokenizer.json"
        path.write_text(json.dumps(self.to_plain(), indent=2) + "\n", encoding="utf-8")
        return path


def damaged_error(kind: str, key: str, expected: str) -> ValueError:
    """Return the error for tokenizer data of a file that are not valid."""
    return ValueError(
        f"the {kind} tokenizer's {key} is damaged: expected {expected}. Train again, or use "
        "another checkpoint"
    )


def check_texts(texts: Sequence[str] | set[str], kind: str) -> None:
    """Refuse to train on nothing.

    Raises:
        ValueError: there are no texts.
    """
    if not texts:
        raise ValueError(
            f"tokenizer {kind}: the training texts are empty; expected at least one with text"
        )
