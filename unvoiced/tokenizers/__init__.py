"""Text to ids and back: trained pieces, characters, T5's vocabulary, whole phrases."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from unvoiced.tokenizers.base import EOS, PAD, UNKNOWN, Tokenizer, damaged_error
from unvoiced.tokenizers.listed import Characters, ListedTokenizer, Phrases
from unvoiced.tokenizers.pieces import T5, SentencePiece

__all__ = [
    "EOS",
    "PAD",
    "T5",
    "UNKNOWN",
    "Characters",
    "Phrases",
    "SentencePiece",
    "Tokenizer",
    "build_tokenizer",
]

_KINDS: dict[str, type[Tokenizer]] = {
    kind.kind: kind for kind in (SentencePiece, Characters, T5, Phrases)
}


def build_tokenizer(plain: dict[str, Any]) -> Tokenizer:
    """The tokenizer of a ``plain()``, which may come from a stranger's checkpoint.

    Raises:
        ValueError: an unknown kind, or damaged data.
    """
    kind = plain.get("kind") if isinstance(plain, dict) else None
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"tokenizer kind {kind!r}: expected one of {', '.join(_KINDS)}")
    lower = plain.get("lower")
    if not isinstance(lower, bool):
        raise damaged_error(kind, "lower", "true or false")
    build = _KINDS[kind]
    if issubclass(build, ListedTokenizer):
        return build(lower, _entries(plain, build))
    model = _model(plain, kind)
    if build is T5:
        return T5(lower=lower, model=model)
    vocabulary = plain.get("vocabulary")
    if not isinstance(vocabulary, int):
        raise damaged_error(kind, "vocabulary", "a whole number")
    return SentencePiece(vocabulary, lower, model)


def _entries(plain: dict[str, Any], build: type[ListedTokenizer]) -> list[str]:
    entries = plain.get(build.entries_key)
    expected = "distinct texts in a list, at least one"
    if not isinstance(entries, list) or not entries:
        raise damaged_error(build.kind, build.entries_key, expected)
    texts = all(isinstance(entry, str) and entry for entry in entries)
    if not texts or len(set(entries)) < len(entries):
        raise damaged_error(build.kind, build.entries_key, expected)
    return entries


def _model(plain: dict[str, Any], kind: str) -> bytes:
    text = plain.get("model")
    try:
        model = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        model = b""
    if not model:
        raise damaged_error(kind, "model", "a SentencePiece model as base64 text")
    return model
