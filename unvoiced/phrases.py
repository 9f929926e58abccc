"""EMG that is streamed to text that is written."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from unvoiced.decisions import Event
from unvoiced.engine import Clock
from unvoiced.live.emg_windows import EMGWindow
from unvoiced.muscles import Listener, Pace, refuse_impossible
from unvoiced.recognizer import NOTHING, Reading, Recognizer

WINDOW_S = 3.0  # longer than a short sentence, where training does not say


class Phrases:
    """Muscles to text: windows that overlap are read, and what is new in them is said.

    Args:
        reader: how the signal comes: sample_rate, channels, uv_per_count, skip_samples, and the
            filters; what is not said is as it was in training.
        window_s: seconds that are read at once; None for those that were trained on, or 3.
        hop_s: seconds from window to window.
        min_probability: a text that is less sure is not written.

    Attributes:
        channels: C.
        sample_rate: of the input, Hz.
        heard: each window of the last push: its end in seconds, its text, its probability.
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
        about = recognizer.about
        window_s = window_s or about["input"].get("segment_s") or WINDOW_S
        live = {"window_s": window_s, "hop_s": hop_s, "min_probability": min_probability}
        refuse_impossible(live)
        self.recognizer, self.min_probability = recognizer, min_probability
        self.listener = Listener(reader or {}, about, live)
        self.channels = self.listener.channels
        self.sample_rate = self.listener.conditioner.sample_rate
        self.pace, self.scale = Pace(hop_s), about["input"].get("scale", "session")
        self.reading, self.heard = NOTHING, []
        self._read(self.listener.silence())  # the first reading takes longer than all others

    def push(self, frame: np.ndarray, seconds: float, clock: Clock) -> list[Event]:
        self.heard = []
        windows = self.listener.push(frame)
        return [event for window in windows for event in self._hear(window, clock, False)]

    def end(self, seconds: float, clock: Clock) -> list[Event]:
        self.heard, rest = [], self.listener.rest()
        return [] if rest is None else self._hear(rest, clock, True)

    @property
    def heard_s(self) -> float:
        """Seconds of input until now."""
        return self.listener.heard_s

    def describe(self) -> str:
        """Return the channels and windows in words."""
        windows, out_rate = self.listener.windows, self.listener.conditioner.output_rate
        size_s, hop_s = windows.size / out_rate, windows.hop / out_rate
        rate = f"{self.channels} channels at {self.sample_rate:g} Hz"
        return f"{rate}, windows of {size_s:g} s every {hop_s:g} s"

    def summary(self) -> str:
        """Return how many windows were read, and how many there was no time for."""
        return self.pace.summary()

    def _hear(self, window: EMGWindow, clock: Clock, always: bool) -> list[Event]:
        """Read a window, if there is time for it; ``always``: in any case."""
        if not (always or self.pace.due()):
            return []
        begun, before = time.perf_counter(), self.reading.label
        with clock.stage("network"):
            text, sure = self._read(window)
        self.pace.took(time.perf_counter() - begun)
        end_s = self.listener.seconds(window)
        self.heard.append((end_s, text, sure))
        if not text or text == before or sure < self.min_probability:
            return []
        self.reading = Reading(text, sure, ((text, sure),))
        return [Event("started", text, sure, end_s)]

    def _read(self, window: EMGWindow) -> tuple[str, float]:
        return self.recognizer.text(window.scale_channels(self.scale))
