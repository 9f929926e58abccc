"""Records words from surface EMG."""

from __future__ import annotations

from typing import Any

import numpy as np

from datamodules.store.samples import Frame
from unvoiced.emg.conditioning import EMGFilter
from unvoiced.emg.quality import preprocess_recording
from unvoiced.teaching.captures import Capture
from unvoiced.teaching.recording import CaptureError
from unvoiced.validation import require

NO_IMAGE = np.zeros((1, 1, 3), np.uint8)


class SignalRecorder:
    """Records surface EMG for a fixed time after each cue.

    Args:
        window_s: seconds of a recording.
        sample_rate: of the source, Hz.
        channels: of the source.
        uv_per_count: µV per unit of the source.
        mains_hz: mains frequency, removed with its harmonics, Hz; None to keep it.
        low_hz, high_hz: edges of the band, Hz; ``high_hz`` may be None.
        resample_hz: sample rate of the recordings, Hz; None for that of the source.

    Raises:
        ValueError: a setting is not valid.
    """

    is_visible = True

    def __init__(
        self,
        window_s: float = 2.0,
        sample_rate: float = 1000.0,
        channels: int = 1,
        uv_per_count: float = 1.0,
        mains_hz: float | None = 50.0,
        low_hz: float = 0.5,
        high_hz: float | None = None,
        resample_hz: float | None = None,
    ) -> None:
        require("record.window_s", window_s, window_s >= 0.1, "0.1 seconds or more")
        try:
            self.emg_filter = EMGFilter(sample_rate, mains_hz, low_hz, high_hz, resample_hz)
        except ValueError as error:
            raise ValueError(f"input_reader.{error}") from error
        self.channels, self.uv_per_count = channels, uv_per_count
        self.num_samples = round(window_s * sample_rate)
        high = "" if high_hz is None else f" to {high_hz:g} Hz"
        meaning = f"surface EMG, µV, from {low_hz:g} Hz{high}"
        self.frame = Frame((channels,), "float32", meaning, self.emg_filter.output_rate)
        self.reader_settings: dict[str, Any] = {
            **{"sample_rate": sample_rate, "channels": channels, "uv_per_count": uv_per_count},
            **{"mains_hz": mains_hz, "low_hz": low_hz, "high_hz": high_hz},
            **{"resample_hz": resample_hz, "skip_samples": 0},
        }
        self._chunks: list[np.ndarray] = []

    def restart(self, is_new_class: bool = False) -> None:
        """Drop the samples until now."""
        self._chunks = []

    def push(self, samples: np.ndarray, seconds: float) -> Capture | None:
        """Add samples (n, C) as recorded; return the recording that they complete.

        Raises:
            CaptureError: a channel is flat, clipped or not finite, or no surface EMG in µV.
        """
        self._chunks.append(samples)
        if sum(map(len, self._chunks)) < self.num_samples:
            return None
        counts = np.concatenate(self._chunks)[: self.num_samples]
        try:
            emg = preprocess_recording(counts, self.emg_filter, self.uv_per_count)
        except ValueError as error:
            raise CaptureError(str(error)) from error
        return Capture((emg,), NO_IMAGE)

    def explain_timeout(self) -> str:
        """Return the reason why no word was recorded in time."""
        return "the source gave too few samples"
