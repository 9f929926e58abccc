"""Signal quality of EMG recordings, and the strength of their channels.

Signals are (T, C): samples x channels.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.ndimage import uniform_filter1d

from unvoiced.emg.activity import frame_samples
from unvoiced.emg.conditioning import EMGFilter

MIN_STRENGTH = 1e-3  # µV; a channel that is weaker is off, and must not be blown up
SCALE_MODES = ("session", "recording", "none")  # by whose strength channels are divided
PLAUSIBLE_RMS_UV = (0.05, 20_000.0)  # noise of the best electrodes; more than any muscle gives
TYPICAL_RMS_UV = (0.3, 3_000.0)
UNITS_UV = {"volts": 1e6, "millivolts": 1e3, "microvolts": 1.0, "nanovolts": 1e-3}
CLIPPED_RUN = 3  # samples in a row at the extreme value; a peak has one or two


def preprocess_recording(
    counts: np.ndarray,
    conditioner: EMGFilter,
    uv_per_count: float = 1.0,
    skip_samples: int = 0,
    min_s: float = 0.1,
    max_s: float | None = None,
    max_clipped: float = 0.1,
) -> np.ndarray:
    """A recording (T, C) of counts → (T', C) float32, µV, at the conditioner's ``out_rate``.

    Raises:
        ValueError: it is not fit to be read; the message says why.
    """
    counts = _started(counts[skip_samples:])
    found = quality_issues(counts, conditioner.rate, min_s, max_s, max_clipped)
    if found:
        raise ValueError("; ".join(found))
    with np.errstate(over="ignore", invalid="ignore"):
        emg = conditioner(counts.astype(np.float64) * uv_per_count)
    if not np.isfinite(emg).all():
        raise ValueError(f"the numbers are too large for EMG, up to {np.abs(counts).max():g}")
    check_amplitude(channel_rms(emg, conditioner.out_rate), uv_per_count)
    return emg


def check_amplitude(rms_uv: np.ndarray, uv_per_count: float) -> None:
    """Refuse channels whose median strength cannot be that of surface EMG in µV.

    Args:
        rms_uv: (C,) strength of the channels, µV, as ``channel_rms`` measures it.
        uv_per_count: the factor that they were multiplied by.

    Raises:
        ValueError: they are too weak or too strong; the message names a factor that fits.
    """
    found, (low, high) = float(np.median(rms_uv)), PLAUSIBLE_RMS_UV
    if low <= found <= high:
        return
    reason = (
        f"the channels are {'too weak' if found < low else 'too strong'} for surface EMG (median "
        f"strength {found:.2g} µV; expected {low:g} to {high:,g} µV)"
    )
    for unit, factor in UNITS_UV.items():
        if TYPICAL_RMS_UV[0] <= found / uv_per_count * factor <= TYPICAL_RMS_UV[1]:
            raise ValueError(f"{reason}. If they are in {unit}, set uv_per_count={factor:g}")
    raise ValueError(f"{reason}. Set uv_per_count to the µV that one count stands for")


def _started(counts: np.ndarray) -> np.ndarray:
    """(T, C) without the zeros that some recorders write before their first sample."""
    live = (counts != 0).any(1)
    return counts[live.argmax() :] if live.any() else counts


def quality_issues(
    emg: np.ndarray,
    rate: float,
    min_s: float = 0.1,
    max_s: float | None = None,
    max_clipped: float = 0.1,
) -> list[str]:
    """What makes a recording useless, in words; channels count from 1.

    Args:
        emg: (T, C) as recorded, before any filter.
        rate: Hz.
        min_s, max_s: the shortest and the longest recording, seconds.
        max_clipped: share of a channel's samples that may be stuck at its extreme values, 0 to 1.
    """
    long_s = len(emg) / rate
    said = f"{len(emg)} samples ({long_s:.3g} s) long"
    if long_s < min_s or not len(emg):
        return [f"{said}; min_s={min_s:g} asks for more"]
    found = [f"{said}; max_s={max_s:g} asks for less"] if max_s and long_s > max_s else []
    unknown = ~np.isfinite(emg).all(0)
    flat = ~unknown & (_longest_runs(emg) > len(emg) / 2)
    clipped = ~unknown & ~flat & (_stuck(emg) > max_clipped)
    if unknown.any():
        found.append(f"{_named(unknown)}: numbers that are not finite")
    if flat.any():
        found.append(f"{_named(flat)}: flat for more than half of the time")
    if clipped.any():
        share = _stuck(emg)[clipped].max()
        found.append(f"{_named(clipped)}: clipped, up to {share:.0%} stuck at an extreme value")
    return found


def _longest_runs(emg: np.ndarray) -> np.ndarray:
    """(C,) the most samples in a row that are equal."""
    changes = np.diff(emg, axis=0) != 0  # (T - 1, C)
    ends = [np.r_[-1, np.flatnonzero(channel), len(emg) - 1] for channel in changes.T]
    return np.array([np.diff(places).max() for places in ends])


def _stuck(emg: np.ndarray) -> np.ndarray:
    """(C,) the share of the samples that end ``CLIPPED_RUN`` equal ones at an extreme value."""
    shares = np.zeros(emg.shape[1])
    for extreme in (emg.min(0), emg.max(0)):
        there = emg == extreme
        runs = np.lib.stride_tricks.sliding_window_view(there, min(CLIPPED_RUN, len(emg)), axis=0)
        shares += runs.all(-1).sum(0) / len(emg)
    return shares


def _named(channels: Iterable[bool]) -> str:
    numbers = [str(number) for number, named in enumerate(channels, 1) if named]
    return f"channel{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"


def channel_rms(emg: np.ndarray, rate: float) -> np.ndarray:
    """Of each channel: (T, C) µV at ``rate`` Hz → (C,), µV.

    It is the root mean square around a moving average of 50 ms: the skin moves more slowly, and
    more strongly, than muscles make themselves heard.
    """
    slow = uniform_filter1d(emg, max(2, frame_samples(rate)), axis=0, mode="nearest")
    return np.sqrt(np.square(emg - slow, dtype=np.float64).mean(0))


def gain(strengths: np.ndarray) -> np.ndarray:
    """What makes channels of such strengths, µV, equally strong: float32, of the same shape."""
    return (1 / np.maximum(strengths, MIN_STRENGTH)).astype(np.float32)
