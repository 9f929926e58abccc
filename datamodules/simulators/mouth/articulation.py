"""From words to the movements of a mouth.

Visemes blend by dominance functions (Cohen and Massaro, "Modeling coarticulation in synthetic
visual speech", 1993).
"""

from __future__ import annotations

import numpy as np

from datamodules.simulators.mouth.speakers import HABIT_SHARE, Speaker
from datamodules.simulators.mouth.visemes import (
    LIP_CHANNELS,
    VISEME_DOMINANCE,
    VISEME_TARGETS,
    usual_durations,
    visemes_of,
)

# Reach of a viseme's dominance in its own durations: rounding spreads far, contacts are short.
DOMINANCE_REACH = np.array([0.75, 0.9, 1.2, 0.8, 0.8, 0.5, 0.55, 0.6, 0.55])
JAW_DROP = 0.62  # half mouth widths between the incisors at jaw 1


def articulate_word(
    word: str, speaker: Speaker, rng: np.random.Generator, fps: float = 25.0, noise: float = 1.0
) -> np.ndarray:
    """Return the motion (frames, ``LIP_CHANNELS``) of a word spoken once."""
    rows = np.array(visemes_of(word))
    tempo = speaker.pace * np.exp(noise * 0.08 * rng.standard_normal())
    seconds = tempo * usual_durations(word)
    seconds *= np.exp(noise * 0.15 * rng.standard_normal(len(rows)))
    seconds[[0, -1]] *= 1 + noise * rng.uniform(-0.8, 0.8, 2)  # a crop begins and ends anywhere
    slips = noise * 0.06 * HABIT_SHARE * rng.standard_normal((len(rows), len(LIP_CHANNELS)))
    vigour = 1 + HABIT_SHARE * (np.exp(noise * 0.1 * rng.standard_normal()) - 1)
    targets = vigour * speaker.effort * VISEME_TARGETS[rows] + speaker.habits[rows] + slips
    targets[[0, -1]] *= 0.5  # at rest people differ less
    frames = max(2, round(float(seconds.sum()) * fps))
    times = (np.arange(frames)[:, None] + [0.3, 0.5, 0.7]) / fps  # the shutter is open a while
    return _blend_visemes(times.ravel(), seconds, targets, rows).reshape(frames, 3, -1).mean(axis=1)


def _blend_visemes(
    times: np.ndarray, seconds: np.ndarray, targets: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """Return targets (visemes, channels) weighted by dominance at each time: (times, channels)."""
    centres = np.cumsum(seconds) - seconds / 2
    away = (times[:, None] - centres) / seconds
    # Cohen and Massaro's dominance with exponent 2, so that movements have no corners; the floor
    # keeps the quotient defined far from all visemes.
    weights = VISEME_DOMINANCE[rows] * np.exp(-((away[..., None] / DOMINANCE_REACH) ** 2)) + 1e-9
    return (weights * targets).sum(axis=1) / weights.sum(axis=1)


def lip_gap(motion: np.ndarray, speaker: Speaker) -> np.ndarray:
    """Return rise of the upper and fall of the lower lip, (frames, 2) in half mouth widths."""
    jaw, _, _, upper, lower, close, tuck, _, _ = motion.T
    apart = 1 - np.clip((close - 0.25) / 0.45, 0, 1)
    rise = 0.11 * upper + 0.06 * jaw + 0.3 * speaker.parted
    fall = JAW_DROP * jaw + 0.13 * lower + 0.7 * speaker.parted
    touch = np.clip(tuck, 0, 1)
    gap = np.stack([rise + 0.04 * touch, fall * (1 - touch) + 0.01 * touch], axis=1)
    return apart[:, None] * np.maximum(gap, 0)
