"""From EMG counts to the input of a network: whole recordings, and live signals in windows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from unvoiced.emg.activity import find_segment_start
from unvoiced.emg.conditioning import OPTIONAL_SETTINGS, EMGFilter
from unvoiced.emg.quality import channel_gain, channel_rms, check_amplitude, preprocess_recording
from unvoiced.live.emg_windows import EMGWindow, EMGWindowBuffer, LeadTrimmer
from unvoiced.metadata import fill_from_training
from unvoiced.validation import is_number, require

MAX_WINDOW_VALUES = 20_000_000
MIN_WINDOW_S = 0.1  # the readers of recordings reject shorter ones too
FILTER_SETTINGS = ("sample_rate", "mains_hz", "low_hz", "high_hz", "resample_hz")


def prepare_recording(
    counts: np.ndarray, metadata: dict[str, Any], sample_rate: float | None = None
) -> np.ndarray:
    """Filter, cut and scale a recording as in training: (T, C) → (T', C) float32.

    Args:
        counts: (T, C) as recorded.
        metadata: of a network.
        sample_rate: of the recording, Hz; None for that of the training set.

    Raises:
        ValueError: the recording has another shape, or is unusable.
    """
    return fit_recording(filter_recording(counts, metadata, sample_rate), metadata)


def filter_recording(
    counts: np.ndarray, metadata: dict[str, Any], sample_rate: float | None = None
) -> np.ndarray:
    """Filter a recording as a prepared set stores it: (T, C) → (T', C) float32, µV.

    Args:
        counts: (T, C) as recorded.
        metadata: of a network.
        sample_rate: of the recording, Hz; None for that of the training set.

    Raises:
        ValueError: the recording has another shape, or is unusable.
    """
    frame, reader = metadata["frame"], metadata.get("reader", {})
    channels = int(frame["shape"][0])
    if counts.ndim != 2 or counts.shape[1] != channels:
        raise ValueError(f"an array of shape {counts.shape}; expected (samples, {channels})")
    given = dict.fromkeys(FILTER_SETTINGS) | {"sample_rate": sample_rate}
    emg_filter = build_filter(fill_from_training(given, frame, reader))
    limits = ("uv_per_count", "skip_samples", "min_s", "max_s", "max_clipped")
    known = {name: reader[name] for name in limits if name in reader}
    return preprocess_recording(counts, emg_filter, **known)


def fit_recording(emg: np.ndarray, metadata: dict[str, Any]) -> np.ndarray:
    """Cut and scale a filtered recording (T, C) for a network: (T', C) float32."""
    settings, frame = metadata["input"], metadata["frame"]
    if settings.get("segment_s"):
        cue_s = settings["segment_start_s"] if settings["segment"] == "cue" else None
        first = find_segment_start(emg, frame["rate"], settings["segment_s"], cue_s)
        emg = emg[first : first + round(settings["segment_s"] * frame["rate"])]
    if settings["scale"] == "none":
        return emg
    return emg * channel_gain(channel_rms(emg, frame["rate"]))


class LivePreprocessor:
    """Cuts counts into windows in µV, filtered as the training set, but only forwards.

    Args:
        settings: of the input reader; a missing setting, or None, is that of the training set.
        metadata: of the network.
        window_s: seconds per window.
        hop_s: seconds from window to window.

    Raises:
        ValueError: a setting is not valid, or does not fit the network.
    """

    def __init__(
        self, settings: dict[str, Any], metadata: dict[str, Any], window_s: float, hop_s: float
    ) -> None:
        names = (*FILTER_SETTINGS, "channels", "uv_per_count", "skip_samples")
        given = {name: settings.get(name) for name in names}
        settings = fill_from_training(given, metadata["frame"], metadata.get("reader", {}))
        self.channels = int(metadata["frame"]["shape"][0])
        self.uv_per_count = 1.0 if settings["uv_per_count"] is None else settings["uv_per_count"]
        skip_samples = settings["skip_samples"] or 0
        self.emg_filter = build_filter(settings)
        self._check_settings(settings, skip_samples, float(metadata["frame"]["rate"]))
        rate = self.emg_filter.output_rate
        size, hop = (max(1, round(seconds * rate)) for seconds in (window_s, hop_s))
        count = f"{size:,} samples of {self.channels:,} channels"
        limit = f"at most {MAX_WINDOW_VALUES:,} values, not {count}"
        require("live.window_s", window_s, size * self.channels <= MAX_WINDOW_VALUES, limit)
        self._is_unit_checked = False
        self.trimmer = LeadTrimmer(skip_samples)
        self.stream = self.emg_filter.start_stream(self.channels)
        self.windows = EMGWindowBuffer(size, hop, self.channels, rate)

    def _check_settings(self, settings: dict[str, Any], skip: Any, trained_hz: float) -> None:
        channels, rate = settings["channels"], self.emg_filter.output_rate
        trained = f"{self.channels}, the channels of the training set"
        require("input_reader.channels", channels, channels in (None, self.channels), trained)
        uv_per_count = self.uv_per_count
        is_valid = is_number(uv_per_count) and uv_per_count > 0
        require("input_reader.uv_per_count", uv_per_count, is_valid, "µV per count, above 0")
        require("input_reader.skip_samples", skip, is_number(skip) and skip >= 0, "0 or more")
        if rate != trained_hz:
            raise ValueError(
                f"The input becomes {rate:g} Hz, and the model was trained on {trained_hz:g} Hz. "
                f"Set input_reader.resample_hz={trained_hz:g}"
            )

    def push(self, counts: np.ndarray) -> Iterator[EMGWindow]:
        """Yield the windows that these samples (n, C) complete.

        Raises:
            ValueError: the first window is too weak or too strong for surface EMG.
        """
        emg = self.trimmer.push(counts) * self.uv_per_count
        # No electrode gives a kilovolt; one such sample would stay in the filter.
        emg = np.where(np.abs(emg) < 1e9, emg, np.nan)
        for window in self.windows.push(self.stream.push(emg)):
            self._check_unit(window)
            yield window

    def _check_unit(self, window: EMGWindow) -> None:
        """Refuse a signal if its first window is no surface EMG in µV."""
        if not self._is_unit_checked:
            self._is_unit_checked = True
            try:
                check_amplitude(window.rms, self.uv_per_count)
            except ValueError as error:
                raise ValueError(
                    f"input_reader.uv_per_count={self.uv_per_count:g}: {error}"
                ) from None

    def flush(self) -> EMGWindow | None:
        """Return the rest of the input, if it is long enough to be read."""
        return self.windows.flush(round(MIN_WINDOW_S * self.emg_filter.output_rate))

    def silent_window(self) -> EMGWindow:
        """Return a window of zeros."""
        samples = np.zeros((self.windows.size, self.channels), np.float32)
        return EMGWindow(samples, 0, np.zeros(self.channels), np.zeros(self.channels))

    @property
    def duration_s(self) -> float:
        """Seconds of input so far."""
        return self._to_seconds(self.windows.num_samples)

    def end_seconds(self, window: EMGWindow) -> float:
        """Return the seconds from the first sample of the input to the end of a window."""
        return self._to_seconds(window.end)

    def _to_seconds(self, num_samples: int) -> float:
        dropped_s = self.trimmer.num_dropped / self.emg_filter.sample_rate
        return num_samples / self.emg_filter.output_rate + dropped_s


def build_filter(settings: dict[str, Any]) -> EMGFilter:
    """Build the filter of a reader's settings.

    Raises:
        ValueError: a setting is not valid.
    """
    given = {
        name: settings[name]
        for name in FILTER_SETTINGS
        if settings[name] is not None or name in OPTIONAL_SETTINGS
    }
    try:
        return EMGFilter(**given)
    except ValueError as error:
        raise ValueError(f"input_reader.{error}") from error
