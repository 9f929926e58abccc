"""Filters for surface EMG: remove drift and mains hum, band-pass, resample.

Signals are (T, C): samples x channels, in µV. Recordings are filtered forwards and backwards, which
delays no event; live signals only forwards with the same filter, chunk by chunk.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from scipy import signal

from unvoiced.validation import Rule, is_number, require

BUTTERWORTH_ORDER = 4  # of the filters at the edges of the band
NOTCH_HZ = 3.0  # width of a notch; the mains drift by less than 0.1 Hz, the ninth harmonic by 0.9
OPTIONAL_SETTINGS = ("mains_hz", "high_hz", "resample_hz")  # None switches the stage off
MAX_FACTOR = 1000  # of a resampling ratio: its filter has 20 times as many taps

FREQUENCY = Rule(lambda value: is_number(value) and value > 0, "a frequency in Hz above 0")


@dataclass(frozen=True)
class EMGFilter:
    """Filters and resamples EMG.

    A Butterworth high-pass removes the DC and the drift, a Butterworth low-pass sets the upper
    edge, and second-order notches (Orfanidis, Introduction to Signal Processing, 1995) remove the
    mains and all its harmonics below the Nyquist frequency. Filtering in both directions doubles
    the attenuation: -6 dB at the edges of the band, where one direction has -3 dB.

    Args:
        sample_rate: of the signal, Hz.
        mains_hz: 50 or 60; None for no notches.
        low_hz: lower edge of the band, Hz.
        high_hz: upper edge of the band, Hz; None or at least the Nyquist frequency for none.
        resample_hz: sample rate of the result, Hz; None to keep ``sample_rate``.

    Raises:
        ValueError: a setting is impossible; the message begins with its name.
    """

    sample_rate: float
    mains_hz: float | None = 50.0
    low_hz: float = 0.5
    high_hz: float | None = None
    resample_hz: float | None = None

    def __post_init__(self) -> None:
        for name in ("sample_rate", "mains_hz", "low_hz", "high_hz", "resample_hz"):
            is_missing = name in OPTIONAL_SETTINGS and getattr(self, name) is None
            null = ", or null" * (name in OPTIONAL_SETTINGS)
            is_valid = is_missing or FREQUENCY.accepts(getattr(self, name))
            require(name, getattr(self, name), is_valid, FREQUENCY.expected + null)
        is_mains = self.mains_hz is None or self.mains_hz >= 10  # railways have 16.7 Hz
        require("mains_hz", self.mains_hz, is_mains, "50, 60 or null")
        below = f"less than half of sample_rate={self.sample_rate:g}, the highest frequency"
        require("low_hz", self.low_hz, self.low_hz < self.sample_rate / 2, below)
        has_band = self.high_hz is None or self.high_hz > self.low_hz
        require("high_hz", self.high_hz, has_band, f"more than low_hz={self.low_hz:g}, or null")
        exact = self.output_rate / self.sample_rate
        is_near = self.ratio.numerator <= MAX_FACTOR and abs(self.ratio / exact - 1) <= 1e-4
        ratio = f"a ratio to sample_rate={self.sample_rate:g} of whole numbers up to {MAX_FACTOR}"
        require("resample_hz", self.resample_hz, is_near, ratio)

    @property
    def output_rate(self) -> float:
        """Sample rate of the result, Hz."""
        return float(self.sample_rate if self.resample_hz is None else self.resample_hz)

    @cached_property
    def sos(self) -> np.ndarray:
        """The filter at ``sample_rate`` as second-order sections, (n, 6)."""
        sections = [_butterworth(self.low_hz, "highpass", self.sample_rate)]
        if self.high_hz is not None and self.high_hz < self.sample_rate / 2:
            sections.append(_butterworth(self.high_hz, "lowpass", self.sample_rate))
        for hum_hz in self.hum_frequencies():
            notch = signal.iirnotch(hum_hz, hum_hz / NOTCH_HZ, fs=self.sample_rate)
            sections.append(np.hstack(notch)[None])  # numerator and denominator: (1, 6)
        return np.vstack(sections)

    @property
    def ratio(self) -> Fraction:
        """``output_rate`` / ``sample_rate``."""
        exact = Fraction(self.output_rate) / Fraction(float(self.sample_rate))
        return exact.limit_denominator(MAX_FACTOR)

    def hum_frequencies(self) -> list[float]:
        """Return the mains frequency and its harmonics below the Nyquist frequency, Hz."""
        if self.mains_hz is None:
            return []
        return [
            n * self.mains_hz for n in range(1, math.ceil(self.sample_rate / 2 / self.mains_hz))
        ]

    def __call__(self, emg: np.ndarray) -> np.ndarray:
        """Filter a whole recording without delay: (T, C) → (T', C) float32 at ``output_rate``.

        Raises:
            ValueError: it is not (T, C), or holds numbers that are not finite.
        """
        emg = np.asarray(emg, np.float64)
        _check_shape(emg)
        if not np.isfinite(emg).all():
            raise ValueError("the signal holds numbers that are not finite")
        if not len(emg):
            return emg.astype(np.float32)
        # Without its line, a signal can be mirrored at its ends without a step, which would ring.
        emg = signal.detrend(emg, axis=0)
        # One period of the lowest frequency settles the filter, if the recording is that long.
        padding = min(len(emg) - 1, round(self.sample_rate / self.low_hz))
        emg = signal.sosfiltfilt(self.sos, emg, axis=0, padtype="even", padlen=padding)
        if self.ratio != 1:
            up, down = self.ratio.as_integer_ratio()
            emg = signal.resample_poly(emg, up, down, axis=0)
        return np.ascontiguousarray(emg, np.float32)

    def start_stream(self, channels: int) -> EMGFilterStream:
        """Return the same filter for a live signal, forwards only."""
        return EMGFilterStream(self, channels)


class EMGFilterStream:
    """A live signal, filtered and resampled chunk by chunk.

    The result does not depend on how the signal is cut into chunks. The filter starts as if the
    first sample had lasted forever, so that the DC makes no jump. A sample that is not finite is
    replaced by its channel's last finite one; the filter would never recover from it.

    Args:
        emg_filter: the settings.
        channels: C.
    """

    def __init__(self, emg_filter: EMGFilter, channels: int) -> None:
        self.emg_filter, self.channels = emg_filter, channels
        self._last = np.zeros(channels)
        self._state: np.ndarray | None = None
        self._resampler = _Resampler(emg_filter.ratio, channels)

    def push(self, chunk: np.ndarray) -> np.ndarray:
        """Filter the next samples (n, C); return the completed ones, (n', C) float32.

        Raises:
            ValueError: the chunk is not (n, C).
        """
        chunk = np.asarray(chunk, np.float64)
        _check_shape(chunk, self.channels)
        if not len(chunk):
            return chunk.astype(np.float32)
        chunk = self._fill_gaps(chunk)
        sos = self.emg_filter.sos
        if self._state is None:
            self._state = signal.sosfilt_zi(sos)[..., None] * chunk[0]  # (sections, 2, C)
        filtered, self._state = signal.sosfilt(sos, chunk, axis=0, zi=self._state)
        return self._resampler.push(filtered).astype(np.float32)

    def _fill_gaps(self, chunk: np.ndarray) -> np.ndarray:
        """Return (n, C) with the last finite sample of its channel for each that is not finite."""
        samples = np.vstack([self._last, chunk])  # (1 + n, C)
        indices = np.where(np.isfinite(samples), np.arange(len(samples))[:, None], 0)
        filled = np.take_along_axis(samples, np.maximum.accumulate(indices), axis=0)
        self._last = filled[-1]
        return filled[1:]


class _Resampler:
    """A polyphase filter with the taps of ``scipy.signal.resample_poly``, and its state."""

    def __init__(self, ratio: Fraction, channels: int) -> None:
        self.up, self.down = ratio.as_integer_ratio()
        factor = max(self.up, self.down)
        taps = (
            signal.firwin(20 * factor + 1, 1 / factor, window=("kaiser", 5.0))
            if factor > 1
            else [1]
        )
        self.taps = np.asarray(taps) * self.up
        self.reach = -(-len(self.taps) // self.up)  # input samples per output sample
        self.pending = np.zeros((0, channels))  # the input from sample ``start`` on
        self.start = self.num_outputs = 0  # input samples dropped, output samples returned

    def push(self, chunk: np.ndarray) -> np.ndarray:
        """Resample (n, C), n > 0; return the samples (n', C) that it completes."""
        samples = np.concatenate([self.pending, chunk])
        stop = -(-(self.start + len(samples)) * self.up // self.down)
        # ``start`` is a multiple of ``down``: the dropped input made whole output samples.
        dropped = self.start // self.down * self.up
        output = signal.upfirdn(self.taps, samples, self.up, self.down, axis=0)
        output = output[self.num_outputs - dropped : stop - dropped]
        first = max(0, stop * self.down // self.up - self.reach + 1) // self.down * self.down
        self.pending = samples[first - self.start :]
        self.start, self.num_outputs = first, stop
        return output


def _butterworth(edge_hz: float, kind: str, rate: float) -> np.ndarray:
    """Return the filter as second-order sections, (n, 6)."""
    return signal.butter(BUTTERWORTH_ORDER, edge_hz, kind, fs=rate, output="sos")


def _check_shape(emg: np.ndarray, channels: int | None = None) -> None:
    if emg.ndim != 2 or channels not in (None, emg.shape[1]):
        expected = "channels" if channels is None else f"{channels} channels"
        raise ValueError(f"a signal of shape {emg.shape}: expected (samples, {expected})")
