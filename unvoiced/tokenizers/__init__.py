"""Tokenizers: trained pieces, characters, T5's vocabulary, whole phrases."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from unvoiced.tokenizers.base import EOS_ID, PAD_ID, UNKNOWN_ID, Tokenizer, damaged_error
from unvoiced.tokenizers.listed import Characters, ListedTokenizer, Phrases
from unvoiced.tokenizers.pieces import T5, SentencePiece

__all__ = [
    "EOS_ID",
    "PAD_ID",
    "T5",
    "UNKNOWN_ID",
    "Characters",
    "Phrases",
    "SentencePiece",
    "Tokenizer",
    "build_tokenizer",
]

_TOKENIZER_CLASSES: dict[str, type[Tokenizer]] = {
    kind.kind: kind for kind in (SentencePiece, Characters, T5, Phrases)
}


def build_tokenizer(plain: dict[str, Any]) -> Tokenizer:
    """Build a tokenizer from its ``to_plain()``, which may come from an untrusted file.

    Raises:
        ValueError: the kind is unknown, or the data are damaged.
    """
    kind = plain.get("kind") if isinstance(plain, dict) else None
    if not isinstance(kind, str) or kind not in _TOKENIZER_CLASSES:
        raise ValueError(
            f"tokenizer kind {kind!r}: expected one of {', '.join(_TOKENIZER_CLASSES)}"
        )
    lower = plain.get("lower")
    if not isinstance(lower, bool):
        raise damaged_error(kind, "lower", "true or false")
    tokenizer_class = _TOKENIZER_CLASSES[kind]
    if issubclass(tokenizer_class, ListedTokenizer):
        return tokenizer_class(lower, _read_entries(plain, tokenizer_class))
    model = _read_model(plain, kind)
    if tokenizer_class is T5:
        return T5(lower=lower, model=model)
    vocabulary = plain.get("vocabulary")
    if not isinstance(vocabulary, int):
        raise damaged_error(kind, "vocabulary", "a whole number")
    return SentencePiece(vocabulary, lower, model)


def _read_entries(plain: dict[str, Any], tokenizer_class: type[ListedTokenizer]) -> list[str]:
    entries = plain.get(tokenizer_class.entries_key)
    expected = "distinct texts in a list, at least one"
    if not isinstance(entries, list) or not entries:
        raise damaged_error(tokenizer_class.kind, tokenizer_class.entries_key, expected)
    are_texts = all(isinstance(entry, str) and entry for entry in entries)
    if not are_texts or len(set(entries)) < len(entries):
        raise damaged_error(tokenizer_class.kind, tokenizer_class.entries_key, expected)
    return entries


def _read_model(plain: dict[str, Any], kind: str) -> bytes:
    text = plain.get("model")
    try:
        model = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        model = b""
    if not model:
        raise damaged_error(kind, "model", "a SentencePiece model as base64 text")
    return model
