"""Measurements of surface EMG for the self-test: electrodes, hum, movements, missing samples.

Signals are (T, C): samples x channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import signal

from unvoiced.emg.conditioning import EMGFilter
from unvoiced.emg.quality import channel_rms, longest_runs, stuck_shares

MOTION_HZ = (0.5, 10.0)  # band of movements of the skin and the cables, below that of the muscles
MOTION_WINDOW_S = 0.2
NOISE_BAND_HZ = 20.0  # lower edge of the band in which the spectrum of noise is flat
NOISE_WINDOW_S = 0.25  # seconds; many short windows leave less scatter
LINE_LEAST_HZ, LINE_HALF_WIDTH_HZ = 8.0, 1.6  # where hum is searched; half the width of its line
MAINS_HZ = (50.0, 60.0)


@dataclass(frozen=True)
class SpectralLine:
    """The strongest narrow line of a spectrum, such as hum.

    Attributes:
        hz: its frequency.
        prominence: its power density over that around it.
        share: its share of the power from ``LINE_LEAST_HZ`` on, 0 to 1.
    """

    hz: float
    prominence: float
    share: float


@dataclass(frozen=True)
class SignalMeasurement:
    """A signal in numbers; arrays are (C,).

    Attributes:
        duration_s: seconds.
        unknown_share: share of the samples that are no finite numbers, 0 to 1.
        repeated: most samples in a row in which no channel changes.
        flat_s: longest time without a change, seconds.
        stuck: share of samples that stick to the highest or lowest value.
        extreme: share of samples that have the highest or lowest value.
        rms_uv: strength after the filter, µV.
        flatness: of the spectrum above ``NOISE_BAND_HZ``: near 1 for noise.
        motion: share of the windows with a slow movement of ``motion_ratio`` times the strength.
        line: hum before the filter; None for a short signal.
        line_ratio: amplitude of the hum before the filter over the strength of the EMG after it.
        line_left: hum after the filter; None for a short signal.
    """

    duration_s: float
    unknown_share: float
    repeated: int
    flat_s: np.ndarray
    stuck: np.ndarray
    extreme: np.ndarray
    rms_uv: np.ndarray
    flatness: np.ndarray
    motion: float
    line: SpectralLine | None
    line_ratio: float
    line_left: SpectralLine | None


def measure_signal(
    counts: np.ndarray, emg_filter: EMGFilter, uv_per_count: float, motion_ratio: float
) -> SignalMeasurement:
    """Measure samples (T, C) as recorded, at least one.

    Args:
        counts: the samples.
        emg_filter: of the model or reader; its resampling is not used.
        uv_per_count: µV per count.
        motion_ratio: how many times stronger than the EMG a movement must be to count.
    """
    rate = float(emg_filter.sample_rate)
    counts, is_unknown = fill_unknown(np.asarray(counts, np.float64))
    emg = (counts - np.median(counts, axis=0)) * uv_per_count
    plain = EMGFilter(rate, emg_filter.mains_hz, emg_filter.low_hz, emg_filter.high_hz)
    filtered = plain(emg).astype(np.float64)
    # In the band of muscles, whatever the reader keeps below it.
    muscle = EMGFilter(rate, emg_filter.mains_hz, min(NOISE_BAND_HZ, rate / 8))(emg)
    rms_uv = channel_rms(muscle, rate)
    line = find_line(emg, rate)
    hum_uv = 0.0 if line is None else measure_line_uv(emg, rate, line.hz)
    return SignalMeasurement(
        duration_s=len(counts) / rate,
        unknown_share=float(is_unknown.mean()),
        repeated=_longest_repeat(counts),
        flat_s=longest_runs(counts) / rate,
        stuck=stuck_shares(counts),
        extreme=((counts == counts.min(0)) | (counts == counts.max(0))).mean(0),
        rms_uv=channel_rms(filtered, rate),
        flatness=measure_flatness(muscle, rate),
        motion=measure_motion(emg, rms_uv, rate, motion_ratio),
        line=line,
        line_ratio=hum_uv / max(float(np.median(rms_uv)), 1e-9),
        line_left=find_line(filtered, rate),
    )


def fill_unknown(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (T, C) with interpolated numbers in place of others, and where they were."""
    is_unknown = ~np.isfinite(counts) | (np.abs(counts) > 1e15)
    if not is_unknown.any():
        return counts, is_unknown
    filled, index = counts.copy(), np.arange(len(counts))
    for channel, unknown in zip(filled.T, is_unknown.T, strict=True):
        known = np.flatnonzero(~unknown)
        channel[unknown] = np.interp(index[unknown], known, channel[known]) if len(known) else 0.0
    return filled, is_unknown


