"""Gestures of the articulators, and the sentences that are made of them.

Speech is a score of overlapping gestures of lips, jaw, tongue, velum and larynx (Browman and
Goldstein, "Articulatory phonology: an overview", Phonetica 49, 1992). Targets are set by hand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datamodules.simulators.phonemes import split_phonemes

# Movements, each 0 at rest and 1 at its strongest in ordinary speech: upper lip raised, corners
# drawn apart, lips rounded, lips pressed together, lower lip lowered, jaw dropped, tongue tip
# raised, tongue body raised in front and behind, tongue root drawn back, velum lowered, larynx.
ARTICULATORS = (
    *("upper", "spread", "round", "close", "lower", "jaw"),
    *("tip", "front", "back", "root", "velum", "larynx"),
)


@dataclass(frozen=True)
class Gesture:
    """A gesture that some phonemes share.

    Attributes:
        phonemes: separated by spaces.
        seconds: the usual duration.
        targets: by articulator.
    """

    phonemes: str
    seconds: float
    targets: dict[str, float]


GESTURES = (
    Gesture("sil", 0.2, {}),
    Gesture("p b m", 0.095, {"close": 1.0}),
    Gesture("f v", 0.1, {"close": 0.4, "upper": 0.6, "lower": 0.2}),
    Gesture("th dh", 0.09, {"tip": 0.5, "jaw": 0.35, "lower": 0.4}),
    Gesture("t d n", 0.075, {"tip": 1.0, "jaw": 0.1}),
    Gesture("l", 0.08, {"tip": 0.8, "jaw": 0.3, "root": 0.3}),
    Gesture("s z", 0.1, {"tip": 0.6, "front": 0.2, "spread": 0.5, "lower": 0.5, "upper": 0.3}),
    Gesture("sh zh ch jh", 0.11, {"round": 0.6, "upper": 0.6, "lower": 0.5, "front": 0.5}),
    Gesture("k g ng", 0.085, {"back": 1.0, "jaw": 0.1}),
    Gesture("hh", 0.07, {"larynx": 0.7, "root": 0.2}),
    Gesture("r er", 0.11, {"round": 0.45, "tip": 0.3, "back": 0.2, "root": 0.7}),
    Gesture("w", 0.09, {"round": 1.0, "back": 0.5}),
    Gesture("iy y", 0.12, {"spread": 1.0, "front": 1.0, "upper": 0.3}),
    Gesture("ih", 0.1, {"spread": 0.6, "front": 0.7, "upper": 0.2}),
    Gesture("eh", 0.12, {"jaw": 0.5, "spread": 0.5, "front": 0.4, "upper": 0.3, "lower": 0.2}),
    Gesture("ae", 0.14, {"jaw": 0.8, "spread": 0.6, "upper": 0.4, "lower": 0.4, "root": 0.2}),
    Gesture("aa", 0.14, {"jaw": 1.0, "root": 0.7, "lower": 0.3}),
    Gesture("ah", 0.09, {"jaw": 0.45, "root": 0.2}),
    Gesture("ao", 0.13, {"jaw": 0.7, "round": 0.6, "root": 0.5}),
    Gesture("uw", 0.12, {"round": 1.0, "back": 0.7}),
    Gesture("uh", 0.1, {"round": 0.7, "back": 0.5, "jaw": 0.2}),
)
VOICELESS_PHONEMES = ("p", "f", "th", "t", "s", "sh", "ch", "k", "hh", "sil")
EXTRA_TARGETS = {  # of a phoneme, in addition to its gesture
    **{phone: {"velum": 1.0} for phone in ("m", "n", "ng")},
    **{phone: {"tip": 0.6} for phone in ("ch", "jh")},
}


def _list_targets(phone: str, gesture: Gesture) -> list[float]:
    voiced = {} if phone in VOICELESS_PHONEMES else {"larynx": 0.5}
    targets = voiced | gesture.targets | EXTRA_TARGETS.get(phone, {})
    return [targets.get(name, 0.0) for name in ARTICULATORS]


GESTURE_OF = {phone: g for g in GESTURES for phone in g.phonemes.split()}
TARGETS_OF = {phone: np.array(_list_targets(phone, g)) for phone, g in GESTURE_OF.items()}


def time_phonemes(text: str) -> list[tuple[str, float]]:
    """Return phonemes of a sentence and their usual seconds, with a rest at both ends.

    Raises:
        ValueError: the pronouncing table lacks a word, or the text has none.
    """
    if not text.split():
        raise ValueError(f"cannot pronounce {text!r}: expected a sentence of at least one word")
    spoken = [
        (phone, share * GESTURE_OF[phone].seconds)
        for word in text.split()
        for phone, share in zip(*split_phonemes(word), strict=True)
    ]
    return [("sil", 0.2), *spoken, ("sil", 0.2)]
