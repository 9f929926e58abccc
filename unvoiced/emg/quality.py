"""Signal quality of EMG recordings, and the RMS of their channels.

Signals are (T, C): samples x channels.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.ndimage import uniform_filter1d

from unvoiced.emg.activity import samples_per_frame
from unvoiced.emg.conditioning import EMGFilter

SCALE_MODES = ("session", "recording", "none")  # the RMS that divides the channels
PLAUSIBLE_RMS_UV = (0.05, 20_000.0)  # noise of the best electrodes; above any muscle


def preprocess_recording(
    counts: np.ndarray,
    emg_filter: EMGFilter,
    uv_per_count: float = 1.0,
    skip_samples: int = 0,
    min_s: float = 0.1,
    max_s: float | None = None,
    max_clipped: float = 0.1,
) -> np.ndarray:
    """Convert counts (T, C) to µV, check and filter them: (T', C) float32 at ``output_rate``.

    Raises:
        ValueError: the recording is unusable; the message gives the reasons.
    """
    counts = _drop_leading_zeros(counts[skip_samples:])
    issues = quality_issues(counts, emg_filter.sample_rate, min_s, max_s, max_clipped)
    if issues:
        raise ValueError("; ".join(issues))
    with np.errstate(over="ignore", invalid="ignore"):
        emg = emg_filter(counts.astype(np.float64) * uv_per_count)
    if not np.isfinite(emg).all():
        raise ValueError(f"the numbers are too large for EMG, up to {np.abs(counts).max():g}")
    check_amplitude(channel_rms(emg, emg_filter.output_rate), uv_per_count)
    return emg


def check_amplitude(rms_uv: np.ndarray, uv_per_count: float) -> None:
    """Refuse channels with a median RMS that surface EMG in µV cannot have.

    Args:
        rms_uv: (C,) µV, of ``channel_rms``.
        uv_per_count: the factor that the counts were multiplied by.

    Raises:
        ValueError: they are too weak or too strong; the message suggests a factor.
    """
    found, (low, high) = float(np.median(rms_uv)), PLAUSIBLE_RMS_UV
    if low <= found <= high:
        return
    reason = (
        f"the channels are {'too weak' if found < low else 'too strong'} for surface EMG (median "
        f"strength {found:.2g} µV; expected {low:g} to {high:,g} µV)"
    )
    units = {"volts": 1e6, "millivolts": 1e3, "microvolts": 1.0, "nanovolts": 1e-3}  # in µV
    for unit, factor in units.items():
        if 0.3 <= found / uv_per_count * factor <= 3_000:  # µV of typical recordings
            raise ValueError(f"{reason}. If they are in {unit}, set uv_per_count={factor:g}")
    raise ValueError(f"{reason}. Set uv_per_count to the µV that one count stands for")


def _drop_leading_zeros(counts: np.ndarray) -> np.ndarray:
    """Return (T, C) without the zeros that some recorders write before their first sample."""
    live = (counts != 0).any(1)
    return counts[live.argmax() :] if live.any() else counts


def quality_issues(
    emg: np.ndarray,
    rate: float,
    min_s: float = 0.1,
    max_s: float | None = None,
    max_clipped: float = 0.1,
) -> list[str]:
    """Return the reasons why a recording is unusable; channels count from 1.

    Args:
        emg: (T, C) as recorded, before any filter.
        rate: samples per second (Hz).
        min_s, max_s: shortest and longest duration, seconds.
        max_clipped: highest share of a channel's samples stuck at its extreme values, 0 to 1.
    """
    duration_s = len(emg) / rate
    duration = f"{len(emg)} samples ({duration_s:.3g} s) long"
    if duration_s < min_s or not len(emg):
        return [f"{duration}; min_s={min_s:g} asks for more"]
    too_long = max_s and duration_s > max_s
    issues = [f"{duration}; max_s={max_s:g} asks for less"] if too_long else []
    unknown = ~np.isfinite(emg).all(0)
    flat = ~unknown & (longest_runs(emg) > len(emg) / 2)
    stuck = stuck_shares(emg)
    clipped = ~unknown & ~flat & (stuck > max_clipped)
    if unknown.any():
        issues.append(f"{_list_channels(unknown)}: numbers that are not finite")
    if flat.any():
        issues.append(f"{_list_channels(flat)}: flat for more than half of the time")
    if clipped.any():
        share = f"up to {stuck[clipped].max():.0%} stuck at an extreme value"
        issues.append(f"{_list_channels(clipped)}: clipped, {share}")
    return issues


def longest_runs(emg: np.ndarray) -> np.ndarray:
    """Return (C,) the most equal samples in a row."""
    changes = np.diff(emg, axis=0) != 0  # (T - 1, C)
    ends = [np.r_[-1, np.flatnonzero(channel), len(emg) - 1] for channel in changes.T]
    return np.array([np.diff(positions).max() for positions in ends])


def stuck_shares(emg: np.ndarray) -> np.ndarray:
    """Return (C,) the share of samples that end three at an extreme value; peaks have two."""
    shares = np.zeros(emg.shape[1])
    for extreme in (emg.min(0), emg.max(0)):
        is_extreme = emg == extreme
        runs = np.lib.stride_tricks.sliding_window_view(is_extreme, min(3, len(emg)), axis=0)
        shares += runs.all(-1).sum(0) / len(emg)
    return shares


def _list_channels(mask: Iterable[bool]) -> str:
    numbers = [str(number) for number, is_listed in enumerate(mask, 1) if is_listed]
    return f"channel{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"


def channel_rms(emg: np.ndarray, rate: float) -> np.ndarray:
    """Return the root mean square of each channel: (T, C) µV at ``rate`` Hz → (C,) µV.

    A moving average of 50 ms is subtracted first: movements of the skin are slower and stronger
    than the signal of the muscles.
    """
    slow = uniform_filter1d(emg, max(2, samples_per_frame(rate)), axis=0, mode="nearest")
    return np.sqrt(np.square(emg - slow, dtype=np.float64).mean(0))


def channel_gain(rms_uv: np.ndarray) -> np.ndarray:
    """Return the factors (C,) float32 that bring channels with these RMS values, µV, to 1.

    A channel below 0.001 µV is off, and is not amplified further.
    """
    return (1 / np.maximum(rms_uv, 1e-3)).astype(np.float32)