def _longest_repeat(counts: np.ndarray) -> int:
    """Return the most samples in a row in which no channel changes."""
    changes = np.r_[-1, np.flatnonzero((np.diff(counts, axis=0) != 0).any(1)), len(counts) - 1]
    return int(np.diff(changes).max())


def measure_flatness(emg: np.ndarray, rate: float) -> np.ndarray:
    """Return the geometric over the arithmetic mean of the power spectrum, (C,).

    Lines of the mains are left out, as a filter may have removed them.
    """
    hz, power = _estimate_spectrum(emg, rate, NOISE_WINDOW_S)
    is_used = (hz >= NOISE_BAND_HZ) & (hz < 0.45 * rate)
    for mains in MAINS_HZ:
        is_used &= np.abs((hz + mains / 2) % mains - mains / 2) > 3 * LINE_HALF_WIDTH_HZ
    used = power[is_used] + 1e-12
    if len(used) < 4:
        return np.zeros(emg.shape[1])
    return np.exp(np.log(used).mean(0)) / used.mean(0)


def measure_motion(emg: np.ndarray, rms_uv: np.ndarray, rate: float, ratio: float) -> float:
    """Return the share of windows in which the median channel moves ``ratio`` times its RMS."""
    size = max(1, round(MOTION_WINDOW_S * rate))
    count = len(emg) // size
    if count < 2 or rate <= 2 * MOTION_HZ[1]:
        return 0.0
    sos = signal.butter(2, MOTION_HZ, "bandpass", fs=rate, output="sos")
    slow = signal.sosfiltfilt(sos, emg, axis=0, padlen=min(len(emg) - 1, round(rate)))
    windows = slow[: count * size].reshape(count, size, -1)
    moved = np.sqrt(np.square(windows).mean(1)) / np.maximum(rms_uv, 1e-9)
    return float((np.median(moved, axis=1) > ratio).mean())


def find_line(emg: np.ndarray, rate: float) -> SpectralLine | None:
    """Return the strongest line of the mean spectrum of the channels; None for a short signal."""
    hz, power = _estimate_spectrum(emg, rate)
    is_used = (hz >= LINE_LEAST_HZ) & (hz < rate / 2 - 2 * LINE_HALF_WIDTH_HZ)
    hz, power = hz[is_used], power[is_used]
    if len(hz) < 24:
        return None
    mean = (power / np.maximum(power.sum(0), 1e-12)).mean(1)
    size = min(41, len(mean) // 2 * 2 - 1)
    around = np.maximum(signal.medfilt(mean, size), 1e-12)
    top = int(np.argmax(mean / around))
    near = np.abs(hz - hz[top]) <= LINE_HALF_WIDTH_HZ
    centre = float((hz[near] * mean[near]).sum() / max(float(mean[near].sum()), 1e-12))
    share = float(mean[near].sum() / max(float(mean.sum()), 1e-12))
    return SpectralLine(centre, float(mean[top] / around[top]), share)


def measure_line_uv(emg: np.ndarray, rate: float, hz: float) -> float:
    """Return the RMS of a line at ``hz``, µV, the median of the channels."""
    found, power = _estimate_spectrum(emg, rate)
    near = np.abs(found - hz) <= LINE_HALF_WIDTH_HZ
    step = float(found[1] - found[0]) if len(found) > 1 else 1.0
    return float(np.median(np.sqrt(power[near].sum(0) * step)))


def _estimate_spectrum(
    emg: np.ndarray, rate: float, window_s: float = 2.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies (F,) in Hz and power densities (F, C), the mean over windows."""
    size = min(len(emg), max(8, round(window_s * rate)))
    return signal.welch(signal.detrend(emg, axis=0), rate, nperseg=size, axis=0)
