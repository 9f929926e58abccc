"""The self-test names faults that are injected into simulated EMG, and no others."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers import signal_faults as faults
from unvoiced.doctor.findings import ALL_FINE, summarize_findings
from unvoiced.doctor.signals import SignalExamination, SignalFacts, build_facts, check_signal
from unvoiced.emg.conditioning import EMGFilter

RATE = 250.0


def simulate_counts(channels: int = 4, seconds: float = 4.0) -> np.ndarray:
    """Return muscle-like noise of about 10 µV with drift, an offset and some 50 Hz hum."""
    rng, count = np.random.default_rng(0), round(seconds * RATE)
    time_s = np.arange(count) / RATE
    noise = np.cumsum(rng.normal(0, 6, (count + 1, channels)), axis=0)
    muscle = np.diff(noise, axis=0) * (1 + 0.6 * np.sin(2 * np.pi * 0.7 * time_s))[:, None]
    hum = 30 * np.sin(2 * np.pi * 50 * time_s)[:, None]
    drift = 40 * np.sin(2 * np.pi * 0.3 * time_s)[:, None]
    return muscle + hum + drift + 5_000


def make_facts(**changes) -> SignalFacts:
    mains_hz = changes.pop("mains_hz", 50.0)
    rate = changes.pop("rate", RATE)
    return SignalFacts(EMGFilter(rate, mains_hz), **{"channels": 4} | changes)


def name_problems(counts: np.ndarray, **changes) -> str:
    return summarize_findings(check_signal(counts, make_facts(**changes)))


def test_nothing_is_wrong_with_an_unharmed_signal() -> None:
    assert name_problems(simulate_counts()) == ALL_FINE


CASES = {
    "falls off": (lambda x: faults.stop_channel(x, 1), {}, "The electrode of channel 2 is off"),
    "rail": (lambda x: faults.raise_to_rail(x, 3), {}, "The electrode of channel 4 is off"),
    "shorted": (lambda x: faults.short_channel(x, 0), {}, "The electrode of channel 1 is off"),
    "loose": (lambda x: faults.loosen_channel(x, 2), {}, "The electrode of channel 3 is loose"),
    "clipped": (lambda x: faults.clip_signal(x, 0.35), {}, "clipped"),
    "hum of 60 Hz": (lambda x: faults.add_hum(x, RATE, 60), {}, "Hum of 60 Hz is left"),
    "hum without a filter": (lambda x: x, {"mains_hz": None}, "Hum of 50 Hz is left"),
    "volts": (lambda x: faults.scale_unit(x, 1e-6), {}, "may be volts"),
    "millivolts": (lambda x: faults.scale_unit(x, 1e-3), {}, "may be millivolts"),
    "another rate": (lambda x: x, {"stated_hz": 500.0}, "the source states 500 Hz"),
    "slow arrival": (lambda x: x, {"arrived_hz": 180.0}, "the samples arrive with 180 Hz"),
    "rate by hum": (lambda x: x, {"rate": 500.0}, "by its hum the signal has 250 Hz"),
    "a channel less": (lambda x: x[:, 1:], {}, "The number of channels is wrong"),
    "no numbers": (faults.lose_numbers, {}, "Samples are not numbers"),
    "lost packets": (lambda x: faults.lose_samples(x, RATE), {}, "Samples were dropped"),
    "stated gaps": (lambda x: x, {"missing": 2}, "Samples were dropped"),
    "movement": (lambda x: faults.move_cables(x, RATE, 900.0), {}, "Movements drown the signal"),
    "too short": (lambda x: x[:60], {}, "The reading is too short"),
    "nothing": (lambda x: x[:0], {}, "No sample arrived"),
}


@pytest.mark.parametrize("fault", CASES)
def test_faults_are_named(fault: str) -> None:
    harm, changes, problem = CASES[fault]
    assert problem in name_problems(harm(simulate_counts()), **changes)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300, 0.0])
def test_a_signal_without_information_gives_sentences(value: float) -> None:
    examination = SignalExamination(make_facts())
    examination.push(np.full((500, 4), value))
    assert any(finding.is_ok is False for finding in examination.find_faults())


def test_settings_are_those_of_the_model() -> None:
    metadata = {"frame": {"rate": 250, "shape": [8]}, "reader": {"uv_per_count": 0.02}}
    settings = {"sample_rate": None, "uv_per_count": None, "mains_hz": 60, "channels": None}
    facts = build_facts(settings, metadata)
    assert (facts.emg_filter.sample_rate, facts.emg_filter.mains_hz) == (250, 60)
    assert (facts.uv_per_count, facts.channels) == (0.02, 8)


def test_an_unknown_sample_rate_is_asked_for() -> None:
    with pytest.raises(ValueError, match="Set input_reader.sample_rate="):
        build_facts({"sample_rate": None}, {})
