"""Captured recordings of signs and words before a camera."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Capture:
    """One recording of a sign or word.

    Attributes:
        clips: arrays (T, *frame_shape), as a prepared set stores them; a held sign has several.
        image: a drawing of the landmarks or mouths, (H, W, 3) uint8 RGB; no face.
    """

    clips: tuple[np.ndarray, ...] = field(repr=False)
    image: np.ndarray = field(repr=False)


class Capturer(Protocol):
    """Finds one recording after the other in the images of a camera.

    Attributes:
        is_visible: whether the last image shows a hand or face.
    """

    is_visible: bool

    def restart(self, is_new_class: bool = False) -> None:
        """Drop the frames so far: the next recording, maybe of another class, begins here."""
        ...

    def push(self, image: np.ndarray, seconds: float) -> Capture | None:
        """Read an image (H, W, 3) uint8 RGB; return the recording that it completes."""
        ...
