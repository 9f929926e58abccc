"""Overlapping windows of an EMG signal that arrives in chunks.

Signals are (n, C): samples x channels.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from unvoiced.emg.quality import SCALE_MODES, channel_gain, channel_rms

MAX_REMEMBERED = 1200  # windows to keep RMS values of


class LeadTrimmer:
    """Drops the samples that recorders write before the signal, as the EMG readers do.

    Args:
        skip_samples: samples to drop; zeros in all channels that follow them are dropped too.

    Attributes:
        num_dropped: samples that were dropped.
    """

    def __init__(self, skip_samples: int = 0) -> None:
        self.skip_samples, self.num_dropped = skip_samples, 0
        self._has_begun = False

    def push(self, chunk: np.ndarray) -> np.ndarray:
        """Return the samples (n', C) of a chunk (n, C) that belong to the signal."""
        if self._has_begun:
            return chunk
        first = min(max(0, self.skip_samples - self.num_dropped), len(chunk))
        live = (np.isfinite(chunk[first:]) & (chunk[first:] != 0)).any(1)
        self._has_begun = bool(live.any())
        first += int(live.argmax()) if self._has_begun else len(live)
        self.num_dropped += first
        return chunk[first:]


@dataclass(frozen=True)
class EMGWindow:
    """The latest samples of a signal.

    Attributes:
        samples: (n, C) µV.
        end: samples of the signal up to the end of the window.
        rms: (C,) RMS of the window's channels, µV.
        median_rms: (C,) median RMS of all windows so far, µV.
    """

    samples: np.ndarray
    end: int
    rms: np.ndarray
    median_rms: np.ndarray

    def scale_channels(self, mode: str) -> np.ndarray:
        """Return (n, C) float32 with each channel divided by its RMS as in training.

        Args:
            mode: ``session``: the RMS of the windows so far, ``recording``: of this window, or
                ``none``.
        """
        assert mode in SCALE_MODES, mode
        if mode == "none":
            return self.samples.astype(np.float32)
        return self.samples * channel_gain(self.rms if mode == "recording" else self.median_rms)


class EMGWindowBuffer:
    """Cuts a signal that arrives in chunks into overlapping windows.

    The windows do not depend on how the signal is cut into chunks.

    Args:
        size: samples of a window.
        hop: samples from the end of a window to the end of the next.
        channels: C.
        rate: samples per second (Hz).
    """

    def __init__(self, size: int, hop: int, channels: int, rate: float) -> None:
        assert size >= 1 and hop >= 1, (size, hop)
        self.size, self.hop, self.rate = size, hop, rate
        self._pending = np.zeros((0, channels), np.float32)
        self._start = 0  # samples of the signal before ``_pending``
        self._end, self._next_end = 0, size
        self._rms_history: deque[np.ndarray] = deque(maxlen=MAX_REMEMBERED)

    def push(self, samples: np.ndarray) -> Iterator[EMGWindow]:
        """Yield the windows that these samples (n, C) complete."""
        self._pending = np.concatenate([self._pending, samples])
        while self._next_end <= self.num_samples:
            yield self._cut_window(self._next_end)

    def flush(self, min_samples: int = 1) -> EMGWindow | None:
        """Return a last window if ``min_samples`` or more were in none yet, else None."""
        if self.num_samples - self._end < max(1, min_samples):
            return None
        return self._cut_window(self.num_samples)

    @property
    def num_samples(self) -> int:
        """Samples received so far."""
        return self._start + len(self._pending)

    def _cut_window(self, end: int) -> EMGWindow:
        first = max(0, end - self.size)
        samples = self._pending[first - self._start : end - self._start].copy()
        self._pending, self._start = self._pending[first - self._start :], first
        self._end, self._next_end = end, end + self.hop
        self._rms_history.append(channel_rms(samples, self.rate))
        median_rms = np.median(self._rms_history, axis=0)
        return EMGWindow(samples, end, self._rms_history[-1], median_rms)
