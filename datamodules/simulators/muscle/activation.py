"""From sentences to the drive of each muscle.

Muscles act some 50 ms before the sound of a movement (Jou, Schultz et al., "Towards continuous
speech recognition using surface electromyography", Interspeech 2006), and the phonemes in EMG
depend on their neighbours (Schultz and Wand, "Modeling coarticulation in EMG-based continuous
speech recognition", Speech Communication 52, 2010).
"""

from __future__ import annotations

import numpy as np

from datamodules.simulators.muscle.gestures import TARGETS_OF, time_phonemes
from datamodules.simulators.muscle.sessions import MUSCLES, Session

# Reach of a gesture in the durations of its phoneme, in the order of ``ARTICULATORS``: rounding
# spreads far, contacts are short.
GESTURE_REACH = np.array([0.8, 0.85, 1.1, 0.55, 0.75, 0.75, 0.55, 0.75, 0.65, 0.8, 1.0, 0.8])
LEAD_S = 0.05  # by which a muscle is ahead of its gesture
CONTROL_HZ = 200.0  # sample rate of gestures, which move at up to some 15 Hz


def activate_muscles(
    text: str,
    session: Session,
    rng: np.random.Generator,
    sample_rate: float = 1000.0,
    noise: float = 1.0,
) -> np.ndarray:
    """Return the drive (T, M) of each muscle for a sentence mouthed once, from 0 to 1."""
    phones, seconds = zip(*time_phonemes(text), strict=True)
    tempo = session.pace * np.exp(noise * 0.06 * rng.standard_normal())
    seconds = tempo * np.array(seconds) * np.exp(noise * 0.1 * rng.standard_normal(len(phones)))
    seconds[[0, -1]] *= 1 + noise * rng.uniform(-0.5, 0.5, 2)
    rows = list(TARGETS_OF)
    targets = session.targets[[rows.index(phone) for phone in phones]]
    targets *= np.exp(noise * 0.12 * rng.standard_normal(targets.shape))
    total = float(seconds.sum())
    times = np.arange(0, total + 1 / CONTROL_HZ, 1 / CONTROL_HZ)
    moves = np.tanh(_overlap_gestures(times + LEAD_S, seconds, targets))
    effort = np.exp(noise * 0.1 * rng.standard_normal(len(MUSCLES)))
    drive = np.tanh(session.tone + moves @ session.weights * effort)
    fine = np.arange(round(total * sample_rate)) / sample_rate
    return np.stack([np.interp(fine, times, muscle) for muscle in drive.T], axis=1)


def _overlap_gestures(times: np.ndarray, seconds: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the sum (times, articulators) of smooth bumps, one for each phoneme's target."""
    centres = np.cumsum(seconds) - seconds / 2
    away = (times[:, None] - centres) / seconds  # (times, phonemes)
    bumps = np.exp(-((away[..., None] / GESTURE_REACH) ** 2))  # → (times, phonemes, articulators)
    return np.einsum("tpa,pa->ta", bumps, targets)
