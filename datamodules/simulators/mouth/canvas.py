"""The parts of a face that do not move, and the pixels that they are drawn on.

Coordinates are x to the viewer's right and y down, both in half mouth widths (about 25 mm), with
the origin between the lips at rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from datamodules.simulators.mouth.speakers import Pair, Speaker

CANVAS_MARGIN = 1.25  # size of the canvas relative to the image, so that the head can move


@dataclass(frozen=True)
class Canvas:
    """A grid of pixels about the mouth, a bit larger than the image."""

    speaker: Speaker
    height: int
    width: int

    @cached_property
    def unit(self) -> float:
        """Pixels of half a mouth width."""
        return self.speaker.framing * self.width / 2

    @cached_property
    def x(self) -> np.ndarray:
        """Positions (columns,) across the face, foreshortened on one side of a turned head."""
        count = round(CANVAS_MARGIN * self.width)
        seen = (np.arange(count) - (count - 1) / 2) / self.unit
        turned = (seen + 0.2 * np.sin(self.speaker.yaw) * seen**2) / np.cos(self.speaker.yaw)
        return turned.astype(np.float32)

    @cached_property
    def y(self) -> np.ndarray:
        """Positions (rows, 1) down the face."""
        count = round(CANVAS_MARGIN * self.height)
        places = (np.arange(count) - (count - 1) / 2) / self.unit
        return places.astype(np.float32)[:, None]

    def soft_edge(self, distance: np.ndarray) -> np.ndarray:
        """Return the share of a pixel inside an edge ``distance`` away (half mouth widths)."""
        return np.clip(distance * np.float32(0.8 * self.unit) + np.float32(0.5), 0, 1)

    @cached_property
    def skin(self) -> np.ndarray:
        """Grey (rows, columns) of the face without the lips."""
        person, x, y = self.speaker, self.x, self.y
        rng = np.random.default_rng(person.texture)
        shape = (len(y), len(x))
        fold, hair = person.folds, rng.standard_normal(shape).astype(np.float32)
        grey = person.skin * (1 + 0.05 * cv2.GaussianBlur(hair, (0, 0), 1.5))
        for (place, spread), depth in _list_shadows(person).items():
            grey = grey * (1 - depth * fold * _draw_spot(np.abs(x), y, place, spread))
        beard = self._grow_beard() * np.clip(0.75 + 0.2 * hair, 0, 1)
        grey = grey + beard * (0.08 - grey)
        neck = self.soft_edge(0.3 * (y - person.chin - 0.12 * (1 - x**2)))
        grey = grey * (1 - 0.45 * neck)
        edge = self.soft_edge(0.5 * (np.abs(x) - person.cheek + 0.08 * np.maximum(y, 0) ** 2))
        return (grey + edge * (person.ground - grey)).astype(np.float32)

    def _grow_beard(self) -> np.ndarray:
        """Return the cover of the skin by hair, (rows, columns) from 0 to 1."""
        moustache, chin = self.speaker.beard
        above = _draw_spot(self.x, self.y, (0, -0.5), (0.85, 0.26))
        below = _draw_spot(self.x, self.y, (0, 1.4), (1.3, 0.6))
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


def _draw_spot(x: np.ndarray, y: np.ndarray, place: Pair, spread: Pair) -> np.ndarray:
    """Return a soft patch (rows, columns) of height 1 at ``place``."""
    across, down = (x - place[0]) / spread[0], (y - place[1]) / spread[1]
    return np.exp(-(across**2)) * np.exp(-(down**2))


def _list_shadows(person: Speaker) -> dict[tuple[Pair, Pair], float]:
    """Return place, spread and depth of the shadows of nose, philtrum and chin."""
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
