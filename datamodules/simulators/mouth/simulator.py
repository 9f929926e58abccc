"""Clips of simulated speakers."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datamodules.simulators.mouth.articulation import articulate_word
from datamodules.simulators.mouth.camera import photograph_faces
from datamodules.simulators.mouth.canvas import Canvas
from datamodules.simulators.mouth.drawing import draw_faces
from datamodules.simulators.mouth.speakers import make_speaker
from datamodules.simulators.mouth.visemes import DEFAULT_WORDS, visemes_of


@dataclass(frozen=True)
class MouthSimulator:
    """Simulated speakers who silently speak the words of a vocabulary.

    Args:
        speakers: simulated people, each with lips, teeth, habits, a light and a camera.
        samples_per_class: clips of every word and speaker.
        vocabulary: words and phrases of the pronouncing table.
        fps: frames per second.
        height, width: of a frame, pixels.
        noise: 1 for about the noise of a webcam; 0 for no grain and no head motion, so that all
            clips of a speaker's word are the same.
        seed: seed of all speakers.
    """

    speakers: int = 40
    samples_per_class: int = 5
    vocabulary: Sequence[str] = DEFAULT_WORDS
    fps: float = 25.0
    height: int = 64
    width: int = 96
    noise: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for word in self.vocabulary:
            visemes_of(word)

    def simulate_speaker(self, index: int) -> list[tuple[str, np.ndarray]]:
        """Return (label, frames (T, height, width) uint8) of the clips of a speaker.

        A clip depends only on the settings, the index, its word and its number.
        """
        if not 0 <= index < self.speakers:
            raise ValueError(f"speaker {index} is not one of the {self.speakers} simulated ones")
        speaker = make_speaker(np.random.default_rng([self.seed, index]))
        canvas = Canvas(speaker, self.height, self.width)
        return [
            (word, self._render_clip(word, canvas, np.random.default_rng(seeds)))
            for word in self.vocabulary
            for number in range(self.samples_per_class)
            for seeds in [[self.seed, index, zlib.crc32(word.encode()), number]]
        ]

    def _render_clip(self, word: str, canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
        motion = articulate_word(word, canvas.speaker, rng, self.fps, self.noise)
        return photograph_faces(draw_faces(motion, canvas), canvas, rng, self.fps, self.noise)
