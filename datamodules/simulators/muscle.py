"""Simulated muscles of face and neck that mouth sentences, seen by surface electrodes.

Speech is a score of overlapping gestures of lips, jaw, tongue, velum and larynx (Browman and
Goldstein, "Articulatory phonology: an overview", Phonetica 49, 1992), and muscles act some 50 ms
before what they move can be heard (Jou, Schultz et al., "Towards continuous speech recognition
using surface electromyography", Interspeech 2006). The phonemes that electrodes see depend on
their neighbours (Schultz and Wand, "Modeling coarticulation in EMG-based continuous speech
recognition", Speech Communication 52, 2010). What each muscle moves follows textbooks of anatomy;
all numbers are set by hand.

A muscle is a pool of motor units, recruited from small to large and firing faster the more it is
driven (Fuglevand, Winter and Patla, "Models of recruitment and rate coding organization in
motor-unit pools", J. Neurophysiol. 70, 1993). Its EMG is the sum of their action potential trains
(De Luca, "Physiology and mathematics of myoelectric signals", IEEE Trans. Biomed. Eng. 26, 1979),
and an action potential is the first Hermite-Rodriguez function (Lo Conte, Merletti and Sandri,
"Hermite expansions of compact support waveforms", IEEE Trans. Biomed. Eng. 41, 1994).
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from datamodules.simulators.phonemes import GLIDES, PRONUNCIATIONS

# Patterns of sentences: a slot a word, "|" between what may fill it, "_" for nothing and "-"
# between two words that fill it together.
WHAT = "water|food|help|more-water|more-food|the-nurse|the-doctor|my-nurse|my-doctor"
WHEN = "_|now|again"
PATTERNS = (
    f"i|you need {WHAT} _|now|again|please",
    "i|you need the|my window|door open",
    f"more water|food|help {WHEN}",
    f"_|please open|close the|my window|door {WHEN}",
    "open|close the|my window|door _|now|again please",
    f"_|please call the|my nurse|doctor {WHEN}",
    "call the|my nurse|doctor _|now|again please",
    f"_|please help|call me {WHEN}",
    f"_|please turn me left|right {WHEN}",
    f"_|yes|no i-am|you-are hot|cold|tired|hungry {WHEN}",
    f"are you hot|cold|tired|hungry {WHEN}",
    f"the|my water|food is hot|cold {WHEN}",
    f"is the|my water|food hot|cold {WHEN}",
    f"the|my nurse|doctor is tired|hungry {WHEN}",
    f"is the|my nurse|doctor tired|hungry {WHEN}",
    f"the|my window|door is open {WHEN}",
    f"is the|my window|door open {WHEN}",
)


def _expand(pattern: str) -> Iterator[str]:
    for filled in itertools.product(*(slot.split("|") for slot in pattern.split())):
        yield " ".join(part.replace("-", " ") for part in filled if part != "_")


SENTENCES: tuple[str, ...] = tuple(
    dict.fromkeys(text for pattern in PATTERNS for text in _expand(pattern))
)
SPLITS = ("train", "val", "test")


def split_of_sentence(text: str) -> str:
    """The split whose sessions alone say this sentence: about 13, 3 and 4 in twenty."""
    share = zlib.crc32(text.encode()) % 20
    return "test" if share < 4 else "val" if share < 7 else "train"


def split_of_session(index: int) -> str:
    """The split of a whole session: of six in a row, four train, one validates and one tests."""
    return {1: "test", 2: "val"}.get(index % 6, "train")


@cache
def sentences(split: str | None = None) -> tuple[str, ...]:
    """All sentences of the grammar, or those of one split, always in the same order."""
    if split is None:
        return SENTENCES
    if split not in SPLITS:
        raise ValueError(f"no split {split!r}: it is one of {', '.join(SPLITS)}")
    return tuple(text for text in SENTENCES if split_of_sentence(text) == split)


@cache
def vocabulary() -> tuple[str, ...]:
    """The words that sentences are made of, sorted."""
    return tuple(sorted({word for text in SENTENCES for word in text.split()}))


# What moves, each 0 at rest and 1 at its strongest in ordinary speech: upper lip raised, corners
# drawn apart, lips rounded, lips pressed together, lower lip lowered, jaw dropped, tongue tip
# raised, tongue body raised in front and behind, tongue root drawn back, velum lowered, larynx.
ARTICULATORS = (
    *("upper", "spread", "round", "close", "lower", "jaw"),
    *("tip", "front", "back", "root", "velum", "larynx"),
)
# Reach of a gesture in the durations of its phoneme: rounding spreads far, contacts are short.
REACH = np.array([0.8, 0.85, 1.1, 0.55, 0.75, 0.75, 0.55, 0.75, 0.65, 0.8, 1.0, 0.8])


@dataclass(frozen=True)
class Gesture:
    """The gesture that some phonemes share, their usual seconds, and targets by articulator."""

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
VOICELESS = ("p", "f", "th", "t", "s", "sh", "ch", "k", "hh", "sil")
EXTRAS = {  # beside the gesture that a phoneme shares
    **{phone: {"velum": 1.0} for phone in ("m", "n", "ng")},
    **{phone: {"tip": 0.6} for phone in ("ch", "jh")},
}
GLIDE_SHARE = 0.7  # of its own duration that each half of a diphthong takes


def _row(phone: str, gesture: Gesture) -> list[float]:
    voiced = {} if phone in VOICELESS else {"larynx": 0.5}
    targets = voiced | gesture.targets | EXTRAS.get(phone, {})
    return [targets.get(name, 0.0) for name in ARTICULATORS]


PHONEMES = {phone: g for g in GESTURES for phone in g.phonemes.split()}
TARGETS = {phone: np.array(_row(phone, gesture)) for phone, gesture in PHONEMES.items()}
ROWS = {phone: number for number, phone in enumerate(TARGETS)}

# Centimetres of each muscle's electrode to the side of the mouth's middle and below it.
PLACES = {
    "levator labii superioris": (1.5, -2.0),
    "zygomaticus major": (4.0, -1.5),
    "orbicularis oris": (0.8, 1.0),
    "depressor anguli oris": (2.7, 2.3),
    "anterior digastric": (1.0, 5.0),
    "mylohyoid": (2.5, 6.3),
    "platysma": (5.5, 5.0),
    "sternohyoid": (1.2, 9.5),
}
MUSCLES = tuple(PLACES)
# How strongly each articulator's gesture drives each muscle, in the order of ``MUSCLES``. The
# geniohyoid and the genioglossus lie under the mylohyoid and are seen with it.
WEIGHTS = np.array(
    [
        [1.00, 0.20, 0.05, 0.00, 0.00, 0.00, 0.00, 0.00],  # upper
        [0.30, 1.00, 0.00, 0.10, 0.00, 0.00, 0.35, 0.00],  # spread
        [0.05, 0.00, 0.75, 0.30, 0.00, 0.00, 0.00, 0.00],  # round
        [0.00, 0.05, 1.00, 0.25, 0.00, 0.00, 0.05, 0.00],  # close
        [0.00, 0.00, 0.10, 0.90, 0.05, 0.00, 0.30, 0.00],  # lower
        [0.00, 0.00, 0.00, 0.05, 1.00, 0.20, 0.30, 0.35],  # jaw
        [0.00, 0.00, 0.00, 0.00, 0.35, 0.50, 0.00, 0.00],  # tip
        [0.00, 0.00, 0.00, 0.00, 0.10, 0.85, 0.00, 0.05],  # front
        [0.00, 0.00, 0.00, 0.00, 0.05, 0.70, 0.05, 0.35],  # back
        [0.00, 0.00, 0.00, 0.00, 0.05, 0.20, 0.10, 0.60],  # root
        [0.05, 0.00, 0.00, 0.00, 0.00, 0.20, 0.00, 0.05],  # velum
        [0.00, 0.00, 0.00, 0.00, 0.00, 0.05, 0.05, 0.35],  # larynx
    ]
)

LEAD = 0.05  # seconds by which a muscle is ahead of its gesture
CONTROL = 200.0  # Hz at which gestures are drawn: they hold nothing above some 15 Hz
UNITS = 12  # motor units of a muscle that its electrode sees
THRESHOLDS = np.float32(0.04 * 15 ** (np.arange(UNITS) / UNITS))  # drives that recruit them
SIZES = 8 ** (np.arange(UNITS) / UNITS)  # of their action potentials, by the smallest
RATES = (8.0, 40.0)  # Hz at which a unit starts to fire and fires at most
GAIN = 50.0  # Hz that it gains by the drive above its threshold
VARIATION = 0.2  # of the time between two firings, standard deviation by mean
POTENTIAL = 12.0  # µV of the smallest unit under its electrode
SPREAD = 2.0  # centimetres after which a muscle is seen at half its strength
HARMONICS = {1: 1.0, 2: 0.15, 3: 0.35, 5: 0.15}  # of the mains, by the first


def phonemes_of(text: str) -> list[tuple[str, float]]:
    """Phonemes of a sentence and their usual seconds, with the rest before and after it.

    Raises:
        ValueError: a word is not in the pronouncing table, or there is none.
    """
    spoken = [phone for word in text.split() for phone in _pronounce(word)]
    if not spoken:
        raise ValueError("cannot say a sentence without words: give at least one")
    return [("sil", 0.2), *spoken, ("sil", 0.2)]


def _pronounce(word: str) -> list[tuple[str, float]]:
    if word not in PRONUNCIATIONS:
        raise ValueError(
            f"cannot say {word!r}: the pronouncing table knows {len(PRONUNCIATIONS)} words; "
            "add its phonemes to a table in datamodules/simulators/phonemes.py"
        )
    parts = []
    for phone in PRONUNCIATIONS[word]:
        share = GLIDE_SHARE if phone in GLIDES else 1.0
        parts += [(part, share * PHONEMES[part].seconds) for part in GLIDES.get(phone, (phone,))]
    return parts


@dataclass(frozen=True)
class Session:
    """One person on one day, with electrodes put on anew; C channels, M muscles, U units each."""

    pace: float  # durations by the usual ones
    targets: np.ndarray  # (phonemes, articulators) as this person mouths them
    weights: np.ndarray  # (articulators, M) what this person uses each muscle for
    tone: np.ndarray  # (M,) drive at rest
    peaks: np.ndarray  # (M U,) Hz at which an action potential is strongest
    reach: np.ndarray  # (M U, C) µV of an action potential at each electrode
    floor: np.ndarray  # (C,) µV of the noise of electrode and amplifier
    hum: np.ndarray  # (harmonics, C) µV of the mains
    offset: np.ndarray  # (C,) µV of the electrodes' half-cell potentials
    drift: np.ndarray  # (C,) µV by which it wanders


def make_session(seed: list[int], channels: int = 8) -> Session:
    """Draw one session; what concerns the person is the same for any count of channels."""
    person, setup = (np.random.default_rng([*seed, part]) for part in (0, 1))
    muscles = len(MUSCLES)
    pace = float(np.exp(0.15 * person.standard_normal()))
    habit = np.exp(0.35 * person.standard_normal(WEIGHTS.shape))
    effort = np.exp(0.3 * person.standard_normal(muscles))
    spill = 0.06 * person.random(WEIGHTS.shape) ** 2
    usual = np.array(list(TARGETS.values()))
    accent = np.exp(0.25 * person.standard_normal(usual.shape))
    extra = 0.2 * person.random(usual.shape) ** 4 * usual.any(axis=1, keepdims=True)
    reach = _reach(setup, channels)
    strong = 8 * _spread(setup, 1, 0.6)  # µV of the mains in this room
    return Session(
        pace=pace,
        targets=usual * accent + extra,
        weights=(WEIGHTS * habit + spill) * effort,
        tone=0.06 * person.random(muscles) ** 2,
        peaks=person.uniform(70, 140, muscles * UNITS),
        reach=reach,
        floor=3 * _spread(setup, channels, 0.4),
        hum=np.outer(list(HARMONICS.values()), strong * _spread(setup, channels, 0.5)),
        offset=150 * setup.standard_normal(channels),
        drift=12 * _spread(setup, channels, 0.4),
    )


def _spread(rng: np.random.Generator, count: int, sigma: float) -> np.ndarray:
    """Factors (count,) about 1, log-normal."""
    return np.exp(sigma * rng.standard_normal(count))


def _reach(rng: np.random.Generator, channels: int) -> np.ndarray:
    """µV of each unit at each electrode, (M U, C)."""
    places = np.array(list(PLACES.values()))
    slip = 0.4 * rng.standard_normal(2) + 0.7 * rng.standard_normal((channels, 2))
    sites = electrode_sites(channels) + slip
    away = np.linalg.norm(places[:, None] - sites, axis=2)
    mixing = 1 / (1 + (away / SPREAD) ** 3)
    gain = np.exp(0.4 * rng.standard_normal(channels))
    units = np.repeat(POTENTIAL * gain * mixing, UNITS, axis=0)  # → (M U, C)
    units *= np.tile(SIZES, len(places))[:, None]
    return units * np.exp(0.3 * rng.standard_normal(units.shape))  # units lie here and there


def electrode_sites(channels: int) -> np.ndarray:
    """Centimetres (channels, 2) at which electrodes are meant to lie.

    The first lie over the muscles, in the order of ``MUSCLES``; further ones between two.
    """
    places = np.array(list(PLACES.values()))
    count = len(places)
    numbers = np.arange(channels)
    first, turn = numbers % count, numbers // count
    return (places[first] + places[(first + turn) % count]) / 2


def activate(
    text: str, session: Session, rng: np.random.Generator, rate: float = 1000.0, noise: float = 1.0
) -> np.ndarray:
    """Drive (T, M) of each muscle, 0 at rest and 1 at most, while a sentence is mouthed once."""
    phones, seconds = zip(*phonemes_of(text), strict=True)
    tempo = session.pace * np.exp(noise * 0.06 * rng.standard_normal())
    seconds = tempo * np.array(seconds) * np.exp(noise * 0.1 * rng.standard_normal(len(phones)))
    seconds[[0, -1]] *= 1 + noise * rng.uniform(-0.5, 0.5, 2)
    targets = session.targets[[ROWS[phone] for phone in phones]]
    targets *= np.exp(noise * 0.12 * rng.standard_normal(targets.shape))
    total = float(seconds.sum())
    times = np.arange(0, total + 1 / CONTROL, 1 / CONTROL)
    moves = np.tanh(_overlap(times + LEAD, seconds, targets))
    effort = np.exp(noise * 0.1 * rng.standard_normal(len(MUSCLES)))
    drive = np.tanh(session.tone + moves @ session.weights * effort)
    fine = np.arange(round(total * rate)) / rate
    return np.stack([np.interp(fine, times, muscle) for muscle in drive.T], axis=1)


def _overlap(times: np.ndarray, seconds: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Sum (times, articulators) of smooth bumps, one for each phoneme's target."""
    centres = np.cumsum(seconds) - seconds / 2
    away = (times[:, None] - centres) / seconds  # (times, phonemes)
    bumps = np.exp(-((away[..., None] / REACH) ** 2))  # → (times, phonemes, articulators)
    return np.einsum("tpa,pa->ta", bumps, targets)


