"""Frames that stream to labels, for tasks whose network reads frames as they arrive."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from unvoiced.decisions import Event, number, refuse
from unvoiced.engine import Clock
from unvoiced.recognizer import NOTHING, Recognizer

WINDOW_S = 3.0  # where training does not state the length of a recording


class FrameStream:
    """Overlapping windows of frames to labels; a label that changes is an event.

    Args:
        recognizer: predicts the label of a window.
        reader: settings of the input reader; not used.
        window_s: seconds per window; None for the median training recording.
        hop_s: seconds between windows.
        min_probability: from which a label is written.

    Attributes:
        channels: numbers per frame.
        sample_rate: frames per second.
        heard: (end in seconds, label, probability) of each window of the last push.

    Raises:
        ValueError: an impossible setting.
    """

    writes, seen = ("started",), None

    def __init__(
        self,
        recognizer: Recognizer,
        reader: dict[str, Any] | None = None,
        window_s: float | None = None,
        hop_s: float = 0.5,
        min_probability: float = 0.5,
    ) -> None:
        frame = recognizer.about["frame"]
        self.recognizer, self.min_probability = recognizer, min_probability
        self.shape, self.dtype = tuple(frame["shape"]), frame["dtype"]
        self.channels, self.sample_rate = int(np.prod(self.shape)), float(frame["rate"])
        window_s = window_s or recognizer.about.get("clip_s") or WINDOW_S
        refuse(
            window_s=(window_s, 0 < number(window_s) < np.inf, "seconds above 0, or null"),
            hop_s=(hop_s, 0 < number(hop_s) < np.inf, "seconds above 0"),
            min_probability=(min_probability, 0 <= number(min_probability) <= 1, "0 to 1"),
        )
        self.size, self.hop = (max(1, round(s * self.sample_rate)) for s in (window_s, hop_s))
        self.reading, self.heard = NOTHING, []
        self._window: deque[np.ndarray] = deque(maxlen=self.size)
        self._count = self._num_read = self._last_read = 0  # frames, windows, frames

    def push(self, frame: np.ndarray, seconds: float, clock: Clock) -> list[Event]:
        """Read one frame, or several (n, *frame_shape), and return the events.

        Raises:
            ValueError: an array of another shape.
        """
        frames = np.asarray(frame, self.dtype)
        if frames.shape != self.shape and frames.shape[1:] != self.shape:
            raise ValueError(f"frames of shape {frames.shape}; expected (n, *{self.shape})")
        self.heard, events = [], []
        for one_frame in frames.reshape(-1, *self.shape):
            self._window.append(one_frame)
            self._count += 1
            if self._count >= self.size and not (self._count - self.size) % self.hop:
                events += self._read_window(clock)
        return events

    def end(self, seconds: float, clock: Clock) -> list[Event]:
        """Read the frames since the last window."""
        self.heard = []
        return self._read_window(clock) if self._count > self._last_read else []

    @property
    def heard_s(self) -> float:
        """Seconds of input until now."""
        return self._count / self.sample_rate

    def describe(self) -> str:
        """Return the windows in words."""
        size_s, hop_s = self.size / self.sample_rate, self.hop / self.sample_rate
        rate = f"{self.channels} channels at {self.sample_rate:g} Hz"
        return f"{rate}, windows of {size_s:g} s every {hop_s:g} s"

    def summary(self) -> str:
        """Return the number of windows in words."""
        return f"{self._num_read:,} windows read"

    def _read_window(self, clock: Clock) -> list[Event]:
        with clock.stage("network"):
            chances = self.recognizer.probabilities(np.stack(self._window))
        before, reading = self.reading.label, self.recognizer.reading(chances)
        self._num_read, self._last_read = self._num_read + 1, self._count
        self.heard.append((self.heard_s, reading.label, reading.probability))
        if reading.label == before or reading.probability < self.min_probability:
            return []
        self.reading = reading
        return [Event("started", reading.label, reading.probability, self.heard_s)]
