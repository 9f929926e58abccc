"""Models of words that a setting names: of training texts, of a file, or of English."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from unvoiced.files import read_text
from unvoiced.validation import to_yaml
from unvoiced.writing.ngrams import NgramModel
from unvoiced.writing.word_models import WordModel, build_word_model, check_word_model

MAX_FILE_BYTES = 64 << 20
TRAIN, ENGLISH = "train", "english"


def make_word_model(
    name: str | None, texts: Sequence[str], normalize: Callable[[str], str]
) -> WordModel | None:
    """Return the model of words that ``module.language_model`` names; None for none.

    Args:
        name: ``train``, ``english``, or a file with a sentence per line.
        texts: the training texts, normalized.
        normalize: writes a sentence of the file as training texts are written.

    Raises:
        ValueError: there are no sentences, a file cannot be read or knows no word of the training
            texts, a checkpoint cannot hold its words, or English's lists are not installed.
    """
    if name is None:
        return None
    if name == ENGLISH:
        return build_word_model({"kind": ENGLISH})
    sentences = list(texts) if name == TRAIN else _read_sentences(name, normalize)
    if not any(sentences):
        raise ValueError(
            f"module.language_model={to_yaml(name)} has no sentences; expected one or more."
        )
    model = NgramModel.from_sentences(sentences)
    try:
        check_word_model("n-grams", model.to_plain())
    except ValueError as error:
        raise ValueError(
            f"module.language_model={to_yaml(name)} has sentences that no checkpoint can hold "
            f"({error}). Use plain sentences, without such words."
        ) from None
    known = {word for text in texts for word in text.split()}
    if known and known.isdisjoint(model.words):
        raise ValueError(
            f"module.language_model={to_yaml(name)} knows no word of the training texts, such as "
            f"{to_yaml(min(known))}; expected sentences like them. Use another file, or train."
        )
    return model


def _read_sentences(name: str, normalize: Callable[[str], str]) -> list[str]:
    try:
        lines = read_text(Path(name).expanduser(), MAX_FILE_BYTES).splitlines()
    except ValueError as error:
        raise ValueError(
            f"module.language_model={to_yaml(name)}: {error}; expected train, "
            "english, or a text file in UTF-8 with one sentence per line. Check the path."
        ) from None
    return [text for text in map(normalize, lines) if text]
