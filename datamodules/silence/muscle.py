"""Simulated muscles that rest, swallow or smile, and that mouth the sentences of the simulator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from datamodules.silence.streams import RecordedStream, SpokenWord, ease_between, smooth_noise
from datamodules.simulators.muscle.activation import activate_muscles
from datamodules.simulators.muscle.gestures import ARTICULATORS
from datamodules.simulators.muscle.potentials import (
    fire_motor_units,
    simulate_noise,
    sum_potentials,
)
from datamodules.simulators.muscle.sentences import list_sentences
from datamodules.simulators.muscle.sessions import Session, make_session

STREAM_S = 30.0  # of one session, at most
REST_S = (1.0, 2.5)  # between two sentences
# Gestures that follow each other: seconds after the start, seconds, strength.
SWALLOW = {
    "close": (0.0, 0.9, 0.5),
    "tip": (0.0, 0.4, 0.9),
    "front": (0.15, 0.45, 1.0),
    "back": (0.35, 0.5, 1.1),
    "root": (0.45, 0.5, 0.9),
    "larynx": (0.4, 0.7, 1.2),
}
SMILE = {"spread": (0.0, 1.5, 1.1), "upper": (0.1, 1.2, 0.3)}
KINDS = {"resting muscles": {}, "swallowing": SWALLOW, "smiling muscles": SMILE}
MICROVOLTS = {"uv_per_count": 1.0, "skip_samples": 0}


class MuscleSilence:
    """Streams of surface EMG.

    Args:
        classes: texts that the model knows; empty for open text.
        metadata: of the model: ``frame`` with ``shape`` (C,) and ``rate``, and ``reader``.
    """

    def __init__(self, classes: Sequence[str], metadata: dict[str, Any]) -> None:
        self.classes, self.rate = classes, float(metadata["frame"]["rate"])
        self.channels = int(metadata["frame"]["shape"][0])
        reader = metadata.get("reader", {})
        self.recorded_rate = float(reader.get("sample_rate") or self.rate)
        self.mains_hz = float(reader.get("mains_hz") or 50.0)

    def simulate_silence(self, seconds: float, seed: int) -> Iterator[RecordedStream]:
        """Yield streams of each kind without speech, of at least so many seconds."""
        for number in range(max(1, round(seconds / STREAM_S))):
            session = make_session([seed, number], self.channels)
            for kind, gestures in KINDS.items():
                rng = np.random.default_rng([seed, number, len(kind)])
                drive = self._move(gestures, min(seconds, STREAM_S), session, rng)
                yield self._record(kind, drive, session, rng)

    def simulate_words(self, seconds: float, seed: int) -> Iterator[RecordedStream]:
        """Yield streams of the simulator's sentences between rests; none for other phrases."""
        texts = [one for one in list_sentences("test") if not self.classes or one in self.classes]
        for number in range(max(1, round(seconds / STREAM_S)) if texts else 0):
            session = make_session([seed, number], self.channels)
            rng = np.random.default_rng([seed, number])
            drive, words = self._speak(texts, min(seconds, STREAM_S), session, rng)
            yield self._record("words", drive, session, rng, words)

    def arrange_recording(self, label: str, frames: np.ndarray, kind: str) -> RecordedStream:
        """Return a recording (T, C) in µV, which shows a text and the rest around it."""
        texts = [label] if label in self.classes else [] if self.classes else label.split()
        words = tuple(SpokenWord(text, 0.0, len(frames) / self.rate) for text in texts)
        settings = {"reader": MICROVOLTS | {"sample_rate": self.rate}}
        return RecordedStream(
            kind, frames, self.rate, words, bool(label) and not words, False, settings
        )

    def _move(
        self,
        gestures: dict[str, tuple[float, float, float]],
        seconds: float,
        session: Session,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Return the drive (T, M) of muscles that make these gestures every few seconds."""
        count = round(seconds * self.recorded_rate)
        times = np.arange(count) / self.recorded_rate
        moves = np.zeros((count, len(ARTICULATORS)))
        at_s = rng.uniform(1, 4)
        while gestures and at_s < seconds:
            effort = rng.uniform(0.6, 1.2)
            for name, (after_s, held_s, height) in gestures.items():
                bump = ease_between(times, at_s + after_s, at_s + after_s + held_s, 0.12)
                moves[:, ARTICULATORS.index(name)] += effort * height * bump
            at_s += rng.uniform(5, 12)
        return self._rest(count, session, rng, np.tanh(moves) @ session.weights)

    def _rest(
        self, count: int, session: Session, rng: np.random.Generator, drive: Any = 0.0
    ) -> np.ndarray:
        """Return the drive (count, M) of muscles at rest, with a drifting tone."""
        tone = session.tone * np.exp(
            0.5 * smooth_noise(count, len(session.tone), rng, self.recorded_rate, 3.0)
        )
        return np.tanh(tone + drive)

    def _speak(
        self, texts: list[str], seconds: float, session: Session, rng: np.random.Generator
    ) -> tuple[np.ndarray, tuple[SpokenWord, ...]]:
        rate = self.recorded_rate
        parts = [self._rest(round(2 * rate), session, rng)]
        words: list[SpokenWord] = []
        count = len(parts[0])
        while count < seconds * rate:
            text = texts[rng.integers(len(texts))]
            spoken = activate_muscles(text, session, rng, rate)
            span = count / rate, (count + len(spoken)) / rate
            names = [text] if self.classes else text.split()
            words += [SpokenWord(name, *span) for name in names]
            parts += [spoken, self._rest(round(rng.uniform(*REST_S) * rate), session, rng)]
            count += len(parts[-2]) + len(parts[-1])
        return np.concatenate(parts), tuple(words)

    def _record(
        self,
        kind: str,
        drive: np.ndarray,
        session: Session,
        rng: np.random.Generator,
        words: tuple[SpokenWord, ...] = (),
    ) -> RecordedStream:
        rate = self.recorded_rate
        firings = fire_motor_units(drive, rng, rate)
        emg = sum_potentials(firings, session.peaks, session.reach, rate)
        emg = emg + simulate_noise(len(emg), session, rng, rate, self.mains_hz)
        settings = {"reader": MICROVOLTS | {"sample_rate": rate}}
        return RecordedStream(kind, emg.astype(np.float32), rate, words, settings=settings)
