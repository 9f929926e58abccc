"""Simulated hands that rest, move or change between letters, and hands that hold letters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from datamodules.readers.asl.letters import LETTERS
from datamodules.silence.streams import RecordedStream, SpokenWord
from datamodules.simulators.hand.camera import detect_landmarks
from datamodules.simulators.hand.kinematics import place_joints
from datamodules.simulators.hand.rest import PoseRange, place_pose
from datamodules.simulators.hand.signers import Signer, make_signer
from unvoiced.live.cameras import LANDMARK_FPS
from unvoiced.streams.decisions import PAUSE_LABEL
from unvoiced.vision.skeleton import HAND_SIZE

STREAM_S, FPS = 30.0, LANDMARK_FPS
HOLD_S, CHANGE_S = (0.8, 1.2), (0.25, 0.5)  # seconds of a letter, and from one to the next
PASS_S = (0.0, 0.15)  # seconds without motion of a hand between letters
EMPTY_S = 0.6  # without a hand, after a recorded letter
RELAXED = PoseRange((30, 35, 20), 12, (0, 30, 0), 40)
SCRATCHING = PoseRange((40, 50, 30), 25, (0, 0, 0), 60)
READY = {"is_preprocessed": True}  # frames are landmarks
Keyframes = list[tuple[np.ndarray, float, float]]  # joints (21, 3), seconds held, seconds to next


class HandSilence:
    """Streams of hand landmarks (T, 63); of two hands, the second is absent.

    Args:
        classes: letters that the model knows.
        metadata: of the model: ``frame`` with ``shape``.
    """

    def __init__(self, classes: Sequence[str], metadata: dict[str, Any]) -> None:
        self.classes = [name for name in classes if name in LETTERS and name != PAUSE_LABEL]
        self.size = int(metadata["frame"]["shape"][0])

    def simulate_silence(self, seconds: float, seed: int) -> Iterator[RecordedStream]:
        """Yield streams of each kind of at least so many seconds, in which no letter is held."""
        kinds = {
            "resting hand": lambda *args: self._pose_freely(*args, RELAXED, (2.0, 6.0), (0.5, 1.5)),
            "scratching hand": lambda *args: self._pose_freely(
                *args, SCRATCHING, (0.0, 0.1), (0.1, 0.25)
            ),
            "hand between letters": lambda *args: self._spell(*args, PASS_S)[0],
        }
        for number in range(max(1, round(seconds / STREAM_S))):
            signer = make_signer(np.random.default_rng([seed, number]))
            for kind, pose in kinds.items():
                rng = np.random.default_rng([seed, number, len(kind)])
                yield self._film(kind, pose(signer, rng, min(seconds, STREAM_S)), signer, rng)
        yield RecordedStream("no hand", np.zeros((round(FPS * 5), self.size), np.float32), FPS,
                             settings=READY)  # fmt: skip

    def simulate_words(self, seconds: float, seed: int) -> Iterator[RecordedStream]:
        """Yield streams in which letters are held one after the other."""
        for number in range(max(1, round(seconds / STREAM_S)) if self.classes else 0):
            signer = make_signer(np.random.default_rng([seed, number]))
            rng = np.random.default_rng([seed, number])
            keyframes, words = self._spell(signer, rng, min(seconds, STREAM_S), HOLD_S)
            yield self._film("words", keyframes, signer, rng, words)

    def arrange_recording(self, label: str, frames: np.ndarray, kind: str) -> RecordedStream:
        """Return the frames (T, 63) of a sign as one hold, with no hand before and after it."""
        count = max(len(frames), round(sum(HOLD_S) / 2 * FPS))
        held = frames[np.arange(count) % len(frames)]
        empty = np.zeros((round(EMPTY_S * FPS), frames.shape[1]), np.float32)
        stream = np.concatenate([empty, held, empty]).astype(np.float32)
        spoken = SpokenWord(label, EMPTY_S, EMPTY_S + count / FPS)
        words = (spoken,) if label in self.classes else ()
        return RecordedStream(kind, stream, FPS, words, bool(label) and not words, False, READY)

    def _pose_freely(
        self,
        signer: Signer,
        rng: np.random.Generator,
        seconds: float,
        poses: PoseRange,
        held_s: tuple[float, float],
        change_s: tuple[float, float],
    ) -> Keyframes:
        """Return random poses of a hand around a mean pose."""
        keyframes: Keyframes = []
        while sum(held + change for _, held, change in keyframes) < seconds:
            joints = place_pose(signer, rng, poses)[0]
            keyframes.append((joints, rng.uniform(*held_s), rng.uniform(*change_s)))
        return keyframes

    def _spell(
        self, signer: Signer, rng: np.random.Generator, seconds: float, held_s: tuple[float, float]
    ) -> tuple[Keyframes, tuple[SpokenWord, ...]]:
        """Return random letters that follow each other, and when each is held."""
        keyframes: Keyframes = []
        words, now_s, last = [], 0.0, ""
        while now_s < seconds:
            name = str(rng.choice([one for one in self.classes if one != last]))
            held, change = rng.uniform(*held_s), rng.uniform(*CHANGE_S)
            classes = np.array([LETTERS.index(name)])
            keyframes.append((place_joints(classes, signer, rng)[0, 0], held, change))
            words.append(SpokenWord(name, now_s, now_s + held))
            now_s, last = now_s + held + change, name
        return keyframes, tuple(words)

    def _film(
        self,
        kind: str,
        keyframes: Keyframes,
        signer: Signer,
        rng: np.random.Generator,
        words: tuple[SpokenWord, ...] = (),
    ) -> RecordedStream:
        joints = _interpolate(keyframes)
        landmarks = detect_landmarks(joints[None], signer, rng, noise=1.0)[0]
        frames = np.zeros((len(joints), self.size), np.float32)
        frames[:, :HAND_SIZE] = landmarks.reshape(len(joints), HAND_SIZE)
        return RecordedStream(kind, frames, FPS, words, settings=READY)


def _interpolate(keyframes: Keyframes) -> np.ndarray:
    """Return the joints (T, 21, 3) of a hand that moves from pose to pose."""
    parts = []
    for (joints, held_s, change_s), (following, *_) in zip(
        keyframes, [*keyframes[1:], keyframes[-1]], strict=True
    ):
        parts.append(joints[None].repeat(round(held_s * FPS), 0))
        share = np.linspace(0, 1, max(2, round(change_s * FPS)))[:, None, None]
        share = share * share * (3 - 2 * share)
        parts.append(joints * (1 - share) + following * share)
    return np.concatenate(parts)
