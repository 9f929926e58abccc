"""Composers for models: whether a model spells words, and with which lists."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from unvoiced.composer import TextComposer, list_missing_letters
from unvoiced.language import LanguageModel, english
from unvoiced.recognizer import Recognizer


def explain_missing_suggestions(recognizer: Recognizer) -> str:
    """Return why a model has no suggestions, as a sentence; empty if it can have them."""
    if not recognizer.spec.has_joined_labels:
        return f"A model of task {recognizer.task} reads no letters, so words are not suggested."
    missing = list_missing_letters(recognizer.classes)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return (
            f"The model has no class for the letter {missing[0]}{more}, so words are not suggested."
        )
    return ""


def build_composer(
    recognizer: Recognizer,
    words: Iterable[str] = (),
    phrases: Iterable[str] = (),
    language: LanguageModel | None = None,
) -> TextComposer:
    """Return a composer for the letters of a model, for one engine.

    The confusions that the model states are its errors, unless a profile corrects its answers.

    Args:
        recognizer: reads the letters.
        words: of one's own, such as names; they come first.
        phrases: quick phrases.
        language: frequencies of words; None for English.

    Raises:
        ValueError: the model does not read all letters or states confusions of other classes, or
            a word or phrase is not valid.
    """
    reason = explain_missing_suggestions(recognizer)
    if reason:
        raise ValueError(reason)
    language, words = english() if language is None else language, list(words)
    language = language.with_personal(words) if words else language
    confusions = _read_confusions(recognizer)
    return TextComposer(recognizer.classes, language, confusions, phrases)


def _read_confusions(recognizer: Recognizer) -> np.ndarray | None:
    stated = recognizer.metadata.get("confusions")
    if not stated or recognizer.profile is not None:
        return None
    if len(stated) != len(recognizer.classes):
        raise ValueError(
            f"The model's file states confusions of {len(stated)} classes, and the model has "
            f"{len(recognizer.classes)}. Export it again."
        )
    return np.asarray(stated, np.float64)
