"""Faults injected into EMG as recorded, (T, C)."""

from __future__ import annotations

import numpy as np


def stop_channel(counts: np.ndarray, channel: int) -> np.ndarray:
    """Let an electrode fall off halfway: its channel stays constant."""
    changed = counts.astype(float)
    changed[len(changed) // 2 :, channel] = changed[len(changed) // 2, channel]
    return changed


def raise_to_rail(counts: np.ndarray, channel: int) -> np.ndarray:
    """Set a channel to the amplifier's highest value."""
    changed = counts.astype(float)
    changed[:, channel] = 2.0**23 - 1
    return changed


def short_channel(counts: np.ndarray, channel: int) -> np.ndarray:
    """Connect an electrode to the reference: only a hundredth of its signal is left."""
    changed = counts.astype(float)
    middle = np.median(changed[:, channel])
    changed[:, channel] = middle + 0.01 * (changed[:, channel] - middle)
    return changed


def loosen_channel(counts: np.ndarray, channel: int) -> np.ndarray:
    """Replace a channel by noise that is 30 times as strong as its changes."""
    changed = counts.astype(float)
    strength = 30 * np.median(np.abs(np.diff(changed, axis=0)).mean(0))
    noise = np.random.default_rng(0).normal(0, strength, len(changed))
    changed[:, channel] = changed[:, channel] + noise
    return changed


def clip_signal(counts: np.ndarray, share: float = 0.15) -> np.ndarray:
    """Cut that share of the highest and lowest samples off."""
    low, high = np.quantile(counts, [share, 1 - share], axis=0)
    return np.clip(counts.astype(float), low, high)


def add_hum(counts: np.ndarray, rate: float, hz: float, times: float = 3.0) -> np.ndarray:
    """Add hum that is some times as strong as the changes of the signal."""
    strength = times * np.sqrt(np.square(np.diff(counts.astype(float), axis=0)).mean(0))
    wave = np.sin(2 * np.pi * hz * np.arange(len(counts)) / rate)
    return counts + wave[:, None] * strength


def scale_unit(counts: np.ndarray, factor: float) -> np.ndarray:
    """Write the samples in another unit."""
    return counts.astype(float) * factor


def lose_samples(counts: np.ndarray, rate: float, seconds: float = 0.2) -> np.ndarray:
    """Repeat the last sample of all channels where packets were lost."""
    changed, size = counts.astype(float), round(seconds * rate)
    for first in range(size, len(changed) - 2 * size, 4 * size):
        changed[first : first + size] = changed[first]
    return changed


def lose_numbers(counts: np.ndarray) -> np.ndarray:
    """Write NaN where packets were lost."""
    changed = counts.astype(float)
    changed[len(changed) // 3 : len(changed) // 3 + 20] = np.nan
    return changed


def move_cables(counts: np.ndarray, rate: float, strength: float) -> np.ndarray:
    """Add slow movements of all channels, with that RMS in counts."""
    rng = np.random.default_rng(0)
    phases = 2 * np.pi * np.arange(len(counts)) / rate
    waves = sum(np.sin(hz * phases + rng.uniform(0, 6.28)) for hz in (1.3, 2.1, 3.7))
    return counts + (strength * waves / np.sqrt(1.5))[:, None]


def swap_channels(counts: np.ndarray, first: int, second: int) -> np.ndarray:
    """Exchange two channels."""
    order = list(range(counts.shape[1]))
    order[first], order[second] = second, first
    return counts[:, order]
