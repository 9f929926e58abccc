"""Answers of a model, with the frames that it read."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from unvoiced.deprecations import former_name


@dataclass(frozen=True)
class Reading:
    """An answer.

    Attributes:
        label: the letter, word or text; empty if there was nothing to read.
        probability: of the label.
        top: the three best answers with their probabilities.
        annotated_image: the image with the hand or mouth marked, (H, W, 3) uint8 RGB; None for a
            signal.
        signal: the samples (T, C) that the network received; None for images.
        frames: (T, *frame_shape) as a prepared set stores them: landmarks, mouth crops, or EMG in
            µV; None if nothing was read.
    """

    label: str
    probability: float
    top: tuple[tuple[str, float], ...] = ()
    annotated_image: np.ndarray | None = field(default=None, repr=False)
    signal: np.ndarray | None = field(default=None, repr=False)
    frames: np.ndarray | None = field(default=None, repr=False)

    seen = former_name("annotated_image")

    def to_answer(self) -> Answer | None:
        """Return the data to correct this answer; None if there was no answer."""
        if self.frames is None:
            return None
        inputs = self.frames if self.signal is None else self.signal
        return Answer(self.label, self.frames, inputs)


@dataclass(frozen=True)
class Answer:
    """An answer that a person may correct.

    Attributes:
        label: the answer.
        frames: (T, *frame_shape) as a prepared set stores them.
        inputs: what ``Recognizer.embed`` takes: the frames, or a signal with scaled channels.
    """

    label: str
    frames: np.ndarray = field(repr=False)
    inputs: np.ndarray = field(repr=False)

    @property
    def num_bytes(self) -> int:
        """The memory that the frames take."""
        own = 0 if self.inputs is self.frames else self.inputs.nbytes
        return self.frames.nbytes + own


NO_READING = Reading("", 0.0)
