"""Build composers: whether a model can have suggestions, and their lists."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from unvoiced.composer import TextComposer, list_missing_letters
from unvoiced.language import LanguageModel, build_english
from unvoiced.recognizer import Recognizer
from unvoiced.writing.base import Composer
from unvoiced.writing.word_composer import DEFAULT_WEIGHT, WordComposer
from unvoiced.writing.word_models import EnglishWords, build_word_model


def explain_missing_suggestions(recognizer: Recognizer) -> str:
    """Return why a model has no suggestions, as a sentence; empty if it can have them."""
    if recognizer.spec.has_open_text:
        return f"A model of task {recognizer.task} writes whole texts, which have no suggestions."
    if not recognizer.spec.has_joined_labels:
        return ""
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
) -> Composer:
    """Return a composer for the letters or words of a model, for one engine.

    The confusions that a model of letters states are its errors, unless a profile corrects its
    answers. Words of lips are distinguished by the language model that the model states, else by
    English.

    Args:
        recognizer: reads the letters or words.
        words: personal words, such as names; they come first. For letters alone.
        phrases: quick phrases, for letters alone.
        language: frequencies of words; None for English.

    Raises:
        ValueError: the model does not read all letters or states confusions of other classes, or
            a word or phrase is not valid.
    """
    reason = explain_missing_suggestions(recognizer)
    if reason:
        raise ValueError(reason)
    if not recognizer.spec.has_joined_labels:
        return _build_word_composer(recognizer, [*words, *phrases], language)
    language, words = build_english() if language is None else language, list(words)
    language = language.with_personal(words) if words else language
    confusions = _read_confusions(recognizer)
    return TextComposer(recognizer.classes, language, confusions, phrases)


def _build_word_composer(
    recognizer: Recognizer, texts: list[str], language: LanguageModel | None
) -> WordComposer:
    if texts:
        raise ValueError(
            f"A model of task {recognizer.task} reads its own {len(recognizer.classes):,} words "
            "alone; expected no words or phrases of your own. Leave them out."
        )
    if language is not None:
        return WordComposer(recognizer.classes, EnglishWords(language))
    stated = recognizer.metadata.get("language_model")
    weight = (
        recognizer.metadata.get("language_weight", DEFAULT_WEIGHT) if stated else DEFAULT_WEIGHT
    )
    model = build_word_model(stated or {"kind": EnglishWords.kind})
    assert model is not None
    return WordComposer(recognizer.classes, model, weight)


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
