"""Samples of simulated signers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datamodules.readers.asl.letters import LETTERS
from datamodules.simulators.hand.camera import detect_landmarks
from datamodules.simulators.hand.kinematics import place_joints
from datamodules.simulators.hand.rest import simulate_rest
from datamodules.simulators.hand.signers import Signer, make_signer
from unvoiced.streams.decisions import PAUSE_LABEL


def simulate_landmarks(
    labels: Sequence[str],
    signer: Signer,
    rng: np.random.Generator,
    frames: int = 1,
    fps: float = 30.0,
    noise: float = 1.0,
) -> np.ndarray:
    """Return landmarks (n, frames, 63) float32 of a signer, one sample per label."""
    classes = _encode_labels(labels)
    joints = place_joints(classes, signer, rng, frames, fps, noise)
    landmarks = detect_landmarks(joints, signer, rng, noise)
    landmarks[classes == LETTERS.index(PAUSE_LABEL)] = 0
    return landmarks.reshape(len(classes), frames, 63).astype(np.float32)


def _encode_labels(labels: Sequence[str]) -> np.ndarray:
    unknown = sorted(set(labels) - set(LETTERS))
    if unknown:
        raise ValueError(f"unknown class names {unknown}; expected some of {list(LETTERS)}")
    return np.array([LETTERS.index(name) for name in labels], dtype=int)


@dataclass(frozen=True)
class HandSimulator:
    """Simulated signers who spell the ASL alphabet.

    Args:
        signers: simulated people, each with proportions, habits, a hand and a camera.
        samples_per_class: samples of every class and signer.
        frames: frames of a sample.
        fps: frames per second.
        noise: 1 for about the errors of MediaPipe on a webcam; 0 for landmarks without errors and
            the same pose in all samples of a signer's letter. Size, position and the moment within
            J and Z still vary.
        seed: seed of all signers.
        classes: the classes to simulate.
        rest_share: share of the samples of ``nothing`` that show a slack hand; the others show
            none.
    """

    signers: int = 30
    samples_per_class: int = 20
    frames: int = 1
    fps: float = 30.0
    noise: float = 1.0
    seed: int = 0
    classes: tuple[str, ...] = LETTERS
    rest_share: float = 0.0

    def __post_init__(self) -> None:
        _encode_labels(self.classes)

    def simulate_signer(self, index: int) -> list[tuple[str, np.ndarray]]:
        """Return (label, landmarks (frames, 63) float32) of the samples of a signer.

        They depend only on the settings and the index, not on the number of signers.
        """
        if not 0 <= index < self.signers:
            raise ValueError(f"signer {index} is not one of the {self.signers} simulated signers")
        rng = np.random.default_rng([self.seed, index])
        labels = [name for name in self.classes for _ in range(self.samples_per_class)]
        signer = make_signer(rng)
        landmarks = simulate_landmarks(labels, signer, rng, self.frames, self.fps, self.noise)
        rows = np.flatnonzero(np.array(labels) == PAUSE_LABEL)
        rows = rows[: round(self.rest_share * len(rows))]
        if len(rows):  # drawn apart, so that the letters are those of another share
            rest_rng = np.random.default_rng([self.seed, index, 1])
            landmarks[rows] = simulate_rest(
                len(rows), signer, rest_rng, self.frames, self.fps, self.noise
            )
        return list(zip(labels, landmarks, strict=True))
