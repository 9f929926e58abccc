"""A simulated mouth that speaks words, seen as the grey-level crop of a lip-reading camera.

Mouth frame: x to the viewer's right, y down, both in half mouth widths (about 25 mm), the origin
between the lips at rest. Incisor, nose and chin places follow the usual proportions of the lower
face (Farkas, "Anthropometry of the Head and Face", 1994), rounded by hand.

Phonemes that look alike share a viseme (Fisher, "Confusions among visually perceived consonants",
J. Speech Hear. Res. 11, 1968; Jeffers and Barley, "Speechreading", 1971; the MPEG-4 visemes), so
"pat", "bat" and "mat" are the same picture. Visemes blend by dominance functions (Cohen and
Massaro, "Modeling coarticulation in synthetic visual speech", 1993). Targets are set by hand.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from datamodules.simulators.phonemes import GLIDES, PRONUNCIATIONS

DEFAULT = ("doctor", "i_need_to_move", "my_mouth_is_dry", "pillow")

_SPOKEN = [word for word in PRONUNCIATIONS if word not in DEFAULT and len(word) > 1]
_NAMES = [word for word in PRONUNCIATIONS if len(word) == 1]
WORDS: tuple[str, ...] = (*DEFAULT, *_SPOKEN, *_NAMES)


def words() -> tuple[str, ...]:
    """Every word and phrase that the pronouncing table knows, always in the same order."""
    return WORDS


def words_of(count: int) -> tuple[str, ...]:
    """The first ``count`` of ``words()``: a vocabulary of that size."""
    if not 0 < count <= len(WORDS):
        raise ValueError(f"no vocabulary of {count} words: the pronouncing table has {len(WORDS)}")
    return WORDS[:count]


# What moves. Each is about 0 at rest and 1 at its strongest in ordinary speech: the jaw's drop,
# corners drawn apart, lips rounded and pushed out, upper lip raised, lower lip lowered against
# the jaw, lips pressed together, lower lip under the upper teeth, tongue tip raised, tongue tip
# between the teeth.
CHANNELS = ("jaw", "spread", "round", "upper", "lower", "close", "tuck", "tongue", "thrust")
# Dominance of a viseme over channels it says nothing of: it keeps lips apart, but lets its
# neighbours shape them.
SLACK = np.array([0.3, 0.25, 0.25, 0.3, 0.3, 1.0, 1.0, 0.4, 1.0])
# Reach of a viseme's dominance in its own durations: rounding spreads far, contacts are short.
REACH = np.array([0.75, 0.9, 1.2, 0.8, 0.8, 0.5, 0.55, 0.6, 0.55])
SKILL = np.array([1, 1, 1, 1, 1, 0.1, 0.1, 0.4, 0.2])  # share of habits and effort in a channel


@dataclass(frozen=True)
class Viseme:
    """Phonemes that look alike, their usual seconds, and targets by channel.

    A viseme holds the channels it names with dominance 1, and the ``firm`` one with 5.
    """

    phonemes: str
    seconds: float
    targets: dict[str, float]
    firm: str = ""


VISEMES = (
    Viseme("sil", 0.2, dict.fromkeys(CHANNELS, 0.0)),
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
GLIDE_SHARE = 0.7  # of its own duration that each half of a diphthong takes
VISEME_OF = {phone: k for k, viseme in enumerate(VISEMES) for phone in viseme.phonemes.split()}
SECONDS = np.array([viseme.seconds for viseme in VISEMES])
TARGETS = np.array([[v.targets.get(name, 0.0) for name in CHANNELS] for v in VISEMES])
DOMINANCE = np.array(
    [
        [5.0 if name == v.firm else 1.0 if name in v.targets else slack
         for name, slack in zip(CHANNELS, SLACK, strict=True)]
        for v in VISEMES
    ]
)  # fmt: skip

MARGIN = 1.25  # size of the canvas by that of the picture, so that the head can move
JAW_DROP = 0.62  # half mouth widths between the incisors at jaw 1
CAVITY = 0.05  # grey of the throat under full light

Pair = tuple[float, float]


@dataclass(frozen=True)
class Speaker:
    """One speaker: lengths in half mouth widths, greys from 0 (black) to 1 (white)."""

    pace: float  # durations by the usual ones
    effort: np.ndarray  # (channels,) movements by the usual ones
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
    framing: float  # mouth width by picture width
    place: Pair  # of the mouth from the middle, by picture width and height
    restless: float  # head motion by the usual one
    detail: float  # camera pixels by picture pixels
    blur: float  # picture pixels
    grain: float  # noise of the camera, grey
    quality: int  # of its JPEG pictures
    contrast: float
    brightness: float
    gamma: float
    texture: int  # seed of pores, hair and teeth


def make_speaker(rng: np.random.Generator) -> Speaker:
    """Draw one speaker."""
    uniform, normal = rng.uniform, rng.standard_normal
    effort = np.exp(0.2 * normal() + 0.15 * normal(len(CHANNELS)))
    skin = float(np.exp(uniform(np.log(0.2), np.log(0.75))))
    bearded = rng.random() < 0.3
    return Speaker(
        pace=float(np.exp(0.15 * normal())),
        effort=1 + SKILL * (effort - 1),
        habits=0.06 * SKILL * (normal((len(VISEMES), len(CHANNELS))) + normal(len(CHANNELS))),
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
        beard=(float(uniform(0.2, 0.9)) * bearded, float(uniform(0.0, 0.8)) * bearded),
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


def visemes_of(word: str) -> list[int]:
    """Rows of ``VISEMES`` that a word runs through, with the rest before and after it."""
    if word not in PRONUNCIATIONS:
        raise ValueError(
            f"cannot say {word!r}: the pronouncing table knows {len(PRONUNCIATIONS)} words; "
            "add its phonemes to a table in phonemes.py beside datamodules/simulators/mouth.py"
        )
    phones = [part for phone in PRONUNCIATIONS[word] for part in GLIDES.get(phone, (phone,))]
    return [VISEME_OF[phone] for phone in ("sil", *phones, "sil")]


def _usual_seconds(word: str) -> np.ndarray:
    """Seconds of each segment of a word, the last phoneme drawn out as before a pause."""
    shares = [[GLIDE_SHARE] * 2 if phone in GLIDES else [1.0] for phone in PRONUNCIATIONS[word]]
    shares[-1] = [1.3 * share for share in shares[-1]]
    return SECONDS[visemes_of(word)] * [1.0, *(s for pair in shares for s in pair), 1.0]


def articulate(
    word: str, speaker: Speaker, rng: np.random.Generator, rate: float = 25.0, noise: float = 1.0
) -> np.ndarray:
    """Track (frames, channels) of a word said once; ``CHANNELS`` names its columns."""
    rows = np.array(visemes_of(word))
    tempo = speaker.pace * np.exp(noise * 0.08 * rng.standard_normal())
    seconds = tempo * _usual_seconds(word)
    seconds *= np.exp(noise * 0.15 * rng.standard_normal(len(rows)))
    seconds[[0, -1]] *= 1 + noise * rng.uniform(-0.8, 0.8, 2)  # a crop begins and ends anywhere
    slips = noise * 0.06 * SKILL * rng.standard_normal((len(rows), len(CHANNELS)))
    vigour = 1 + SKILL * (np.exp(noise * 0.1 * rng.standard_normal()) - 1)
    targets = vigour * speaker.effort * TARGETS[rows] + speaker.habits[rows] + slips
    targets[[0, -1]] *= 0.5  # at rest people differ less
    frames = max(2, round(float(seconds.sum()) * rate))
    times = (np.arange(frames)[:, None] + [0.3, 0.5, 0.7]) / rate  # the shutter is open a while
    return _blend(times.ravel(), seconds, targets, rows).reshape(frames, 3, -1).mean(axis=1)


def _blend(
    times: np.ndarray, seconds: np.ndarray, targets: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """Targets (segments, channels) weighed by dominance at each of ``times``: (times, channels)."""
    centres = np.cumsum(seconds) - seconds / 2
    away = (times[:, None] - centres) / seconds
    # Cohen and Massaro's dominance with exponent 2, so that movements have no corners; the floor
    # keeps the quotient defined where all are far.
    weights = DOMINANCE[rows] * np.exp(-((away[..., None] / REACH) ** 2)) + 1e-9
    return (weights * targets).sum(axis=1) / weights.sum(axis=1)


def lip_gap(track: np.ndarray, speaker: Speaker) -> np.ndarray:
    """Rise of the upper lip and fall of the lower one, (frames, 2) in half mouth widths."""
    jaw, _, _, upper, lower, close, tuck, _, _ = track.T
    apart = 1 - np.clip((close - 0.25) / 0.45, 0, 1)
    rise = 0.11 * upper + 0.06 * jaw + 0.3 * speaker.parted
    fall = JAW_DROP * jaw + 0.13 * lower + 0.7 * speaker.parted
    touch = np.clip(tuck, 0, 1)
    gap = np.stack([rise + 0.04 * touch, fall * (1 - touch) + 0.01 * touch], axis=1)
    return apart[:, None] * np.maximum(gap, 0)


@dataclass(frozen=True)
class Canvas:
    """A grid of pixels about the mouth, a bit larger than the picture."""

    speaker: Speaker
    height: int
    width: int

    @cached_property
    def unit(self) -> float:
        """Pixels of half a mouth width."""
        return self.speaker.framing * self.width / 2

    @cached_property
    def x(self) -> np.ndarray:
        """Places (columns,) across the face, which a turned head foreshortens on one side."""
        count = round(MARGIN * self.width)
        seen = (np.arange(count) - (count - 1) / 2) / self.unit
        turned = (seen + 0.2 * np.sin(self.speaker.yaw) * seen**2) / np.cos(self.speaker.yaw)
        return turned.astype(np.float32)

    @cached_property
    def y(self) -> np.ndarray:
        """Places (rows, 1) down the face."""
        count = round(MARGIN * self.height)
        places = (np.arange(count) - (count - 1) / 2) / self.unit
        return places.astype(np.float32)[:, None]

    def soft(self, distance: np.ndarray) -> np.ndarray:
        """Share of a pixel inside an edge ``distance`` away (half mouth widths)."""
        return np.clip(distance * np.float32(0.8 * self.unit) + np.float32(0.5), 0, 1)

    @cached_property
    def skin(self) -> np.ndarray:
        """Grey (rows, columns) of the face without the lips."""
        person, x, y = self.speaker, self.x, self.y
        rng = np.random.default_rng(person.texture)
        shape = (len(y), len(x))
        fold, hair = person.folds, rng.standard_normal(shape).astype(np.float32)
        grey = person.skin * (1 + 0.05 * cv2.GaussianBlur(hair, (0, 0), 1.5))
        for (place, spread), depth in _shadows(person).items():
            grey = grey * (1 - depth * fold * _spot(np.abs(x), y, place, spread))
        beard = self._beard() * np.clip(0.75 + 0.2 * hair, 0, 1)
        grey = grey + beard * (0.08 - grey)
        neck = self.soft(0.3 * (y - person.chin - 0.12 * (1 - x**2)))
        grey = grey * (1 - 0.45 * neck)
        edge = self.soft(0.5 * (np.abs(x) - person.cheek + 0.08 * np.maximum(y, 0) ** 2))
        return (grey + edge * (person.ground - grey)).astype(np.float32)

    def _beard(self) -> np.ndarray:
        """How much hair covers the skin, (rows, columns) from 0 to 1."""
        moustache, chin = self.speaker.beard
        above = _spot(self.x, self.y, (0, -0.5), (0.85, 0.26))
        below = _spot(self.x, self.y, (0, 1.4), (1.3, 0.6))
        return np.clip(1.3 * moustache * above + 1.1 * chin * below, 0, 0.95)

    @cached_property
    def folds(self) -> np.ndarray:
        """The lines from nose to mouth corners that a spread mouth deepens, (rows, columns)."""
        line = np.abs(self.x) - 1.2 - 0.25 * self.y
        return np.exp(-((line / 0.12) ** 2)) * np.exp(-(((self.y + 0.2) / 0.5) ** 2))

    @cached_property
    def light(self) -> np.ndarray:
        """Light (rows, columns): the face turns away from the camera, the lamp is to a side."""
        across, down = self.speaker.light
        round_face = 1 - 0.05 * self.x**2
        return np.clip(round_face + across * self.x + down * self.y, 0.15, 1.6).astype(np.float32)

    @cached_property
    def grooves(self) -> np.ndarray:
        """Wrinkles of the lips, (columns,) about 1."""
        rng = np.random.default_rng([self.speaker.texture, 1])
        return (1 + 0.04 * rng.standard_normal(len(self.x))).astype(np.float32)

    @cached_property
    def teeth(self) -> np.ndarray:
        """Grey (columns,) of the teeth: gaps between them, and the side ones lie in the dark."""
        gaps = 1 - 0.3 * np.abs(np.cos(np.pi * self.x / 0.3 + np.pi / 2)) ** 8
        row = np.clip(1.15 - np.abs(self.x / 0.72) ** 3, 0.12, 1)
        between = 1 - 0.3 * np.abs(np.cos(np.pi * self.x / 0.31)) ** 10
        return (self.speaker.teeth * np.minimum(gaps, between) * row).astype(np.float32)


def _spot(x: np.ndarray, y: np.ndarray, place: Pair, spread: Pair) -> np.ndarray:
    """A soft patch (rows, columns) of height 1 at ``place``."""
    across, down = (x - place[0]) / spread[0], (y - place[1]) / spread[1]
    return np.exp(-(across**2)) * np.exp(-(down**2))


def _shadows(person: Speaker) -> dict[tuple[Pair, Pair], float]:
    """Depth of the shadows of nose, nostrils, philtrum and chin, alike on both sides."""
    nose = person.nose
    return {
        ((0.0, nose), (0.5, 0.13)): 0.5,
        ((0.27, nose - 0.12), (0.17, 0.1)): 1.3,
        ((0.6, nose - 0.15), (0.12, 0.2)): 0.5,
        ((0.0, nose - 0.45), (0.35, 0.2)): -0.25,
        ((0.0, nose / 2 - 0.1), (0.1, 0.25)): 0.35,
        ((0.17, nose / 2 - 0.1), (0.08, 0.25)): -0.15,
        ((0.0, 0.62), (0.6, 0.13)): 0.45,
        ((0.0, 1.2), (0.6, 0.35)): -0.25,
        ((1.2, 0.1), (0.2, 0.3)): 0.2,
    }


@dataclass(frozen=True)
class Lips:
    """Heights of the lips' edges by column, each (frames, 1, columns), from above to below."""

    top: np.ndarray
    upper: np.ndarray
    lower: np.ndarray
    bottom: np.ndarray
    within: np.ndarray  # how far a column lies between the corners, 0 to 1


