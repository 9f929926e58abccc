"""The self-test of surface EMG, in a recording or while it arrives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unvoiced.doctor.findings import Fault, Finding, judge_faults, skip_check
from unvoiced.doctor.sample_rates import check_sample_rates
from unvoiced.doctor.signal_measurements import MAINS_HZ, SignalMeasurement, measure_signal
from unvoiced.emg.conditioning import EMGFilter

# Limits, with the extremes of 843 real recordings of eight electrodes and 304 of two, 250 Hz each.
LEAST_S = 0.5  # seconds; shorter ones are too short for their spectrum
FLAT_S = 0.3  # seconds without a change of a channel; at most 0.18 s in real recordings
MAX_REPEATED = 8  # samples in a row in which no channel changes
MAX_STUCK = (
    0.05  # share of samples three in a row at an extreme value; more in 2 of 1,147 real recordings
)
MAX_EXTREME = 0.1  # share of samples at an extreme value, one by one
WEAK_RATIO = 0.05  # of the median channel's strength; the weakest real channel has 0.21
NOISE_FLATNESS, NOISE_RATIO = 0.8, 5.0  # of a loose electrode; together at most 2.9 in real ones
LOOSE_RATIO = 40.0  # of the median, whatever the spectrum; the strongest real channel has 12
STRENGTH_UV = (0.5, 2_000.0)  # median RMS of the channels; 2.7 to 190 µV in real recordings
MAX_LINE_LEFT, MAX_LINE_SHARE = 25.0, 0.3  # prominence of hum after the filter, and its share
MAX_LINE_RATIO = 100.0  # hum before the filter over EMG; about 25 at most in real recordings
MOTION_RATIO, MAX_MOTION = 20.0, 0.3  # movement over EMG; share of the time, 0.2 in real ones
# Strengths and correlations of the channels fit the right order best, of all swaps of two channels,
# in 112 of 117 recordings of the same session, in 53 of 56 of another session with the same layout,
# and in none of 235 of other layouts: an order cannot be distinguished from a layout.
ORDER_NOTE = "cannot be known: electrode placements differ more than channels; compare the labels"
UNITS = {"volts": 1e6, "millivolts": 1e3, "nanovolts": 1e-3}  # µV


@dataclass(frozen=True)
class SignalFacts:
    """Metadata of a signal.

    Attributes:
        emg_filter: of the model, or as the reader is set.
        uv_per_count: µV per unit.
        channels: that are expected; None if it is not known.
        stated_hz: sample rate that the file or the stream states; None if it states none.
        arrived_hz: samples per second of the clock while they arrived; None for a recording.
        missing: places where the file states that samples are missing.
    """

    emg_filter: EMGFilter
    uv_per_count: float = 1.0
    channels: int | None = None
    stated_hz: float | None = None
    arrived_hz: float | None = None
    missing: int = 0


class SignalExamination:
    """Examines a signal.

    Args:
        facts: its metadata.
    """

    subject = "signal"
    annotated_image: np.ndarray | None = None

    def __init__(self, facts: SignalFacts) -> None:
        self.facts = facts
        self.chunks: list[np.ndarray] = []

    def push(self, samples: np.ndarray, seconds: float = 0.0) -> None:
        """Add samples (n, C) as recorded."""
        self.chunks.append(samples)

    def find_faults(self) -> list[Finding]:
        """Return the findings on all samples until now."""
        counts = np.concatenate(self.chunks) if self.chunks else np.zeros((0, 1))
        return check_signal(counts, self.facts)


def check_signal(counts: np.ndarray, facts: SignalFacts) -> list[Finding]:
    """Return the findings on samples (T, C) as recorded."""
    rate = float(facts.emg_filter.sample_rate)
    findings = [_check_duration(len(counts) / rate), _check_channels(counts.shape[1], facts)]
    if len(counts) < 0.1 * rate:
        names = ("samples", "sample rate", "electrodes", "clipping", "unit", "hum", "movement")
        return findings + [skip_check(name, "too few samples") for name in names]
    with np.errstate(over="ignore", invalid="ignore"):
        measured = measure_signal(counts, facts.emg_filter, facts.uv_per_count, MOTION_RATIO)
    return [
        *findings,
        _check_samples(measured, facts),
        check_sample_rates(rate, facts.stated_hz, facts.arrived_hz, measured.line),
        _check_electrodes(measured),
        _check_clipping(measured),
        _check_unit(measured, facts.uv_per_count),
        _check_hum(measured, facts.emg_filter.mains_hz),
        _check_movement(measured),
        skip_check("channel order", ORDER_NOTE),
    ]


def _check_duration(duration_s: float) -> Finding:
    fault = Fault(
        duration_s < LEAST_S,
        "The reading is too short" if duration_s else "No sample arrived",
        "record a few seconds, and check that the amplifier is sending",
    )
    return judge_faults("duration", f"{duration_s:.2f} s", f"{LEAST_S:g} s or more", [fault])


def _check_channels(found: int, facts: SignalFacts) -> Finding:
    if facts.channels is None:
        return skip_check("channels", f"{found}; set input_reader.channels= to the expected number")
    fault = Fault(
        found != facts.channels,
        "The number of channels is wrong",
        "send or record the channels of the training set, and no others",
    )
    return judge_faults("channels", str(found), str(facts.channels), [fault])


def _check_samples(measured: SignalMeasurement, facts: SignalFacts) -> Finding:
    faults = [
        Fault(
            measured.unknown_share > 0,
            "Samples are not numbers",
            "check the amplifier's connection, and the values that fill gaps of the recording",
        ),
        Fault(
            facts.missing > 0
            or (measured.repeated > MAX_REPEATED and not (measured.flat_s > FLAT_S).all()),
            "Samples were dropped",
            "bring the receiver closer, use a cable, or close other programs",
        ),
    ]
    found = (
        f"{measured.unknown_share:.1%} no numbers, {facts.missing} gaps, up to {measured.repeated} "
        "equal in a row"
    )
    return judge_faults("samples", found, f"no gaps, up to {MAX_REPEATED} equal", faults)


def _check_electrodes(measured: SignalMeasurement) -> Finding:
    rms, median = measured.rms_uv, float(np.median(measured.rms_uv))
    is_flat = measured.flat_s > FLAT_S
    # Of two channels, the stronger one shows that one is weak, the weaker one that one is loose.
    low, high = (float(np.quantile(rms, 0.5, method=side)) for side in ("lower", "higher"))
    is_weak = ~is_flat & (rms < WEAK_RATIO * high)
    is_noisy = (measured.flatness > NOISE_FLATNESS) & (rms > NOISE_RATIO * low)
    is_noisy |= (len(rms) > 2) & (rms > LOOSE_RATIO * low)
    is_noisy &= ~is_flat & (low > WEAK_RATIO * STRENGTH_UV[0])
    advice = "press it on, check its cable, and use fresh gel"
    faults = [
        Fault(bool(is_flat.any()), f"The electrode of {list_channels(is_flat)} is off", advice),
        Fault(bool(is_noisy.any()), f"The electrode of {list_channels(is_noisy)} is loose", advice),
        Fault(bool(is_weak.any()), f"The electrode of {list_channels(is_weak)} is off", advice),
    ]
    found = (
        f"channels from {rms.min() / max(median, 1e-12):.2f} to "
        f"{rms.max() / max(median, 1e-12):.2f} times the median, flat for up to "
        f"{measured.flat_s.max():.2f} s"
    )
    limits = f"{WEAK_RATIO:g} or more, noise up to {NOISE_RATIO:g} times, flat up to {FLAT_S:g} s"
    return judge_faults("electrodes", found, limits, faults)


def list_channels(mask: Sequence[bool] | np.ndarray) -> str:
    """Return the numbers of the marked channels, from 1, in words."""
    numbers = [str(number) for number, is_listed in enumerate(mask, 1) if is_listed]
    return f"channel{'s' * (len(numbers) > 1)} {', '.join(numbers)}"


def _check_clipping(measured: SignalMeasurement) -> Finding:
    is_clipped = (measured.stuck > MAX_STUCK) | (measured.extreme > MAX_EXTREME)
    is_clipped &= measured.flat_s <= FLAT_S
    fault = Fault(
        bool(is_clipped.any()),
        f"The signal of {list_channels(is_clipped)} is clipped",
        "lower the amplifier's gain, or place the electrodes anew",
    )
    found = f"up to {measured.extreme.max():.1%} of a channel at its extreme values"
    return judge_faults("clipping", found, f"at most {MAX_EXTREME:.0%}", [fault])


def _check_unit(measured: SignalMeasurement, uv_per_count: float) -> Finding:
    found, (low, high) = float(np.median(measured.rms_uv)), STRENGTH_UV
    expected = f"{low:g} to {high:,g} µV"
    if (measured.flat_s > FLAT_S).sum() * 2 > len(measured.flat_s):
        return skip_check("unit", "most channels are flat")
    unit = next((u for u, factor in UNITS.items() if 1 <= found / uv_per_count * factor <= 500), "")
    is_wrong = not low <= found <= high
    advice = "set input_reader.uv_per_count to the µV of one count"
    problem = "The signal is too weak" if found < low else "The signal is too strong"
    if unit and is_wrong:
        problem = f"The unit is wrong: the numbers may be {unit}"
        advice = f"set input_reader.uv_per_count={UNITS[unit]:g}"
    fault = Fault(is_wrong, problem, advice)
    return judge_faults("unit", f"median strength {found:.3g} µV", expected, [fault])


def _check_hum(measured: SignalMeasurement, mains_hz: float | None) -> Finding:
    line, left = measured.line, measured.line_left
    if line is None or left is None:
        return skip_check("hum", "too short to measure it")
    mains = min(MAINS_HZ, key=lambda hz: min(abs(left.hz - n * hz) / n for n in (1, 2, 3)))
    is_left = left.prominence > MAX_LINE_LEFT and left.share > MAX_LINE_SHARE
    is_mains = min(abs(left.hz - n * mains) for n in (1, 2, 3)) < 2
    removed = "nothing" if mains_hz is None else f"{mains_hz:g} Hz"
    faults = [
        Fault(
            is_left and is_mains and mains != mains_hz,
            f"Hum of {mains:g} Hz is left, as the filter removes {removed}",
            f"set input_reader.mains_hz={mains:g}, and move away from power supplies",
        ),
        Fault(
            (is_left and is_mains)
            or (measured.line_ratio > MAX_LINE_RATIO and line.prominence > MAX_LINE_LEFT),
            f"Hum of {line.hz:.0f} Hz drowns the signal",
            "check the reference electrode, use a battery, and move away from power supplies",
        ),
    ]
    found = (
        f"{line.hz:.0f} Hz, {measured.line_ratio:.1f} times the signal; after the filter "
        f"{left.share:.0%} of the power at {left.hz:.0f} Hz"
    )
    limits = f"at most {MAX_LINE_RATIO:g} times, and {MAX_LINE_SHARE:.0%}"
    return judge_faults("hum", found, limits, faults)


def _check_movement(measured: SignalMeasurement) -> Finding:
    fault = Fault(
        measured.motion > MAX_MOTION,
        "Movements drown the signal",
        "hold still, and fix cables and electrodes with tape",
    )
    found = f"{measured.motion:.0%} of the time {MOTION_RATIO:g} times the signal"
    return judge_faults("movement", found, f"at most {MAX_MOTION:.0%}", [fault])


def build_facts(settings: dict[str, Any], metadata: dict[str, Any], **source: Any) -> SignalFacts:
    """Return the facts of a signal.

    Args:
        settings: of the input reader; None for those of the model, or the reader's default.
        metadata: of a model; empty without one.
        source: metadata of the source, as attributes of ``SignalFacts``.

    Raises:
        ValueError: a setting is not valid, or the sample rate is not known.
    """
    frame, reader = metadata.get("frame", {}), metadata.get("reader", {})
    trained = {"sample_rate": frame.get("rate")} | reader
    given = {name: trained.get(name) if v is None else v for name, v in settings.items()}
    rate = given.get("sample_rate") or source.get("stated_hz")
    if rate is None:
        raise ValueError(
            "The sample rate is not known: the input states none. Set input_reader.sample_rate=<Hz>"
        )
    mains_hz = given.get("mains_hz") if metadata or given.get("mains_hz") is not None else 50.0
    low_hz = given.get("low_hz") or 0.5
    high_hz = given.get("high_hz")
    try:
        emg_filter = EMGFilter(float(rate), mains_hz, low_hz, high_hz)
    except ValueError as error:
        raise ValueError(f"input_reader.{error}") from error
    channels = given.get("channels") or next(iter(frame.get("shape", ())), None)
    return SignalFacts(emg_filter, float(given.get("uv_per_count") or 1.0), channels, **source)
