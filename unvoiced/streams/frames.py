"""Labels, read from a stream of any frames: the default of a task."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from unvoiced.readings import NO_READING
from unvoiced.recognizer import Recognizer
from unvoiced.streams.base import StageTimer
from unvoiced.streams.decisions import Event, check_settings


class FrameStream:
    """Reads overlapping windows of frames; a label that differs from the last one is an event.

    Args:
        recognizer: predicts the label of a window.
        reader: settings of the input reader; not used.
        window_s: seconds per window; None for the median training recording.
        hop_s: seconds between windows.
        min_probability: minimum probability to write a label.

    Attributes:
        channels: numbers per frame.
        sample_rate: frames per second.
        window_readings: (end in seconds, label, probability) of each window of the last push.

    Raises:
        ValueError: a setting is not valid.
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
        frame = recognizer.metadata["frame"]
        self.recognizer, self.min_probability = recognizer, min_probability
        self.shape, self.dtype = tuple(frame["shape"]), frame["dtype"]
        self.channels, self.sample_rate = int(np.prod(self.shape)), float(frame["rate"])
        window_s = window_s or recognizer.metadata.get("clip_s") or 3.0
        check_settings(hop_s, min_probability, window_s)
        self.size, self.hop = (max(1, round(s * self.sample_rate)) for s in (window_s, hop_s))
        self.reading, self.window_readings = NO_READING, []
        self._window: deque[np.ndarray] = deque(maxlen=self.size)
        self._count = self._num_read = self._last_read = 0  # frames, windows, frames

    def push(self, frame: np.ndarray, seconds: float, timer: StageTimer) -> list[Event]:
        """Read one frame, or several (n, *frame_shape), and return the events.

        Raises:
            ValueError: an array of another shape.
        """
        frames = np.asarray(frame, self.dtype)
        if frames.shape != self.shape and frames.shape[1:] != self.shape:
            raise ValueError(f"frames of shape {frames.shape}; expected (n, *{self.shape})")
        self.window_readings, events = [], []
        for one_frame in frames.reshape(-1, *self.shape):
            self._window.append(one_frame)
            self._count += 1
            if self._count >= self.size and not (self._count - self.size) % self.hop:
                events += self._read_window(timer)
        return events

    def end(self, seconds: float, timer: StageTimer) -> list[Event]:
        """Read the frames since the last window."""
        self.window_readings = []
        return self._read_window(timer) if self._count > self._last_read else []

    @property
    def duration_s(self) -> float:
        """Seconds of input so far."""
        return self._count / self.sample_rate

    def describe_input(self) -> str:
        """Return the windows in words."""
        size_s, hop_s = self.size / self.sample_rate, self.hop / self.sample_rate
        rate = f"{self.channels} channels at {self.sample_rate:g} Hz"
        return f"{rate}, windows of {size_s:g} s every {hop_s:g} s"

    def summarize(self) -> str:
        """Return the number of windows in words."""
        return f"{self._num_read:,} windows read"

    def _read_window(self, timer: StageTimer) -> list[Event]:
        with timer.measure("network"):
            frames = np.stack(self._window)
            probabilities = self.recognizer.predict_probabilities(frames)
        previous = self.reading.label
        reading = self.recognizer.to_reading(probabilities, frames=frames)
        self._num_read, self._last_read = self._num_read + 1, self._count
        self.window_readings.append((self.duration_s, reading.label, reading.probability))
        if reading.label == previous or reading.probability < self.min_probability:
            return []
        self.reading = reading
        answer = reading.label, reading.probability, self.duration_s
        return [Event("started", *answer, probabilities=probabilities)]
