"""Simulated sessions: a person's muscles, and newly placed electrodes.

The functions of the muscles follow textbooks of anatomy; all numbers are set by hand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datamodules.simulators.muscle.gestures import TARGETS_OF

# Each muscle's electrode: centimetres to the side of the mouth's middle, and below it.
ELECTRODE_POSITIONS = {
    "levator labii superioris": (1.5, -2.0),
    "zygomaticus major": (4.0, -1.5),
    "orbicularis oris": (0.8, 1.0),
    "depressor anguli oris": (2.7, 2.3),
    "anterior digastric": (1.0, 5.0),
    "mylohyoid": (2.5, 6.3),
    "platysma": (5.5, 5.0),
    "sternohyoid": (1.2, 9.5),
}
MUSCLES = tuple(ELECTRODE_POSITIONS)
# Drive of each muscle (column, in the order of ``MUSCLES``) by each articulator's gesture. The
# geniohyoid and the genioglossus lie under the mylohyoid and add to its signal.
MUSCLE_WEIGHTS = np.array(
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
NUM_UNITS = 12  # motor units of a muscle that its electrode picks up
MAINS_HARMONICS = {1: 1.0, 2: 0.15, 3: 0.35, 5: 0.15}  # amplitude relative to the first


@dataclass(frozen=True)
class Session:
    """A person with newly placed electrodes; C channels, M muscles of U motor units each."""

    pace: float  # durations relative to the usual ones
    targets: np.ndarray  # (phonemes, articulators) of this person
    weights: np.ndarray  # (articulators, M) use of each muscle by this person
    tone: np.ndarray  # (M,) drive at rest
    peaks: np.ndarray  # (M U,) peak frequency of an action potential, Hz
    reach: np.ndarray  # (M U, C) amplitude of an action potential at each electrode, µV
    floor: np.ndarray  # (C,) noise of electrode and amplifier, µV
    hum: np.ndarray  # (harmonics, C) mains hum, µV
    offset: np.ndarray  # (C,) half-cell potentials of the electrodes, µV
    drift: np.ndarray  # (C,) wander of the offset, µV


def make_session(seed: list[int], channels: int = 8) -> Session:
    """Draw a session; the person does not depend on the number of channels."""
    person, setup = (np.random.default_rng([*seed, part]) for part in (0, 1))
    muscles = len(MUSCLES)
    pace = float(np.exp(0.15 * person.standard_normal()))
    habit = np.exp(0.35 * person.standard_normal(MUSCLE_WEIGHTS.shape))
    effort = np.exp(0.3 * person.standard_normal(muscles))
    spill = 0.06 * person.random(MUSCLE_WEIGHTS.shape) ** 2
    usual = np.array(list(TARGETS_OF.values()))
    accent = np.exp(0.25 * person.standard_normal(usual.shape))
    extra = 0.2 * person.random(usual.shape) ** 4 * usual.any(axis=1, keepdims=True)
    reach = _draw_reach(setup, channels)
    mains = 8 * _draw_factors(setup, 1, 0.6)  # µV
    return Session(
        pace=pace,
        targets=usual * accent + extra,
        weights=(MUSCLE_WEIGHTS * habit + spill) * effort,
        tone=0.06 * person.random(muscles) ** 2,
        peaks=person.uniform(70, 140, muscles * NUM_UNITS),
        reach=reach,
        floor=3 * _draw_factors(setup, channels, 0.4),
        hum=np.outer(list(MAINS_HARMONICS.values()), mains * _draw_factors(setup, channels, 0.5)),
        offset=150 * setup.standard_normal(channels),
        drift=12 * _draw_factors(setup, channels, 0.4),
    )


def _draw_factors(rng: np.random.Generator, count: int, sigma: float) -> np.ndarray:
    """Return log-normal factors (count,) about 1."""
    return np.exp(sigma * rng.standard_normal(count))


def _draw_reach(rng: np.random.Generator, channels: int) -> np.ndarray:
    """Return the amplitude of each unit at each electrode, (M U, C) in µV."""
    places = np.array(list(ELECTRODE_POSITIONS.values()))
    slip = 0.4 * rng.standard_normal(2) + 0.7 * rng.standard_normal((channels, 2))
    sites = place_electrodes(channels) + slip
    away = np.linalg.norm(places[:, None] - sites, axis=2)
    mixing = 1 / (1 + (away / 2.0) ** 3)  # half the amplitude at 2 cm
    gain = np.exp(0.4 * rng.standard_normal(channels))
    units = np.repeat(12.0 * gain * mixing, NUM_UNITS, axis=0)  # → (M U, C)
    units *= np.tile(8 ** (np.arange(NUM_UNITS) / NUM_UNITS), len(places))[:, None]
    return units * np.exp(0.3 * rng.standard_normal(units.shape))  # depth of the units


def place_electrodes(channels: int) -> np.ndarray:
    """Return the intended positions of electrodes, (channels, 2) in centimetres.

    The first are over the muscles, in the order of ``MUSCLES``; further ones between two.
    """
    places = np.array(list(ELECTRODE_POSITIONS.values()))
    count = len(places)
    numbers = np.arange(channels)
    first, turn = numbers % count, numbers // count
    return (places[first] + places[(first + turn) % count]) / 2
