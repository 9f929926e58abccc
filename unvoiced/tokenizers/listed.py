"""Tokenizers of listed entries: characters and whole phrases."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from unvoiced.tokenizers.base import EOS_ID, Tokenizer, check_texts


class ListedTokenizer(Tokenizer):
    """A tokenizer with a list of tokens; the first has the id after ``eos``."""

    entries_key: ClassVar[str]

    def __init__(self, lower: bool = True, entries: Sequence[str] = ()) -> None:
        super().__init__(lower)
        self.entries = list(entries)
        self._ids = {entry: number for number, entry in enumerate(self.entries, EOS_ID + 1)}

    @abstractmethod
    def _split_text(self, text: str) -> Iterable[str]:
        """Return the tokens of a normalized text."""

    @property
    def size(self) -> int:
        """Number of ids, with ``pad`` and ``eos``."""
        assert self.entries, "not fitted"
        return EOS_ID + 1 + len(self.entries)

    def fit(self, texts: Sequence[str]) -> Tokenizer:
        """Return a tokenizer with the tokens of the texts."""
        entries = {entry for text in texts for entry in self._split_text(self.normalize(text))}
        check_texts(entries, self.kind)
        return type(self)(self.lower, sorted(entries))

    def encode(self, text: str) -> list[int]:
        """Return the ids of the known tokens."""
        assert self.entries, "not fitted"
        tokens = self._split_text(self.normalize(text))
        return [self._ids[token] for token in tokens if token in self._ids]

    def find_unwritable(self, text: str) -> list[str]:
        """Return the distinct tokens that have no ids, in order."""
        tokens = dict.fromkeys(self._split_text(self.normalize(text)))
        return [token for token in tokens if token not in self._ids]

    def to_plain(self) -> dict[str, Any]:
        """Return plain data, the argument of ``build_tokenizer`` for the same tokenizer."""
        assert self.entries, "not fitted"
        return {"kind": self.kind, "lower": self.lower, self.entries_key: self.entries}

    def token_texts(self) -> list[str]:
        """Return the text of each id, empty for special ones."""
        return [""] * (EOS_ID + 1) + self.entries

    def _find_entries(self, ids: list[int]) -> list[str]:
        return [
            self.entries[i - EOS_ID - 1] for i in ids if EOS_ID < i <= EOS_ID + len(self.entries)
        ]


class Characters(ListedTokenizer):
    """A tokenizer of the distinct characters of the training texts."""

    kind = "char"
    entries_key = "characters"

    def _split_text(self, text: str) -> Iterable[str]:
        return text

    def _join_tokens(self, ids: list[int]) -> str:
        return "".join(self._find_entries(ids))


class Phrases(ListedTokenizer):
    """A tokenizer of the distinct training texts: a closed vocabulary.

    A text that is not among them has no ids. Of several ids, ``decode`` reads the first.
    """

    kind = "phrase"
    entries_key = "phrases"

    def _split_text(self, text: str) -> Iterable[str]:
        return [text] if text else []

    def _join_tokens(self, ids: list[int]) -> str:
        return next(iter(self._find_entries(ids)), "")  # a text is one token
