"""From the drive of muscles to the signals of electrodes.

A muscle is a pool of motor units, recruited from small to large and firing faster at a stronger
drive (Fuglevand, Winter and Patla, "Models of recruitment and rate coding organization in
motor-unit pools", J. Neurophysiol. 70, 1993). Its EMG is the sum of their action potential trains
(De Luca, "Physiology and mathematics of myoelectric signals", IEEE Trans. Biomed. Eng. 26, 1979),
and an action potential is the first Hermite-Rodriguez function (Lo Conte, Merletti and Sandri,
"Hermite expansions of compact support waveforms", IEEE Trans. Biomed. Eng. 41, 1994).
"""

from __future__ import annotations

import numpy as np

from datamodules.simulators.muscle.sessions import MAINS_HARMONICS, NUM_UNITS, Session

RECRUITING_DRIVES = np.float32(0.04 * 15 ** (np.arange(NUM_UNITS) / NUM_UNITS))  # of each unit
FIRING_RATES = (8.0, 40.0)  # Hz, of a unit when it is recruited and at most


def fire_motor_units(
    drive: np.ndarray, rng: np.random.Generator, sample_rate: float = 1000.0
) -> np.ndarray:
    """Return firings (M U, T) float32, 0 or 1, of units of muscles with a drive (T, M).

    Units integrate a noisy drive and fire at each whole number, so that their intervals follow an
    inverse Gaussian distribution.
    """
    above = drive.T[:, None].astype(np.float32) - RECRUITING_DRIVES[:, None]  # → (M, U, T)
    rates = np.clip(FIRING_RATES[0] + 50.0 * above, *FIRING_RATES) * (above > 0)  # Hz
    steps = (rates / np.float32(sample_rate)).reshape(-1, len(drive))  # → (M U, T)
    phase = rng.standard_normal(steps.shape, dtype=np.float32)
    phase *= np.float32(0.2) * np.sqrt(steps)  # deviation of an interval relative to its mean
    phase += steps
    phase[:, 0] = rng.random(len(steps), dtype=np.float32)
    np.cumsum(phase, axis=1, out=phase)
    count = np.floor(np.maximum.accumulate(phase, axis=1, out=phase), out=phase)
    return (np.diff(count, axis=1, prepend=count[:, :1]) > 0).astype(np.float32)


def sum_potentials(
    firings: np.ndarray, peaks: np.ndarray, reach: np.ndarray, sample_rate: float = 1000.0
) -> np.ndarray:
    """Return the EMG (T, C) in µV of firing units.

    Args:
        firings: (units, T).
        peaks: (units,) peak frequencies of the action potentials, Hz.
        reach: (units, C) amplitudes of the action potentials, µV.
    """
    frames = firings.shape[1]
    padded = frames + round(0.05 * sample_rate)  # no potential may wrap round to the start
    step = 2 ** max(0, padded.bit_length() - 4)
    length = -(-padded // step) * step  # quick to transform
    frequencies = np.fft.rfftfreq(length, 1 / sample_rate).astype(np.float32)
    peaks = peaks[:, None].astype(np.float32)
    along = frequencies / peaks  # (units, frequencies)
    # The transform of t·exp(-t²), of height about 1 at any length.
    kernel = np.exp(-(along**2) / 2) * along * (np.float32(sample_rate) / (2 * peaks))
    spectrum = reach.T.astype(np.complex64) @ (np.fft.rfft(firings, length) * kernel)
    return np.fft.irfft(1j * spectrum, length)[:, :frames].T  # (C, T) → (T, C)


def simulate_noise(
    frames: int,
    session: Session,
    rng: np.random.Generator,
    sample_rate: float = 1000.0,
    mains_hz: float = 50.0,
) -> np.ndarray:
    """Return noise, mains hum, offset and drift of electrodes, (frames, C) in µV."""
    times = np.arange(frames)[:, None] / sample_rate
    numbers = np.array(list(MAINS_HARMONICS))
    # An amplifier filters the harmonics above half the sample rate.
    is_visible = np.where(mains_hz * numbers < 0.5 * sample_rate, 1.0, 0.0)
    turns = (mains_hz + 0.02 * rng.standard_normal()) * numbers * times
    waves = np.sin(2 * np.pi * (turns + rng.random(len(numbers))))  # (frames, harmonics)
    slow = rng.uniform(0.05, 0.6, 3) * times + rng.random(3)
    wander = np.sin(2 * np.pi * slow) @ rng.standard_normal((3, len(session.drift)))
    hiss = session.floor * rng.standard_normal((frames, len(session.floor)))
    hum = waves @ (is_visible[:, None] * session.hum)
    return hum + session.offset + session.drift * wander + hiss