def fire(drive: np.ndarray, rng: np.random.Generator, rate: float = 1000.0) -> np.ndarray:
    """Firings (M U, T) float32, 0 or 1, of the units of muscles driven by ``drive`` (T, M).

    Units integrate a noisy drive and fire at each whole number, so that their intervals follow an
    inverse Gaussian distribution.
    """
    above = drive.T[:, None].astype(np.float32) - THRESHOLDS[:, None]  # → (M, U, T)
    steps = np.clip(RATES[0] + GAIN * above, *RATES) * (above > 0) / np.float32(rate)
    steps = steps.reshape(-1, len(drive))  # → (M U, T)
    phase = rng.standard_normal(steps.shape, dtype=np.float32)
    phase *= np.float32(VARIATION) * np.sqrt(steps)
    phase += steps
    phase[:, 0] = rng.random(len(steps), dtype=np.float32)
    np.cumsum(phase, axis=1, out=phase)
    count = np.floor(np.maximum.accumulate(phase, axis=1, out=phase), out=phase)
    return (np.diff(count, axis=1, prepend=count[:, :1]) > 0).astype(np.float32)


def potentials(
    firings: np.ndarray, peaks: np.ndarray, reach: np.ndarray, rate: float = 1000.0
) -> np.ndarray:
    """EMG (T, C) in µV of firings (units, T) whose action potentials ``reach`` (units, C)."""
    frames = firings.shape[1]
    length = _smooth_length(frames + round(0.05 * rate))  # none may run round to the start
    frequencies = np.fft.rfftfreq(length, 1 / rate).astype(np.float32)
    peaks = peaks[:, None].astype(np.float32)
    along = frequencies / peaks  # (units, frequencies)
    # The transform of t·exp(-t²), of height about 1 whatever its length.
    kernel = np.exp(-(along**2) / 2) * along * (np.float32(rate) / (2 * peaks))
    spectrum = reach.T.astype(np.complex64) @ (np.fft.rfft(firings, length) * kernel)
    return np.fft.irfft(1j * spectrum, length)[:, :frames].T  # (C, T) → (T, C)


