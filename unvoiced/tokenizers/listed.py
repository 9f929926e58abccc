"""Tokenizers of listed entries: characters and whole phrases."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from unvoiced.tokenizers.base import EOS, Tokenizer, check_texts


class ListedTokenizer(Tokenizer):
    """Every entry of a list is a token; the first has the id after ``eos``."""

    entries_key: ClassVar[str]

    def __init__(self, lower: bool = True, entries: Sequence[str] = ()) -> None:
        super().__init__(lower)
        self.entries = list(entries)
        self._ids = {entry: number for number, entry in enumerate(self.entries, EOS + 1)}

    @abstractmethod
    def _split(self, text: str) -> Iterable[str]:
        """The tokens that a normalised text is made of."""

    @property
    def size(self) -> int:
        assert self.entries, "fit comes first"
        return EOS + 1 + len(self.entries)

    def fit(self, texts: Sequence[str]) -> Tokenizer:
        entries = {entry for text in texts for entry in self._split(self.normalise(text))}
        check_texts(entries, self.kind)
        return type(self)(self.lower, sorted(entries))

    def encode(self, text: str) -> list[int]:
        assert self.entries, "fit comes first"
        tokens = self._split(self.normalise(text))
        return [self._ids[token] for token in tokens if token in self._ids]

    def unwritable(self, text: str) -> list[str]:
        tokens = dict.fromkeys(self._split(self.normalise(text)))
        return [token for token in tokens if token not in self._ids]

    def plain(self) -> dict[str, Any]:
        assert self.entries, "fit comes first"
        return {"kind": self.kind, "lower": self.lower, self.entries_key: self.entries}

    def _known(self, ids: list[int]) -> list[str]:
        return [self.entries[i - EOS - 1] for i in ids if EOS < i <= EOS + len(self.entries)]


class Characters(ListedTokenizer):
    """Every distinct character of the training texts is a token."""

    kind = "char"
    entries_key = "characters"

    def _split(self, text: str) -> Iterable[str]:
        return text

    def _join(self, ids: list[int]) -> str:
        return "".join(self._known(ids))


class Phrases(ListedTokenizer):
    """Every distinct training text is one token: a closed vocabulary of words or phrases.

    Of several ids the first one is the text. ``unwritable`` names a whole text that was not
    trained on, and its ids are none.
    """

    kind = "phrase"
    entries_key = "phrases"

    def _split(self, text: str) -> Iterable[str]:
        return [text] if text else []

    def _join(self, ids: list[int]) -> str:
        return next(iter(self._known(ids)), "")  # a text is one token
