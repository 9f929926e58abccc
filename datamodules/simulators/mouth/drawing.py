"""Moving lips, teeth and tongue, drawn on a face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datamodules.simulators.mouth.articulation import JAW_DROP, lip_gap
from datamodules.simulators.mouth.canvas import Canvas
from datamodules.simulators.mouth.visemes import LIP_CHANNELS


@dataclass(frozen=True)
class Lips:
    """Heights of the lips' edges by column, each (frames, 1, columns), from above to below."""

    top: np.ndarray
    upper: np.ndarray
    lower: np.ndarray
    bottom: np.ndarray
    within: np.ndarray  # share of a column between the corners, 0 to 1


def lip_edges(motion: np.ndarray, canvas: Canvas) -> Lips:
    """Return the four edges of the lips in every frame."""
    person, x = canvas.speaker, canvas.x
    moves = dict(zip(LIP_CHANNELS, motion.T[..., None], strict=True))
    rise, fall = lip_gap(motion, person).T[..., None]
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
    within = canvas.soft_edge(half + 0.04 - np.abs(x))
    edges = (top, upper, lower, bottom, within)
    return Lips(*(edge[:, None].astype(np.float32) for edge in edges))


def draw_faces(motion: np.ndarray, canvas: Canvas) -> np.ndarray:
    """Return lit faces (frames, rows, columns) float32 before the camera."""
    motion = motion.astype(np.float32)
    lips = lip_edges(motion, canvas)
    face = _move_skin(motion, canvas)
    band = _select_rows(canvas.y, lips.top.min() - 0.1, lips.bottom.max() + 0.35)
    y, part = canvas.y[band], face[:, band]
    _shade_chin(part, y, lips, motion, canvas)
    # The lower lip's edge is the blurred one: it has no ridge like the upper lip's.
    cover = (
        canvas.soft_edge(y - lips.top) * canvas.soft_edge(0.35 * (lips.bottom - y)) * lips.within
    )
    part += cover * (_lip_grey(y, lips, canvas) - part)
    part *= 1 - np.float32(0.55) * _draw_crease(y, lips) * lips.within
    inner = _select_rows(y, lips.upper.min() - 0.06, lips.lower.max() + 0.06)
    _draw_inside(part[:, inner], y[inner], lips, motion, canvas)
    return face * canvas.light


def _select_rows(y: np.ndarray, low: float, high: float) -> slice:
    """Return the rows between two heights, which alone are drawn anew in every frame."""
    first, last = np.searchsorted(y[:, 0], [low, high])
    return slice(max(first - 1, 0), last + 1)


def _move_skin(motion: np.ndarray, canvas: Canvas) -> np.ndarray:
    """Return skin (frames, rows, columns): the part below the mouth follows the jaw."""
    y, skin = canvas.y[:, 0], canvas.skin
    ramp = np.clip(y / 0.9, 0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    drop = JAW_DROP * canvas.unit * np.clip(motion[:, :1], 0, None)
    source = np.clip(np.arange(len(y)) - drop * ramp, 0, len(y) - 1.001)
    first = source.astype(int)
    share = (source - first).astype(np.float32)[..., None]
    face = skin[first] * (1 - share) + skin[first + 1] * share
    deep = 0.25 * canvas.speaker.folds * (0.5 + motion[:, 1] - 0.5 * motion[:, 2])
    face *= 1 - deep.astype(np.float32)[:, None, None] * canvas.folds
    return face


def _shade_chin(
    part: np.ndarray, y: np.ndarray, lips: Lips, motion: np.ndarray, canvas: Canvas
) -> None:
    """Draw the shadow of the lower lip, deeper if it is pushed out, on ``part``."""
    away = np.clip(1 - np.abs(y - lips.bottom - 0.08) * np.float32(1 / 0.2), 0, 1)
    depth = canvas.speaker.folds * np.clip(0.35 + 0.4 * motion[:, 2], 0.1, 0.8)
    part *= 1 - depth.astype(np.float32)[:, None, None] * away * away * lips.within


def _lip_grey(y: np.ndarray, lips: Lips, canvas: Canvas) -> np.ndarray:
    """Return the lips' grey: the upper darkens inwards, the lower shines in its middle."""
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


def _draw_crease(y: np.ndarray, lips: Lips) -> np.ndarray:
    """Return the dark line where the lips roll inwards, (frames, rows, columns) from 0 to 1."""
    away = np.maximum(lips.upper - y, y - lips.lower)  # negative between the lips
    line = np.clip(1 - away * np.float32(1 / 0.09), 0, 1)
    return line * line


def _draw_inside(
    part: np.ndarray, y: np.ndarray, lips: Lips, motion: np.ndarray, canvas: Canvas
) -> None:
    """Draw throat, tongue and teeth between the lips on ``part``."""
    hole = canvas.soft_edge(y - lips.upper) * canvas.soft_edge(lips.lower - y) * lips.within
    part += hole * (_inside_grey(y, lips, motion, canvas) - part)


def _inside_grey(y: np.ndarray, lips: Lips, motion: np.ndarray, canvas: Canvas) -> np.ndarray:
    """Return the grey (frames, rows, columns) behind the lips."""
    person, x2 = canvas.speaker, canvas.x**2
    throat = 0.05  # its grey under full light
    jaw, raised, thrust = (np.clip(motion[:, [k], None], 0, 1.2) for k in (0, 7, 8))
    upper_edge = np.float32(person.incisors[0]) - np.float32(0.1) * x2
    lower_edge = JAW_DROP * jaw + person.incisors[1] + np.float32(0.1) * x2
    height = 0.2 * jaw + raised * (0.1 + 0.4 * jaw) + 0.1 * thrust - 0.04
    tongue = canvas.soft_edge(y - lower_edge + height - np.float32(0.6) * x2)
    teeth = np.maximum(canvas.soft_edge(upper_edge - y), canvas.soft_edge(y - lower_edge))
    teeth = teeth * (1 - np.clip(thrust, 0, 1) * tongue)
    flesh = 0.5 * person.skin * (0.55 + 0.6 * np.maximum(raised, thrust))  # in the dark
    grey = throat + tongue * (flesh - throat)
    grey = grey + teeth * (canvas.teeth - grey)
    # The upper lip shades the part right under it.
    lit = np.clip((y - lips.upper) * np.float32(1 / 0.12), 0, 1)
    return grey * (np.float32(0.55) + np.float32(0.45) * lit)
