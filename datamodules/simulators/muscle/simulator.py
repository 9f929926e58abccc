"""Recordings of simulated sessions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from datamodules.simulators.muscle.activation import activate_muscles
from datamodules.simulators.muscle.potentials import (
    fire_motor_units,
    simulate_noise,
    sum_potentials,
)
from datamodules.simulators.muscle.sentences import list_sentences, split_of_session
from datamodules.simulators.muscle.sessions import Session, make_session
from unvoiced.validation import integer_rule, number_rule


@dataclass(frozen=True)
class MuscleSimulator:
    """Simulated people who mouth sentences of a small grammar, with electrodes on face and neck.

    Args:
        sessions: simulated people, each with newly placed electrodes.
        utterances: sentences per session, all of its split, each mouthed once.
        sample_rate: in Hz.
        channels: electrodes.
        noise: 1 for about the noise of a good recording; 0 for no mains hum, no drift, and the
            same drive whenever a sentence is mouthed. Motor units fire irregularly at any noise.
        mains_hz: mains frequency, Hz.
        seed: seed of all sessions.

    Raises:
        ValueError: a setting is out of range.
    """

    sessions: int = 18
    utterances: int = 50
    sample_rate: float = 1000.0
    channels: int = 8
    noise: float = 1.0
    mains_hz: float = 50.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("sessions", "utterances", "channels"):
            integer_rule(1, 10**9).require(name, getattr(self, name))
        number_rule(100, 1e6, "Hz").require("sample_rate", self.sample_rate)
        number_rule(0, 1e6).require("noise", self.noise)
        number_rule(0, self.sample_rate / 2, "Hz", above=True, below=True).require(
            "mains_hz", self.mains_hz
        )
        integer_rule(0, 2**63 - 1).require("seed", self.seed)

    def simulate_session(self, index: int) -> Iterator[tuple[str, str, np.ndarray]]:
        """Return (text, split, EMG (T, channels) float32 in µV) of the utterances of a session.

        They depend only on the settings, the index and their number.

        Raises:
            ValueError: there is no such session.
        """
        if not 0 <= index < self.sessions:
            raise ValueError(f"session {index} is not one of the {self.sessions} simulated ones")
        return self._record_utterances(index)

    def _record_utterances(self, index: int) -> Iterator[tuple[str, str, np.ndarray]]:
        session = make_session([self.seed, index], self.channels)
        split = split_of_session(index)
        pool = list_sentences(split)
        order = np.random.default_rng([self.seed, index, 2]).permutation(len(pool))
        for k in range(self.utterances):
            text = pool[order[k % len(pool)]]
            rng = np.random.default_rng([self.seed, index, 3, k])
            yield text, split, self._record(text, session, rng)

    def _record(self, text: str, session: Session, rng: np.random.Generator) -> np.ndarray:
        drive = activate_muscles(text, session, rng, self.sample_rate, self.noise)
        firings = fire_motor_units(drive, rng, self.sample_rate)
        emg = sum_potentials(firings, session.peaks, session.reach, self.sample_rate)
        if self.noise > 0:
            emg = emg + self.noise * simulate_noise(
                len(emg), session, rng, self.sample_rate, self.mains_hz
            )
        return emg.astype(np.float32)
