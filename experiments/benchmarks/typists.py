"""People who spell phrases, with and without suggestions, as simulations of an engine's text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from experiments.benchmarks.spelled_frames import Spell
from unvoiced.composer import TextComposer
from unvoiced.writing.personal import fold_letters
from unvoiced.writing.writer import TextWriter


@dataclass(frozen=True)
class SpelledPhrase:
    """A phrase as it was written.

    Attributes:
        phrase: the intended text.
        spelled: the likeliest letter of each sign.
        first: with the first suggestion for each word.
        chosen: with the right one of three suggestions where it is offered, else the first.
        joined: the first suggestion for all letters without spaces; empty if not measured.
        keys: signs and keys until each word, the space included, as soon as it is offered.
        keys_without: letters and spaces of the phrase.
    """

    phrase: str
    spelled: str
    first: str
    chosen: str
    joined: str
    keys: int
    keys_without: int


def write_phrase(phrase: str, spell: Spell, composer: TextComposer, joins: bool) -> SpelledPhrase:
    """Return a phrase as it is written word by word, and in one go if it ``joins``."""
    first, chosen = TextWriter(composer=composer), []
    spelled, keys, words = [], 0, phrase.split()
    for word in words:
        holds, offered = spell(word), 0
        for count, hold in enumerate(holds, 1):
            _add_hold(first, hold, composer)
            if not offered and word in map(str.lower, first.suggestions):
                offered = count
        spelled.append(first.spelled.lower())
        is_offered = word in map(str.lower, first.suggestions)
        chosen.append(word if is_offered else first.suggestions[0].lower())
        keys += (offered or len(holds)) + 1
        first.accept()
    joined = ""
    if joins:
        writer = TextWriter(composer=composer)
        writer.clear()
        for hold in spell("".join(words)):
            _add_hold(writer, hold, composer)
        joined = writer.suggestions[0].lower()
        writer.clear()
    texts = (" ".join(spelled), first.text.strip().lower(), " ".join(chosen), joined)
    return SpelledPhrase(phrase, *texts, keys, len(phrase) + 1)


def keep_word(name: str, spell: Spell, composer: TextComposer) -> tuple[str, str, str]:
    """Return the letters of a name as spelled, the text after a space, and the first suggestion."""
    writer, spelled = TextWriter(composer=composer), ""
    for hold in spell(fold_letters(name)):
        spelled += _add_hold(writer, hold, composer)
    suggestions = writer.suggestions
    writer.add("space")
    text = writer.text
    writer.clear()
    return spelled, text, suggestions[0]


def _add_hold(writer: TextWriter, hold: np.ndarray, composer: TextComposer) -> str:
    """Write the likeliest letter of a hold, and return it."""
    label = composer.labels[composer.find_letter(hold)]
    writer.add(label, hold, composer.labels)
    return label
