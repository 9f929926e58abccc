"""The interface of all tokenizers, and errors that they share."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

PAD, EOS, UNKNOWN = 0, 1, 2


class Tokenizer(ABC):
    """Text in, ids out, and back.

    ``pad`` fills short sequences and is CTC's blank; ``eos`` ends a sequence where the positions
    are decoded in parallel. ``encode`` adds neither, so the same ids serve both.

    Args:
        lower: write everything in lower case.
    """

    kind: ClassVar[str]
    pad: ClassVar[int] = PAD
    eos: ClassVar[int] = EOS

    def __init__(self, lower: bool = True) -> None:
        self.lower = lower

    @property
    @abstractmethod
    def size(self) -> int:
        """How many ids there are, ``pad`` and ``eos`` included: the width of a network's head."""

    @abstractmethod
    def fit(self, texts: Sequence[str]) -> Tokenizer:
        """One that is trained on these texts; ``ValueError`` where they hold nothing to learn."""

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """The ids of the normalised text; what is unwritable is left out."""

    @abstractmethod
    def unwritable(self, text: str) -> list[str]:
        """What of the text ``decode(encode(text))`` would lose, in order, each once."""

    @abstractmethod
    def plain(self) -> dict[str, Any]:
        """Strings, numbers and lists from which ``build_tokenizer`` builds the same tokenizer."""

    @abstractmethod
    def _join(self, ids: list[int]) -> str:
        """The text of ids that are neither ``pad`` nor ``eos``, some perhaps unknown."""

    def normalise(self, text: str) -> str:
        """The text as it is written: one space between words, lower case if ``lower``."""
        text = " ".join(text.split())
        return text.lower() if self.lower else text

    def decode(self, ids: Sequence[int]) -> str:
        """The normalised text up to the first ``eos``; ids that stand for no text are dropped."""
        kept = []
        for token in map(int, ids):
            if token == self.eos:
                break
            if token != self.pad:
                kept.append(token)
        return self.normalise(self._join(kept))

    def save(self, folder: Path) -> Path:
        """Write ``tokenizer.json`` into the folder, and give its path."""
        path = Path(folder) / "tokenizer.json"
        path.write_text(json.dumps(self.plain(), indent=2) + "\n", encoding="utf-8")
        return path


def damaged_error(kind: str, key: str, expected: str) -> ValueError:
    return ValueError(
        f"the {kind} tokenizer's {key} is damaged: expected {expected}; train again, or take a "
        "checkpoint that is whole"
    )


def check_texts(texts: Sequence[str] | set[str], kind: str) -> None:
    if not texts:
        raise ValueError(
            f"tokenizer {kind}: the training texts are empty; it needs at least one that is not"
        )
