"""EMG from counts to what a network takes: whole recordings, and signals that go on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from unvoiced.decisions import number, refuse
from unvoiced.emg.activity import find_segment_start
from unvoiced.emg.conditioning import OPTIONAL_SETTINGS, EMGFilter
from unvoiced.emg.quality import channel_gain, channel_rms, check_amplitude, preprocess_recording
from unvoiced.live.emg_windows import EMGWindow, EMGWindowBuffer, LeadTrimmer
from unvoiced.networks import as_trained

MOST_VALUES = 20_000_000  # of a window
MIN_S = 0.1  # seconds; the readers of recordings reject shorter ones too
TOO_LARGE = 1e9  # µV; no electrode gives a kilovolt, and one such number would fill the filter
FILTER = ("sample_rate", "mains_hz", "low_hz", "high_hz", "resample_hz")
LIMITS = ("uv_per_count", "skip_samples", "min_s", "max_s", "max_clipped")


def signal_of(counts: np.ndarray, about: dict[str, Any], rate: float | None = None) -> np.ndarray:
    """A recording (T, C) of counts → (T', C) float32, conditioned, cut and scaled as in training.

    Args:
        about: of a network.
        rate: of the recording, Hz; None for that of the training.

    Raises:
        ValueError: it has another shape, or is not fit to be read.
    """
    frame, settings = about["frame"], about.get("reader", {})
    channels = int(frame["shape"][0])
    if counts.ndim != 2 or counts.shape[1] != channels:
        raise ValueError(f"an array of shape {counts.shape}; expected (samples, {channels})")
    conditioner = conditioner_of(
        as_trained(dict.fromkeys(FILTER) | {"sample_rate": rate}, frame, settings)
    )
    emg = preprocess_recording(
        counts, conditioner, **{n: settings[n] for n in LIMITS if n in settings}
    )
    how = about["input"]
    if how.get("segment_s"):
        cue_s = how["segment_start_s"] if how["segment"] == "cue" else None
        first = find_segment_start(emg, frame["rate"], how["segment_s"], cue_s)
        emg = emg[first : first + round(how["segment_s"] * frame["rate"])]
    if how["scale"] == "none":
        return emg
    return emg * channel_gain(channel_rms(emg, frame["rate"]))


class Listener:
    """From counts to windows in µV that are filtered as the training set was, forwards alone.

    Args:
        settings: of the reader; what is not said, or None, is as the training set was read.
        about: of the network.
        live: ``window_s`` and ``hop_s``.

    Raises:
        ValueError: a setting that is impossible, or does not fit the checkpoint.
    """

    def __init__(
        self, settings: dict[str, Any], about: dict[str, Any], live: dict[str, Any]
    ) -> None:
        names = (*FILTER, "channels", "uv_per_count", "skip_samples")
        given = {name: settings.get(name) for name in names}
        settings = as_trained(given, about["frame"], about.get("reader", {}))
        self.channels = int(about["frame"]["shape"][0])
        self.uv_per_count = 1.0 if settings["uv_per_count"] is None else settings["uv_per_count"]
        self.skip = settings["skip_samples"] or 0
        self.conditioner = conditioner_of(settings)
        self._refuse_unfit(settings, float(about["frame"]["rate"]))
        rate = self.conditioner.output_rate
        size, hop = (max(1, round(live[name] * rate)) for name in ("window_s", "hop_s"))
        if size * self.channels > MOST_VALUES:
            raise ValueError(
                f"live.window_s={live['window_s']:g}: {size:,} samples of {self.channels:,} "
                f"channels; expected at most {MOST_VALUES:,} values"
            )
        self._is_unit_checked = False
        self.beginning = LeadTrimmer(self.skip)
        self.stream = self.conditioner.start_stream(self.channels)
        self.windows = EMGWindowBuffer(size, hop, self.channels, rate)

    def _refuse_unfit(self, settings: dict[str, Any], trained_hz: float) -> None:
        found, rate = settings["channels"], self.conditioner.output_rate
        if found not in (None, self.channels):
            raise ValueError(
                f"input_reader.channels={found}: the model was trained with {self.channels}"
            )
        if not number(self.uv_per_count) > 0:
            raise ValueError(
                f"input_reader.uv_per_count={self.uv_per_count}: expected µV a count, above 0"
            )
        if not number(self.skip) >= 0:
            raise ValueError(f"input_reader.skip_samples={self.skip}: expected 0 or more")
        if rate != trained_hz:
            raise ValueError(
                f"the input becomes {rate:g} Hz, and the model was trained on {trained_hz:g} Hz: "
                f"say input_reader.resample_hz={trained_hz:g}"
            )

    def push(self, counts: np.ndarray) -> Iterator[EMGWindow]:
        """The windows that these samples (n, C) complete.

        Raises:
            ValueError: the first one is too weak or too strong for surface EMG.
        """
        emg = self.beginning.push(counts) * self.uv_per_count
        emg = np.where(np.abs(emg) < TOO_LARGE, emg, np.nan)
        for window in self.windows.push(self.stream.push(emg)):
            self._check_unit(window)
            yield window

    def _check_unit(self, window: EMGWindow) -> None:
        """Refuse a signal whose first window is no surface EMG in µV."""
        if not self._is_unit_checked:
            self._is_unit_checked = True
            try:
                check_amplitude(window.rms, self.uv_per_count)
            except ValueError as error:
                raise ValueError(
                    f"input_reader.uv_per_count={self.uv_per_count:g}: {error}"
                ) from None

    def rest(self) -> EMGWindow | None:
        """What is left at the end of the input, if it is long enough to be read."""
        return self.windows.flush(round(MIN_S * self.conditioner.output_rate))

    def silence(self) -> EMGWindow:
        """A window in which nothing is heard."""
        nothing = np.zeros((self.windows.size, self.channels), np.float32)
        return EMGWindow(nothing, 0, np.zeros(self.channels), np.zeros(self.channels))

    @property
    def heard_s(self) -> float:
        """Seconds of input until now."""
        return self._seconds(self.windows.num_samples)

    def seconds(self, window: EMGWindow) -> float:
        """From the first sample of the input to the end of the window."""
        return self._seconds(window.end)

    def _seconds(self, samples: int) -> float:
        made = self.conditioner
        return samples / made.output_rate + self.beginning.num_dropped / made.sample_rate


def conditioner_of(settings: dict[str, Any]) -> EMGFilter:
    """The filters that a reader's settings ask for.

    Raises:
        ValueError: a setting is impossible.
    """
    given = {n: settings[n] for n in FILTER if settings[n] is not None or n in OPTIONAL_SETTINGS}
    try:
        return EMGFilter(**given)
    except ValueError as error:
        raise ValueError(f"input_reader.{error}") from error


class Pace:
    """How far reading is behind the signal, and which windows that costs.

    A window may take ``hop_s``; what it takes beyond that is carried over (Lindley, "The theory
    of queues with a single server", 1952), and paid by leaving out the windows that follow.

    Args:
        hop_s: seconds from window to window.
    """

    def __init__(self, hop_s: float) -> None:
        self.hop_s = hop_s
        self.behind_s = 0.0
        self.read = self.skipped = 0  # windows

    def due(self) -> bool:
        """Whether there is time for the next window; else it is skipped."""
        if self.behind_s < self.hop_s:
            return True
        self.behind_s -= self.hop_s
        self.skipped += 1
        return False

    def summary(self) -> str:
        """How many windows were read, and how many there was no time for."""
        said = f"{self.read:,} windows read, {self.skipped:,} skipped"
        if self.skipped:
            said += f": reading one took longer than live.hop_s={self.hop_s:g}"
        return said

    def took(self, seconds: float) -> None:
        """A window was read."""
        self.behind_s = max(0.0, self.behind_s + seconds - self.hop_s)
        self.read += 1


def refuse_impossible(live: dict[str, Any]) -> None:
    """``ValueError`` where one of ``window_s``, ``hop_s`` and ``min_probability`` is impossible."""
    size_s, hop_s, least = (number(live[n]) for n in ("window_s", "hop_s", "min_probability"))
    refuse(
        window_s=(live["window_s"], size_s >= MIN_S, f"{MIN_S} seconds or more"),
        hop_s=(live["hop_s"], hop_s > 0, "seconds above 0"),
        min_probability=(live["min_probability"], 0 <= least <= 1, "a share, 0 to 1"),
    )