def lip_edges(track: np.ndarray, canvas: Canvas) -> Lips:
    """The four edges of the lips in every frame."""
    person, x = canvas.speaker, canvas.x
    moves = dict(zip(CHANNELS, track.T[..., None], strict=True))
    rise, fall = lip_gap(track, person).T[..., None]
    press, pout = np.clip(moves["close"], 0, 1), np.clip(moves["round"], 0, 1.2)
    half = 1 + 0.15 * moves["spread"] - 0.34 * moves["round"] - 0.05 * moves["jaw"]
    s = x / half
    inside = np.clip(1 - s**2, 0, 1)
    # Stretched lips are arcs, rounded ones ellipses.
    arch = inside ** np.clip(0.95 - 0.4 * pout, 0.4, 1)
    line = person.curl * s**2 + person.slant * s + 0.03 * np.exp(-((s / 0.3) ** 2))
    swell = 1 - 0.12 * moves["spread"] + 0.18 * pout - 0.4 * press
    above = person.thickness[0] * swell * (1 - 0.15 * rise / 0.2)
    below = person.thickness[1] * swell * (1 - 0.45 * np.clip(moves["tuck"], 0, 1))
    dip = 1 - person.bow * (1 - 0.7 * pout) * np.exp(-((s / 0.16) ** 2))
    upper, lower = line - rise * arch, line + fall * arch
    top, bottom = upper - above * dip * inside**0.8, lower + below * inside**0.65
    within = canvas.soft(half + 0.04 - np.abs(x))
    edges = (top, upper, lower, bottom, within)
    return Lips(*(edge[:, None].astype(np.float32) for edge in edges))


