"""Filters for surface EMG: remove drift and mains hum, band-pass, resample.

Signals are (T, C): samples x channels, in µV. Recorded ones are filtered forwards and backwards,
which keeps every event where it is; live ones by the same filter forwards alone, chunk by chunk.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from scipy import signal

ORDER = 4  # of the Butterworth filters at the edges of the band
NOTCH_HZ = 3.0  # width of a notch; the mains drift by less than 0.1 Hz, the ninth harmonic by 0.9
OPTIONAL_SETTINGS = ("mains_hz", "high_hz", "resample_hz")  # of a conditioner: None says none
MIN_MAINS_HZ = 10.0  # railways have 16.7 Hz; far below, the notches would leave nothing
MAX_FACTOR = 1000  # of a resampling ratio: its filter has 20 times as many taps


@dataclass(frozen=True)
class EMGFilter:
    """Filters and resamples EMG.

    A Butterworth high-pass removes the DC and the drift, a Butterworth low-pass sets the upper
    edge, and second-order notches (Orfanidis, Introduction to Signal Processing, 1995) remove the
    mains and all its harmonics below the Nyquist frequency. Filtering in both directions doubles
    the attenuation: -6 dB at the edges of the band, where one direction has -3 dB.

    Args:
        rate: of the signal, Hz.
        mains_hz: 50 or 60; None for no notches.
        low_hz: lower edge of the band, Hz.
        high_hz: upper edge of the band, Hz; None, or at or above the Nyquist frequency, for none.
        resample_hz: rate of the result, Hz; None to keep ``rate``.

    Raises:
        ValueError: a setting is impossible; the message begins with its name.
    """

    rate: float
    mains_hz: float | None = 50.0
    low_hz: float = 0.5
    high_hz: float | None = None
    resample_hz: float | None = None

    def __post_init__(self) -> None:
        for name in ("rate", "mains_hz", "low_hz", "high_hz", "resample_hz"):
            value = getattr(self, name)
            required = name in ("rate", "low_hz")
            if value is None and not required:
                continue
            if not _positive(value):
                null = "" if required else ", or null"
                raise ValueError(f"{name}={value}: expected a frequency in Hz above 0{null}")
        if self.mains_hz is not None and self.mains_hz < MIN_MAINS_HZ:
            raise ValueError(f"mains_hz={self.mains_hz:g}: expected 50, 60 or null")
        self._refuse_empty_band()
        self._refuse_odd_ratio()

    @property
    def out_rate(self) -> float:
        """Hz of the result."""
        return float(self.rate if self.resample_hz is None else self.resample_hz)

    @cached_property
    def sos(self) -> np.ndarray:
        """The filter at ``rate``: second-order sections (n, 6)."""
        sections = [signal.butter(ORDER, self.low_hz, "highpass", fs=self.rate, output="sos")]
        if self.high_hz is not None and self.high_hz < self.rate / 2:
            lowpass = signal.butter(ORDER, self.high_hz, "lowpass", fs=self.rate, output="sos")
            sections.append(lowpass)
        for hum_hz in self.hum():
            notch = signal.iirnotch(hum_hz, hum_hz / NOTCH_HZ, fs=self.rate)
            sections.append(np.hstack(notch)[None])  # numerator and denominator: (1, 6)
        return np.vstack(sections)

    @property
    def ratio(self) -> Fraction:
        """``out_rate`` / ``rate``."""
        exact = Fraction(self.out_rate) / Fraction(float(self.rate))
        return exact.limit_denominator(MAX_FACTOR)

    def hum(self) -> list[float]:
        """The mains and its harmonics below the Nyquist frequency, Hz."""
        if self.mains_hz is None:
            return []
        times = range(1, math.ceil(self.rate / 2 / self.mains_hz))
        return [n * self.mains_hz for n in times]

    def __call__(self, emg: np.ndarray) -> np.ndarray:
        """A whole recording without delay: (T, C) → (T', C) float32 at ``out_rate``.

        Raises:
            ValueError: it is not (T, C), or holds numbers that are not finite.
        """
        emg = np.asarray(emg, np.float64)
        _refuse_other_shape(emg)
        if not np.isfinite(emg).all():
            raise ValueError("the signal holds numbers that are not finite")
        if not len(emg):
            return emg.astype(np.float32)
        # Without its line, a signal can be mirrored at its ends without a step, which would ring.
        emg = signal.detrend(emg, axis=0)
        # A period of the lowest frequency settles the filter; a short recording gives what it has.
        padding = min(len(emg) - 1, round(self.rate / self.low_hz))
        emg = signal.sosfiltfilt(self.sos, emg, axis=0, padtype="even", padlen=padding)
        if self.ratio != 1:
            up, down = self.ratio.as_integer_ratio()
            emg = signal.resample_poly(emg, up, down, axis=0)
        return np.ascontiguousarray(emg, np.float32)

    def stream(self, channels: int) -> Stream:
        """The same filter for a live signal, forwards alone."""
        return Stream(self, channels)

    def _refuse_empty_band(self) -> None:
        if self.low_hz >= self.rate / 2:
            raise ValueError(
                f"low_hz={self.low_hz:g}: expected less than half of rate={self.rate:g}, the "
                "highest frequency that such recordings hold"
            )
        if self.high_hz is not None and self.high_hz <= self.low_hz:
            raise ValueError(
                f"high_hz={self.high_hz:g}: expected more than low_hz={self.low_hz:g}, or null"
            )

    def _refuse_odd_ratio(self) -> None:
        wanted = self.out_rate / self.rate
        if self.ratio.numerator > MAX_FACTOR or abs(self.ratio / wanted - 1) > 1e-4:
            raise ValueError(
                f"resample_hz={self.out_rate:g}: expected a ratio to rate={self.rate:g} of whole "
                f"numbers up to {MAX_FACTOR}"
            )


class Stream:
    """A live signal of one sensor, filtered and resampled chunk by chunk.

    What comes out does not depend on how the signal is cut into chunks. The filter starts as if
    the first sample had always been there, so that the DC makes no jump. A sample that is not a
    finite number counts as its channel's last one that was: else the filter would never recover.

    Args:
        conditioner: the settings.
        channels: C.
    """

    def __init__(self, conditioner: EMGFilter, channels: int) -> None:
        self.conditioner, self.channels = conditioner, channels
        self._last = np.zeros(channels)
        self._state: np.ndarray | None = None
        self._resampler = _Resampler(conditioner.ratio, channels)

    def push(self, chunk: np.ndarray) -> np.ndarray:
        """The next samples (n, C) in, those that are ready (n', C) float32 out.

        Raises:
            ValueError: the chunk is not (n, C).
        """
        chunk = np.asarray(chunk, np.float64)
        _refuse_other_shape(chunk, self.channels)
        if not len(chunk):
            return chunk.astype(np.float32)
        chunk = self._held(chunk)
        sos = self.conditioner.sos
        if self._state is None:
            self._state = signal.sosfilt_zi(sos)[..., None] * chunk[0]  # (sections, 2, C)
        filtered, self._state = signal.sosfilt(sos, chunk, axis=0, zi=self._state)
        return self._resampler.push(filtered).astype(np.float32)

    def _held(self, chunk: np.ndarray) -> np.ndarray:
        """(n, C) without gaps: each holds what came before it."""
        known = np.vstack([self._last, chunk])  # (1 + n, C)
        places = np.where(np.isfinite(known), np.arange(len(known))[:, None], 0)
        held = np.take_along_axis(known, np.maximum.accumulate(places), axis=0)
        self._last = held[-1]
        return held[1:]


class _Resampler:
    """A polyphase filter with the taps of ``scipy.signal.resample_poly``, and its memory."""

    def __init__(self, ratio: Fraction, channels: int) -> None:
        self.up, self.down = ratio.as_integer_ratio()
        most = max(self.up, self.down)
        taps = signal.firwin(20 * most + 1, 1 / most, window=("kaiser", 5.0)) if most > 1 else [1]
        self.taps = np.asarray(taps) * self.up
        self.reach = -(-len(self.taps) // self.up)  # input samples that one output sample sees
        self.kept = np.zeros((0, channels))  # the input from sample ``start`` on
        self.start = self.made = 0  # input samples dropped, output samples given

    def push(self, chunk: np.ndarray) -> np.ndarray:
        """(n, C), n > 0, in; every sample (n', C) out whose time has come."""
        known = np.concatenate([self.kept, chunk])
        ready = -(-(self.start + len(known)) * self.up // self.down)
        # ``start`` is a multiple of ``down``, so that what was dropped made whole output samples.
        dropped = self.start // self.down * self.up
        out = signal.upfirdn(self.taps, known, self.up, self.down, axis=0)
        out = out[self.made - dropped : ready - dropped]
        first = max(0, ready * self.down // self.up - self.reach + 1) // self.down * self.down
        self.kept = known[first - self.start :]
        self.start, self.made = first, ready
        return out


def _positive(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and value > 0


def _refuse_other_shape(emg: np.ndarray, channels: int | None = None) -> None:
    if emg.ndim != 2 or channels not in (None, emg.shape[1]):
        expected = "channels" if channels is None else f"{channels} channels"
        raise ValueError(f"a signal of shape {emg.shape}: expected (samples, {expected})")
