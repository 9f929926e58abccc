"""Surface EMG made ready: drift and mains hum removed, band-passed, resampled, checked.

Signals are (T, C): samples x channels, in µV. Recorded ones are filtered forwards and backwards,
which keeps every event where it is; live ones by the same filter forwards alone, chunk by chunk.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from scipy import signal
from scipy.ndimage import uniform_filter1d

ORDER = 4  # of the Butterworth filters at the edges of the band
NOTCH_HZ = 3.0  # width of a notch; the mains drift by less than 0.1 Hz, the ninth harmonic by 0.9
MAY_BE_NONE = ("mains_hz", "high_hz", "resample_hz")  # of a conditioner: None says none
MIN_MAINS_HZ = 10.0  # railways have 16.7 Hz; far below, the notches would leave nothing
MAX_FACTOR = 1000  # of a resampling ratio: its filter has 20 times as many taps
FRAME_S = 0.05  # of the search for activity, and of what is slow, s
MIN_STRENGTH = 1e-3  # µV; a channel that is weaker is off, and must not be blown up
SCALES = ("session", "recording", "none")  # by whose strength channels are divided
TINY = 1e-6  # µV²: keeps the logarithm of silence finite
TOP_ACTIVITY = 3.0  # a twitch or a jolt counts no more than this
CLIPPED_RUN = 3  # samples in a row at the extreme value; a peak has one or two


@dataclass(frozen=True)
class Conditioner:
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

    def __init__(self, conditioner: Conditioner, channels: int) -> None:
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


def ready(
    counts: np.ndarray,
    conditioner: Conditioner,
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
    found = faults(counts, conditioner.rate, min_s, max_s, max_clipped)
    if found:
        raise ValueError("; ".join(found))
    with np.errstate(over="ignore", invalid="ignore"):
        emg = conditioner(counts.astype(np.float64) * uv_per_count)
    if not np.isfinite(emg).all():
        raise ValueError(f"the numbers are too large for EMG, up to {np.abs(counts).max():g}")
    return emg


def _started(counts: np.ndarray) -> np.ndarray:
    """(T, C) without the zeros that some recorders write before their first sample."""
    live = (counts != 0).any(1)
    return counts[live.argmax() :] if live.any() else counts


def faults(
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


def _positive(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and value > 0


def _refuse_other_shape(emg: np.ndarray, channels: int | None = None) -> None:
    if emg.ndim != 2 or channels not in (None, emg.shape[1]):
        expected = "channels" if channels is None else f"{channels} channels"
        raise ValueError(f"a signal of shape {emg.shape}: expected (samples, {expected})")


def strength(emg: np.ndarray, rate: float) -> np.ndarray:
    """Of each channel: (T, C) µV at ``rate`` Hz → (C,), µV.

    It is the root mean square around a moving average of 50 ms: the skin moves more slowly, and
    more strongly, than muscles make themselves heard.
    """
    slow = uniform_filter1d(emg, max(2, frame_samples(rate)), axis=0, mode="nearest")
    return np.sqrt(np.square(emg - slow, dtype=np.float64).mean(0))


def gain(strengths: np.ndarray) -> np.ndarray:
    """What makes channels of such strengths, µV, equally strong: float32, of the same shape."""
    return (1 / np.maximum(strengths, MIN_STRENGTH)).astype(np.float32)


def activity(emg: np.ndarray, rate: float) -> np.ndarray:
    """How much the muscles do, over time: (T, C) → (frames of 50 ms,).

    Each channel counts by the logarithm of how much stronger its fast changes are than in its
    median frame, so that no channel, and no heartbeat, decides alone.

    Args:
        emg: (T, C).
        rate: Hz.
    """
    hop = frame_samples(rate)
    frames = max(0, len(emg) - 2) // hop
    changes = np.diff(emg[: frames * hop + 2], n=2, axis=0).astype(np.float64)
    # (frames * hop, C) → (frames, hop, C) → (frames, C)
    power = np.square(changes).reshape(frames, hop, emg.shape[1]).mean(1) + TINY
    if not frames:
        return np.zeros(0)
    return np.log(power / np.median(power, axis=0)).clip(0, TOP_ACTIVITY).mean(1)


def frame_samples(rate: float) -> int:
    """Samples of a frame of ``activity`` at ``rate`` Hz."""
    return max(1, round(FRAME_S * rate))


def busiest(curve: np.ndarray, frames: int) -> int:
    """The first of the ``frames`` frames in a row with the most activity; 0 where there are fewer.

    Of equal stretches it is the middle one.
    """
    if len(curve) <= frames:
        return 0
    sums = np.convolve(curve, np.ones(frames), "valid")
    best = np.flatnonzero(sums >= sums.max() - 1e-9)
    return int(best[len(best) // 2])


def stretch_start(
    emg: np.ndarray, rate: float, seconds: float, after_cue_s: float | None = None
) -> int:
    """The first sample of the ``seconds`` of a recording (T, C) that are read.

    They are those with the most activity, or begin ``after_cue_s``; as far as the recording goes.
    """
    hop, length = frame_samples(rate), min(len(emg), round(seconds * rate))
    if after_cue_s is None:
        first = busiest(activity(emg, rate), max(1, round(seconds * rate / hop))) * hop
    else:
        first = round(after_cue_s * rate)
    return min(first, len(emg) - length)