def draw(track: np.ndarray, canvas: Canvas) -> np.ndarray:
    """Faces (frames, rows, columns) float32 under the lamp, before the camera."""
    track = track.astype(np.float32)
    lips = lip_edges(track, canvas)
    face = _face(track, canvas)
    band = _rows(canvas.y, lips.top.min() - 0.1, lips.bottom.max() + 0.35)
    y, part = canvas.y[band], face[:, band]
    _shade_below(part, y, lips, track, canvas)
    # The lower lip's edge is the blurred one: it has no ridge like the upper lip's.
    cover = canvas.soft(y - lips.top) * canvas.soft(0.35 * (lips.bottom - y)) * lips.within
    part += cover * (_lip_grey(y, lips, canvas) - part)
    part *= 1 - np.float32(0.55) * _crease(y, lips) * lips.within
    inner = _rows(y, lips.upper.min() - 0.06, lips.lower.max() + 0.06)
    _draw_inside(part[:, inner], y[inner], lips, track, canvas)
    return face * canvas.light


def _rows(y: np.ndarray, low: float, high: float) -> slice:
    """The rows between two heights: only they are drawn anew in every frame."""
    first, last = np.searchsorted(y[:, 0], [low, high])
    return slice(max(first - 1, 0), last + 1)


def _face(track: np.ndarray, canvas: Canvas) -> np.ndarray:
    """Skin (frames, rows, columns): what lies below the mouth goes down with the jaw."""
    y, skin = canvas.y[:, 0], canvas.skin
    ramp = np.clip(y / 0.9, 0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    drop = JAW_DROP * canvas.unit * np.clip(track[:, :1], 0, None)
    source = np.clip(np.arange(len(y)) - drop * ramp, 0, len(y) - 1.001)
    first = source.astype(int)
    share = (source - first).astype(np.float32)[..., None]
    face = skin[first] * (1 - share) + skin[first + 1] * share
    deep = 0.25 * canvas.speaker.folds * (0.5 + track[:, 1] - 0.5 * track[:, 2])
    face *= 1 - deep.astype(np.float32)[:, None, None] * canvas.folds
    return face


def _shade_below(
    part: np.ndarray, y: np.ndarray, lips: Lips, track: np.ndarray, canvas: Canvas
) -> None:
    """Lay the shadow of the lower lip, deeper where it is pushed out, on ``part``."""
    away = np.clip(1 - np.abs(y - lips.bottom - 0.08) * np.float32(1 / 0.2), 0, 1)
    depth = canvas.speaker.folds * np.clip(0.35 + 0.4 * track[:, 2], 0.1, 0.8)
    part *= 1 - depth.astype(np.float32)[:, None, None] * away * away * lips.within


def _lip_grey(y: np.ndarray, lips: Lips, canvas: Canvas) -> np.ndarray:
    """Grey of the lips: the upper one darkens inwards, the lower one shines in its middle."""
    person = canvas.speaker
    thin = np.float32(0.02)
    above = np.clip((lips.upper - y) / (lips.upper - lips.top + thin), 0, 1)
    below = np.clip((y - lips.lower) / (lips.bottom - lips.lower + thin), 0, 1)
    upper, lower = (np.float32(person.skin * share) * canvas.grooves for share in person.lips)
    shine = np.float32(4 * person.gloss) * below * (1 - below)
    return np.where(
        y < (lips.upper + lips.lower) / 2,
        upper * (np.float32(0.72) + np.float32(0.28) * above),
        lower * (np.float32(0.9) + shine),
    )


def _crease(y: np.ndarray, lips: Lips) -> np.ndarray:
    """The dark line (frames, rows, columns) where the lips roll inwards, from 0 to 1."""
    away = np.maximum(lips.upper - y, y - lips.lower)  # negative between the lips
    line = np.clip(1 - away * np.float32(1 / 0.09), 0, 1)
    return line * line


def _draw_inside(
    part: np.ndarray, y: np.ndarray, lips: Lips, track: np.ndarray, canvas: Canvas
) -> None:
    """Lay what is seen between the lips on ``part``: throat, tongue, teeth."""
    hole = canvas.soft(y - lips.upper) * canvas.soft(lips.lower - y) * lips.within
    part += hole * (_inside_grey(y, lips, track, canvas) - part)


def _inside_grey(y: np.ndarray, lips: Lips, track: np.ndarray, canvas: Canvas) -> np.ndarray:
    """Grey (frames, rows, columns) behind the lips."""
    person, x2 = canvas.speaker, canvas.x**2
    jaw, raised, thrust = (np.clip(track[:, [k], None], 0, 1.2) for k in (0, 7, 8))
    upper_edge = np.float32(person.incisors[0]) - np.float32(0.1) * x2
    lower_edge = JAW_DROP * jaw + person.incisors[1] + np.float32(0.1) * x2
    height = 0.2 * jaw + raised * (0.1 + 0.4 * jaw) + 0.1 * thrust - 0.04
    tongue = canvas.soft(y - lower_edge + height - np.float32(0.6) * x2)
    teeth = np.maximum(canvas.soft(upper_edge - y), canvas.soft(y - lower_edge))
    teeth = teeth * (1 - np.clip(thrust, 0, 1) * tongue)
    flesh = 0.5 * person.skin * (0.55 + 0.6 * np.maximum(raised, thrust))  # it lies in the dark
    grey = CAVITY + tongue * (flesh - CAVITY)
    grey = grey + teeth * (canvas.teeth - grey)
    # The upper lip keeps the light off what lies right under it.
    lit = np.clip((y - lips.upper) * np.float32(1 / 0.12), 0, 1)
    return grey * (np.float32(0.55) + np.float32(0.45) * lit)


def _head_motion(
    frames: int, rate: float, speaker: Speaker, rng: np.random.Generator, noise: float
) -> np.ndarray:
    """Where the head is, (frames, 4): x and y by picture size, roll in radians, log scale."""
    amounts = np.array([0.012, 0.015, 0.02, 0.02]) * speaker.restless
    start, pace = rng.uniform(0, 2 * np.pi, 4), rng.uniform(0.2, 0.9, 4)  # Hz
    sway = amounts * np.sin(start + 2 * np.pi * pace * np.arange(frames)[:, None] / rate)
    offset = np.array([0.02, 0.025, 0.015, 0.04]) * rng.standard_normal(4)
    jitter = np.array([0.003, 0.004, 0.002, 0.004]) * rng.standard_normal((frames, 4))
    return [*speaker.place, speaker.roll, 0] + noise * (sway + offset + jitter)


def photograph(
    faces: np.ndarray,
    canvas: Canvas,
    rng: np.random.Generator,
    rate: float = 25.0,
    noise: float = 1.0,
) -> np.ndarray:
    """Faces (frames, rows, columns) to pictures (frames, height, width) uint8 of one camera."""
    person, size = canvas.speaker, (canvas.width, canvas.height)
    camera = tuple(max(8, round(person.detail * side)) for side in size)
    views = _views(_head_motion(len(faces), rate, person, rng, noise), canvas, camera)
    exposure = 1 + noise * 0.04 * rng.standard_normal()
    grain = rng.standard_normal((len(faces), camera[1], camera[0]), dtype=np.float32)
    pictures = np.empty((len(faces), canvas.height, canvas.width), np.uint8)
    for k, face in enumerate(faces):
        soft = cv2.GaussianBlur(face, (0, 0), person.blur)
        seen = cv2.warpAffine(soft, views[k], camera, borderMode=cv2.BORDER_REFLECT_101)
        grey = _develop(seen * np.float32(exposure), person)
        grey += np.float32(255 * noise * person.grain) * grain[k]
        pictures[k] = cv2.resize(_compress(grey, person.quality), size)
    return pictures


def _views(motion: np.ndarray, canvas: Canvas, camera: tuple[int, ...]) -> np.ndarray:
    """The maps (frames, 2, 3) from canvas pixels to camera pixels."""
    roll = motion[:, 2]
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    shrink = np.array([[camera[0] / canvas.width], [camera[1] / canvas.height]])
    turn = shrink * (np.exp(motion[:, 3]) * turn).transpose(2, 0, 1)
    middle = np.array([len(canvas.x) - 1, len(canvas.y) - 1]) / 2
    target = (np.array(camera) - 1) / 2 + motion[:, :2] * camera
    return np.concatenate([turn, (target - turn @ middle)[..., None]], axis=2)


def _develop(seen: np.ndarray, person: Speaker) -> np.ndarray:
    """Light to grey levels from 0 to 255 by the camera's curve, float32."""
    curve = cv2.pow(np.maximum(seen, 0), person.gamma)
    return np.float32(255) * (np.float32(person.brightness) + np.float32(person.contrast) * curve)


def _compress(grey: np.ndarray, quality: int) -> np.ndarray:
    """The picture as it comes back from a JPEG file."""
    whole = np.clip(grey, 0, 255).astype(np.uint8)
    _, packed = cv2.imencode(".jpg", whole, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE)


@dataclass(frozen=True)
class MouthSimulator:
    """Simulated speakers who say the words of a vocabulary without a voice.

    ``speakers`` people, each with lips, teeth, habits, a light and a camera, say every word of
    ``vocabulary`` ``samples_per_class`` times; a clip is ``rate`` Hz and as long as it takes.
    ``noise`` is 1 for about what a webcam shows and 0 for none: no grain, no head motion, and a
    speaker's clips of a word are then all the same.
    """

    speakers: int = 40
    samples_per_class: int = 5
    vocabulary: Sequence[str] = DEFAULT
    rate: float = 25.0
    height: int = 64
    width: int = 96
    noise: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for word in self.vocabulary:
            visemes_of(word)

    def speaker(self, index: int) -> list[tuple[str, np.ndarray]]:
        """Clips of one speaker as (label, frames (T, height, width) uint8 grey).

        The same for the same seed and index, whatever other speakers and words are drawn.
        """
        if not 0 <= index < self.speakers:
            raise ValueError(f"speaker {index} is not one of the {self.speakers} simulated ones")
        person = make_speaker(np.random.default_rng([self.seed, index]))
        canvas = Canvas(person, self.height, self.width)
        return [
            (word, self._clip(word, canvas, np.random.default_rng([self.seed, index, key, number])))
            for word in self.vocabulary
            for key in [zlib.crc32(word.encode())]
            for number in range(self.samples_per_class)
        ]

    def _clip(self, word: str, canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
        track = articulate(word, canvas.speaker, rng, self.rate, self.noise)
        return photograph(draw(track, canvas), canvas, rng, self.rate, self.noise)
