"""Simulated speakers: their mouths, faces, light and cameras.

Incisor, nose and chin positions follow the usual proportions of the lower face (Farkas,
"Anthropometry of the Head and Face", 1994), rounded by hand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datamodules.simulators.mouth.visemes import LIP_CHANNELS, VISEMES

# Share of habits and effort in a channel: contacts of lips and tongue vary little.
HABIT_SHARE = np.array([1, 1, 1, 1, 1, 0.1, 0.1, 0.4, 0.2])

Pair = tuple[float, float]


@dataclass(frozen=True)
class Speaker:
    """A speaker: lengths in half mouth widths, greys from 0 (black) to 1 (white)."""

    pace: float  # durations relative to the usual ones
    effort: np.ndarray  # (channels,) movements relative to the usual ones
    habits: np.ndarray  # (visemes, channels) added to targets
    parted: float  # gap between the lips at rest
    thickness: Pair  # of upper and lower lip
    bow: float  # depth of Cupid's bow
    curl: float  # how much lower the corners are than the middle
    slant: float  # rise of one corner over the other
    incisors: Pair  # edges of upper and lower teeth, jaw closed
    teeth: float  # grey
    skin: float
    lips: Pair  # upper and lower lip by skin
    gloss: float  # highlight on the lower lip
    folds: float  # depth of shadows in the face
    beard: Pair  # moustache, chin
    nose: float  # y of its base
    chin: float  # y of its edge
    cheek: float  # x of the face's edge
    ground: float  # grey behind the face
    light: Pair  # gradient of the light across and down, by half mouth width
    yaw: float  # radians
    roll: float  # radians
    framing: float  # mouth width by image width
    place: Pair  # of the mouth from the middle, by image width and height
    restless: float  # head motion relative to the usual one
    detail: float  # camera pixels by image pixels
    blur: float  # image pixels
    grain: float  # noise of the camera, grey
    quality: int  # of its JPEG images
    contrast: float
    brightness: float
    gamma: float
    texture: int  # seed of pores, hair and teeth


def make_speaker(rng: np.random.Generator) -> Speaker:
    """Draw a speaker."""
    uniform, normal = rng.uniform, rng.standard_normal
    effort = np.exp(0.2 * normal() + 0.15 * normal(len(LIP_CHANNELS)))
    skin = float(np.exp(uniform(np.log(0.2), np.log(0.75))))
    has_beard = rng.random() < 0.3
    return Speaker(
        pace=float(np.exp(0.15 * normal())),
        effort=1 + HABIT_SHARE * (effort - 1),
        habits=0.06
        * HABIT_SHARE
        * (normal((len(VISEMES), len(LIP_CHANNELS))) + normal(len(LIP_CHANNELS))),
        parted=max(0.0, 0.03 * normal()),
        thickness=(float(uniform(0.15, 0.38)), float(uniform(0.26, 0.48))),
        bow=float(uniform(0.05, 0.35)),
        curl=0.05 * normal(),
        slant=0.02 * normal(),
        incisors=(float(uniform(0.0, 0.15)), float(uniform(-0.03, 0.07))),
        teeth=float(uniform(0.5, 0.95)),
        skin=skin,
        lips=(float(uniform(0.45, 0.82)), float(uniform(0.62, 0.98))),
        gloss=float(uniform(0.05, 0.4)),
        folds=float(uniform(0.2, 0.7)),
        beard=(float(uniform(0.2, 0.9)) * has_beard, float(uniform(0.0, 0.8)) * has_beard),
        nose=float(uniform(-1.1, -0.8)),
        chin=float(uniform(1.6, 2.1)),
        cheek=float(uniform(1.8, 2.6)),
        ground=float(uniform(0.03, 0.9)),
        light=(0.13 * normal(), 0.08 * normal() - 0.05),
        yaw=0.15 * normal(),
        roll=0.04 * normal(),
        framing=float(uniform(0.44, 0.7)),
        place=(0.025 * normal(), 0.04 * normal() + 0.02),
        restless=float(np.exp(0.4 * normal())),
        detail=float(uniform(0.45, 1.0)),
        blur=float(uniform(0.3, 0.9)),
        grain=float(uniform(0.003, 0.016)),
        quality=int(rng.integers(55, 96)),
        contrast=float(uniform(0.6, 1.05)),
        brightness=float(uniform(-0.02, 0.15)),
        gamma=float(uniform(0.8, 1.25)),
        texture=int(rng.integers(2**31)),
    )
