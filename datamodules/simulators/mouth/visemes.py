"""Visemes, the shapes of the mouth, and the words that run through them.

Phonemes that look alike share a viseme (Fisher, "Confusions among visually perceived consonants",
J. Speech Hear. Res. 11, 1968; Jeffers and Barley, "Speechreading", 1971; the MPEG-4 visemes), so
"pat", "bat" and "mat" look the same. Targets are set by hand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datamodules.simulators.phonemes import DIPHTHONGS, PRONUNCIATIONS, split_phonemes

DEFAULT_WORDS = ("doctor", "i_need_to_move", "my_mouth_is_dry", "pillow")
# All words and phrases of the pronouncing table; the letters, many of which look alike, come last.
ALL_WORDS: tuple[str, ...] = (
    *DEFAULT_WORDS,
    *(word for word in PRONUNCIATIONS if word not in DEFAULT_WORDS and len(word) > 1),
    *(word for word in PRONUNCIATIONS if len(word) == 1),
)

# Movements, each about 0 at rest and 1 at its strongest in ordinary speech: the jaw's drop,
# corners drawn apart, lips rounded and pushed out, upper lip raised, lower lip lowered against
# the jaw, lips pressed together, lower lip under the upper teeth, tongue tip raised, tongue tip
# between the teeth.
LIP_CHANNELS = ("jaw", "spread", "round", "upper", "lower", "close", "tuck", "tongue", "thrust")
# Dominance of a viseme over channels without a target: it keeps the lips apart, but its
# neighbours shape them.
DEFAULT_DOMINANCE = (0.3, 0.25, 0.25, 0.3, 0.3, 1.0, 1.0, 0.4, 1.0)


@dataclass(frozen=True)
class Viseme:
    """Phonemes that look alike.

    Attributes:
        phonemes: separated by spaces.
        seconds: the usual duration.
        targets: by channel; a viseme has dominance 1 over the channels in it.
        firm: the channel over which it has dominance 5.
    """

    phonemes: str
    seconds: float
    targets: dict[str, float]
    firm: str = ""


VISEMES = (
    Viseme("sil", 0.2, dict.fromkeys(LIP_CHANNELS, 0.0)),
    Viseme("p b m", 0.095, {"close": 1, "jaw": 0.12, "spread": 0}, "close"),
    Viseme("f v", 0.1, {"tuck": 1, "jaw": 0.15, "upper": 0.5}, "tuck"),
    Viseme("th dh", 0.09, {"thrust": 1, "jaw": 0.3, "tongue": 0.5, "lower": 0.3}, "thrust"),
    Viseme("t d n", 0.075, {"jaw": 0.2, "tongue": 0.85, "upper": 0.2, "lower": 0.3}),
    Viseme("l", 0.08, {"jaw": 0.36, "tongue": 1, "upper": 0.2, "lower": 0.2}, "tongue"),
    Viseme("s z", 0.1, {"jaw": 0.12, "spread": 0.5, "upper": 0.5, "lower": 0.7, "tongue": 0.5}),
    Viseme("sh zh ch jh", 0.11, {"jaw": 0.18, "round": 0.65, "upper": 0.7, "lower": 0.8}, "round"),
    Viseme("k g ng hh", 0.08, {"jaw": 0.3}),
    Viseme("r er", 0.11, {"jaw": 0.24, "round": 0.45, "upper": 0.3, "lower": 0.4, "tongue": 0.3}),
    Viseme("w", 0.09, {"jaw": 0.1, "round": 1, "spread": 0}, "round"),
    Viseme("aa", 0.14, {"jaw": 1, "upper": 0.3, "lower": 0.3, "spread": 0.1}),
    Viseme("ae eh", 0.13, {"jaw": 0.72, "spread": 0.55, "upper": 0.5, "lower": 0.4, "tongue": 0.2}),
    Viseme("ah", 0.09, {"jaw": 0.45, "upper": 0.2, "lower": 0.2}),
    Viseme("iy ih y", 0.12, {"jaw": 0.22, "spread": 1, "upper": 0.5, "lower": 0.6, "tongue": 0.5}),
    Viseme("ao", 0.13, {"jaw": 0.75, "round": 0.6, "upper": 0.2, "lower": 0.3}),
    Viseme("uw uh", 0.12, {"jaw": 0.2, "round": 0.95, "lower": 0.2}),
)
VISEME_OF = {phone: k for k, viseme in enumerate(VISEMES) for phone in viseme.phonemes.split()}
VISEME_SECONDS = np.array([viseme.seconds for viseme in VISEMES])
VISEME_TARGETS = np.array([[v.targets.get(name, 0.0) for name in LIP_CHANNELS] for v in VISEMES])
VISEME_DOMINANCE = np.array(
    [
        [5.0 if name == v.firm else 1.0 if name in v.targets else default
         for name, default in zip(LIP_CHANNELS, DEFAULT_DOMINANCE, strict=True)]
        for v in VISEMES
    ]
)  # fmt: skip


def first_words(count: int) -> tuple[str, ...]:
    """Return the first ``count`` of ``ALL_WORDS``."""
    if not 0 < count <= len(ALL_WORDS):
        raise ValueError(
            f"no vocabulary of {count} words: the pronouncing table has {len(ALL_WORDS)}"
        )
    return ALL_WORDS[:count]


def visemes_of(word: str) -> list[int]:
    """Return the rows of ``VISEMES`` of a word, with the rest before and after it."""
    return [VISEME_OF[phone] for phone in ("sil", *split_phonemes(word)[0], "sil")]


def usual_durations(word: str) -> np.ndarray:
    """Return seconds of each viseme of a word, the last phoneme drawn out as before a pause."""
    _, shares = split_phonemes(word)
    last = 2 if PRONUNCIATIONS[word][-1] in DIPHTHONGS else 1
    shares[-last:] = [1.3 * share for share in shares[-last:]]
    return VISEME_SECONDS[visemes_of(word)] * [1.0, *shares, 1.0]