def _smooth_length(least: int) -> int:
    """The next length that is quick to transform: an eighth of a power of two's steps."""
    step = 2 ** max(0, least.bit_length() - 4)
    return -(-least // step) * step


def disturb(
    frames: int,
    session: Session,
    rng: np.random.Generator,
    rate: float = 1000.0,
    mains: float = 50.0,
) -> np.ndarray:
    """What electrodes show beside muscles, (frames, C) in µV: noise, mains, offset and drift."""
    times = np.arange(frames)[:, None] / rate
    numbers = np.array(list(HARMONICS))
    strong = np.where(mains * numbers < 0.5 * rate, 1.0, 0.0)  # the rest is filtered before
    turns = (mains + 0.02 * rng.standard_normal()) * numbers * times
    waves = np.sin(2 * np.pi * (turns + rng.random(len(numbers))))  # (frames, harmonics)
    slow = rng.uniform(0.05, 0.6, 3) * times + rng.random(3)
    wander = np.sin(2 * np.pi * slow) @ rng.standard_normal((3, len(session.drift)))
    hiss = session.floor * rng.standard_normal((frames, len(session.floor)))
    return waves @ (strong[:, None] * session.hum) + session.offset + session.drift * wander + hiss


@dataclass(frozen=True)
class MuscleSimulator:
    """Simulated people who mouth sentences of a small grammar, with electrodes on face and neck.

    In each of ``sessions`` electrodes are put on anew and ``utterances`` sentences are mouthed
    once each, all from the pool of the session's split; ``rate`` is in Hz, ``mains`` too.
    ``noise`` is 1 for about what a good recording shows and 0 for none: no mains, no drift, and
    the same drive each time a sentence is mouthed; motor units fire irregularly all the same.

    Raises:
        ValueError: a count is not positive, or a rate or the noise is out of range.
    """

    sessions: int = 18
    utterances: int = 50
    rate: float = 1000.0
    channels: int = 8
    noise: float = 1.0
    mains: float = 50.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("sessions", "utterances", "channels"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be at least 1")
        if not self.rate >= 100:
            raise ValueError(f"rate is {self.rate} Hz: EMG needs at least 100")
        if not self.noise >= 0:
            raise ValueError(f"noise is {self.noise}: it must not be negative")
        if not 0 < self.mains < self.rate / 2:
            raise ValueError(f"mains is {self.mains} Hz: it must lie below half the rate")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}: it must not be negative")

    def session(self, index: int) -> Iterator[tuple[str, str, np.ndarray]]:
        """Utterances of one session as (text, split, emg (T, channels) float32 in µV).

        The same for the same seed and index, whatever the number of sessions and utterances.

        Raises:
            ValueError: there is no such session.
        """
        if not 0 <= index < self.sessions:
            raise ValueError(f"session {index} is not one of the {self.sessions} simulated ones")
        return self._utterances(index)

    def _utterances(self, index: int) -> Iterator[tuple[str, str, np.ndarray]]:
        session = make_session([self.seed, index], self.channels)
        split = split_of_session(index)
        pool = sentences(split)
        order = np.random.default_rng([self.seed, index, 2]).permutation(len(pool))
        for number in range(self.utterances):
            text = pool[order[number % len(pool)]]
            rng = np.random.default_rng([self.seed, index, 3, number])
            yield text, split, self._record(text, session, rng)

    def _record(self, text: str, session: Session, rng: np.random.Generator) -> np.ndarray:
        drive = activate(text, session, rng, self.rate, self.noise)
        firings = fire(drive, rng, self.rate)
        emg = potentials(firings, session.peaks, session.reach, self.rate)
        if self.noise > 0:
            emg = emg + self.noise * disturb(len(emg), session, rng, self.rate, self.mains)
        return emg.astype(np.float32)
