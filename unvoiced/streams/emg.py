"""Text, read from a stream of EMG samples."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from unvoiced.emg.preprocessing import MIN_WINDOW_S, LivePreprocessor
from unvoiced.live.emg_windows import EMGWindow
from unvoiced.readings import NO_READING, Reading
from unvoiced.recognizer import Recognizer
from unvoiced.streams.base import StageTimer
from unvoiced.streams.decisions import Event, check_settings
from unvoiced.validation import require


class EMGStream:
    """Reads overlapping windows; a text that differs from the last one is an event.

    Args:
        recognizer: transcribes a window.
        reader: settings of the input: sample_rate, channels, uv_per_count, skip_samples, and the
            filters; a missing setting is that of the training set.
        window_s: seconds per window; None for the segments of the training set, or 3.
        hop_s: seconds from window to window.
        min_probability: minimum probability to write a text.

    Attributes:
        channels: C.
        sample_rate: of the input, Hz.
        window_readings: (end in seconds, text, probability) of each window of the last push.

    Raises:
        ValueError: a setting is not valid, or does not fit the network.
    """

    written_kinds, annotated_image = ("started",), None
    has_nested_events = False

    def __init__(
        self,
        recognizer: Recognizer,
        reader: dict[str, Any] | None = None,
        window_s: float | None = None,
        hop_s: float = 0.5,
        min_probability: float = 0.5,
    ) -> None:
        metadata = recognizer.metadata
        window_s = window_s or metadata["input"].get("segment_s") or 3.0
        check_settings(hop_s, min_probability, window_s)
        is_valid = window_s >= MIN_WINDOW_S
        require("live.window_s", window_s, is_valid, f"{MIN_WINDOW_S} seconds or more")
        self.recognizer, self.min_probability = recognizer, min_probability
        self.preprocessor = LivePreprocessor(reader or {}, metadata, window_s, hop_s)
        self.channels = self.preprocessor.channels
        self.sample_rate = self.preprocessor.emg_filter.sample_rate
        self.budget, self.scale = RealTimeBudget(hop_s), metadata["input"].get("scale", "session")
        self.reading, self.window_readings = NO_READING, []
        self._transcribe(self.preprocessor.silent_window())  # the first run is the slowest

    def push(self, frame: np.ndarray, seconds: float, timer: StageTimer) -> list[Event]:
        """Read samples (n, C) as recorded, and return the events."""
        self.window_readings = []
        windows = self.preprocessor.push(frame)
        return [event for window in windows for event in self._read_window(window, timer)]

    def end(self, seconds: float, timer: StageTimer) -> list[Event]:
        """Read the rest of the signal, and return the events."""
        self.window_readings, window = [], self.preprocessor.flush()
        return [] if window is None else self._read_window(window, timer, is_last=True)

    @property
    def duration_s(self) -> float:
        """Seconds of input so far."""
        return self.preprocessor.duration_s

    def describe_input(self) -> str:
        """Return the channels and windows in words."""
        windows, rate = self.preprocessor.windows, self.preprocessor.emg_filter.output_rate
        size_s, hop_s = windows.size / rate, windows.hop / rate
        channels = f"{self.channels} channels at {self.sample_rate:g} Hz"
        return f"{channels}, windows of {size_s:g} s every {hop_s:g} s"

    def summarize(self) -> str:
        """Return the numbers of windows that were read and skipped, in words."""
        return self.budget.summarize()

    def _read_window(
        self, window: EMGWindow, timer: StageTimer, is_last: bool = False
    ) -> list[Event]:
        """Read a window if there is time for it; the last one is always read."""
        if not (is_last or self.budget.has_time()):
            return []
        start, previous = time.perf_counter(), self.reading.label
        with timer.measure("network"):
            text, probability = self._transcribe(window)
        self.budget.count_window(time.perf_counter() - start)
        end_s = self.preprocessor.end_seconds(window)
        self.window_readings.append((end_s, text, probability))
        if not text or text == previous or probability < self.min_probability:
            return []
        top = ((text, probability),)
        signal = window.scale_channels(self.scale)
        self.reading = Reading(text, probability, top, signal=signal, frames=window.samples)
        return [Event("started", text, probability, end_s)]

    def _transcribe(self, window: EMGWindow) -> tuple[str, float]:
        return self.recognizer.transcribe(window.scale_channels(self.scale))


class RealTimeBudget:
    """Decides which windows are skipped so that reading keeps up with the signal.

    A window may take ``hop_s``; the excess is carried over (Lindley, "The theory of queues with a
    single server", 1952), and made up for by skipping the next windows.

    Args:
        hop_s: seconds from window to window.

    Attributes:
        behind_s: seconds by which reading is behind the signal.
        num_read, num_skipped: windows.
    """

    def __init__(self, hop_s: float) -> None:
        self.hop_s = hop_s
        self.behind_s = 0.0
        self.num_read = self.num_skipped = 0

    def has_time(self) -> bool:
        """Return whether there is time for the next window; otherwise count it as skipped."""
        if self.behind_s < self.hop_s:
            return True
        self.behind_s -= self.hop_s
        self.num_skipped += 1
        return False

    def count_window(self, seconds: float) -> None:
        """Count a window that took so many seconds."""
        self.behind_s = max(0.0, self.behind_s + seconds - self.hop_s)
        self.num_read += 1

    def summarize(self) -> str:
        """Return the numbers of windows that were read and skipped, in words."""
        summary = f"{self.num_read:,} windows read, {self.num_skipped:,} skipped"
        if self.num_skipped:
            summary += f": reading one took longer than live.hop_s={self.hop_s:g}"
        return summary
