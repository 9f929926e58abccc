"""EMG filters, on tones, bursts and noise with known results."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from unvoiced.emg.conditioning import EMGFilter
from unvoiced.emg.quality import quality_issues

PLAIN = {"mains_hz": None}


def make_tone(hz, rate=1000, long_s=4.0, microvolts=10.0):
    """Return a tone (T, 1)."""
    return microvolts * np.sin(2 * np.pi * hz * np.arange(int(rate * long_s)) / rate)[:, None]


def make_noise(samples, channels, seed=0):
    return np.random.default_rng(seed).normal(0, 30, (samples, channels))


def measure_amplitude(emg, rate):
    """Return the amplitude of a tone (T, 1) in µV, away from the ends."""
    return float(np.sqrt(2) * emg[rate : -rate or None].std())


# ---- recordings


def test_dc_and_drift_are_removed():
    clean = make_tone(80)
    seconds = np.arange(len(clean))[:, None] / 1000
    emg = EMGFilter(1000, **PLAIN)(clean + 57_000 + 300 * seconds)
    assert emg.dtype == np.float32
    np.testing.assert_allclose(emg[500:-500], clean[500:-500], atol=0.5)
    assert np.abs(emg).max() < 16  # 57 mV make no jump at the ends either


def test_the_mains_and_its_harmonics_are_removed_and_the_rest_is_kept():
    hum = sum(make_tone(hz, microvolts=50) for hz in (50, 100, 150, 350))
    kept = sum(make_tone(hz) for hz in (20, 75, 125, 275, 430))
    emg = EMGFilter(1000, mains_hz=50)(hum + kept)
    np.testing.assert_allclose(emg[1000:-1000], kept[1000:-1000], atol=1.0)
    assert EMGFilter(1000, mains_hz=50).hum_frequencies()[-1] == 450
    assert EMGFilter(250, mains_hz=60).hum_frequencies() == [60, 120]
    assert EMGFilter(240, mains_hz=60).hum_frequencies() == [60]  # 120 is the Nyquist frequency
    assert (
        EMGFilter(100, mains_hz=60).hum_frequencies()
        == EMGFilter(1000, mains_hz=None).hum_frequencies()
        == []
    )


@pytest.mark.parametrize(("hz", "kept"), [(5, 0.0), (20, 0.5), (80, 1.0), (200, 0.5), (400, 0.0)])
def test_frequencies_outside_the_band_are_removed(hz, kept):
    emg = EMGFilter(1000, None, low_hz=20, high_hz=200)(make_tone(hz))
    assert measure_amplitude(emg, 1000) / 10 == pytest.approx(kept, abs=0.02)


def test_a_band_up_to_the_nyquist_frequency_has_no_upper_edge():
    emg = make_noise(500, 2)
    np.testing.assert_array_equal(
        EMGFilter(250, high_hz=125)(emg), EMGFilter(250, high_hz=None)(emg)
    )


@pytest.mark.parametrize(("rate", "to"), [(1000, 250), (250, 1000), (1000, 516.79), (2048, 1000)])
def test_resampling_keeps_a_tones_frequency_and_amplitude(rate, to):
    condition = EMGFilter(rate, resample_hz=to, **PLAIN)
    emg = condition(make_tone(40, rate))
    assert condition.output_rate == to
    assert len(emg) == pytest.approx(4 * to, abs=1)
    assert measure_amplitude(emg, round(to)) == pytest.approx(10, rel=0.02)
    spectrum = np.abs(np.fft.rfft(emg[:, 0] * np.hanning(len(emg)), 1 << 16))
    assert spectrum.argmax() * to / (1 << 16) == pytest.approx(40, abs=0.1)


def test_resampling_leaves_no_mirror_frequencies():
    emg = EMGFilter(1000, resample_hz=250, **PLAIN)(make_tone(210))
    assert measure_amplitude(emg, 250) < 0.2  # of 10


def make_burst(at=1500):
    emg = np.zeros((4000, 1))
    emg[at - 50 : at + 50] = make_tone(80)[:100] * np.hanning(100)[:, None]
    return emg


def find_center(emg):
    """Return the center of the energy in samples."""
    energy = emg[:, 0].astype(float) ** 2
    return float((energy * np.arange(len(energy))).sum() / energy.sum())


def test_a_recorded_burst_stays_where_it_is_and_a_live_one_comes_late():
    condition = EMGFilter(1000, high_hz=120, **PLAIN)
    assert find_center(condition(make_burst())) == pytest.approx(1500, abs=0.5)
    assert 1502 < find_center(condition.start_stream(1).push(make_burst())) < 1550


@pytest.mark.parametrize("samples", [0, 1, 2, 3, 7, 30])
def test_short_recordings_are_filtered(samples):
    emg = make_noise(samples, 3) + 1e5
    assert EMGFilter(1000)(emg).shape == (samples, 3)
    down = EMGFilter(1000, resample_hz=250)(emg)
    assert down.shape == (-(-samples // 4), 3)
    assert np.isfinite(down).all()


@pytest.mark.parametrize("emg", [np.zeros(5), np.zeros((5, 2, 2)), np.full((9, 2), np.nan)])
def test_arrays_that_are_not_signals_are_refused(emg):
    with pytest.raises(ValueError, match=r"expected \(samples, channels\)|not finite"):
        EMGFilter(1000)(emg)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_rate": 0}, "sample_rate=0 is not valid; expected a frequency in Hz above 0.$"),
        ({"sample_rate": float("nan")}, "sample_rate=nan is not valid; expected"),
        ({"sample_rate": None}, "sample_rate=null is not valid; expected"),
        ({"low_hz": -2}, "low_hz=-2 is not valid; expected a frequency in Hz above 0.$"),
        ({"low_hz": None}, "low_hz=null is not valid; expected"),
        ({"low_hz": 500}, "low_hz=500 is not valid; expected less than half of sample_rate=1000"),
        (
            {"low_hz": 20, "high_hz": 20},
            "high_hz=20 is not valid; expected more than low_hz=20, or null",
        ),
        ({"high_hz": -1}, "high_hz=-1 is not valid; expected a frequency in Hz above 0, or null"),
        ({"mains_hz": -50}, "mains_hz=-50 is not valid; expected"),
        ({"mains_hz": 0.5}, "mains_hz=0.5 is not valid; expected 50, 60 or null"),
        ({"resample_hz": 0}, "resample_hz=0 is not valid; expected"),
        (
            {"resample_hz": 0.01},
            "resample_hz=0.01 is not valid; expected a ratio to sample_rate=1000",
        ),
        ({"resample_hz": 1e9}, "resample_hz=1000000000.0 is not valid; expected a ratio"),
    ],
)
def test_impossible_settings_are_named(options, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        EMGFilter(**({"sample_rate": 1000} | options))


# ---- live signals


def filter_causally(condition, emg):
    """Return the same forward filter of a whole signal, computed by SciPy."""
    state = signal.sosfilt_zi(condition.sos)[..., None] * emg[0]
    emg, _ = signal.sosfilt(condition.sos, emg, axis=0, zi=state)
    if condition.ratio == 1:
        return emg
    up, down = condition.ratio.as_integer_ratio()
    most = max(up, down)
    taps = up * signal.firwin(20 * most + 1, 1 / most, window=("kaiser", 5.0))
    return signal.upfirdn(taps, emg, up, down, axis=0)[: -(-len(emg) * up // down)]


@settings(max_examples=50)
@given(
    sizes=st.lists(st.integers(0, 90), min_size=1, max_size=12),
    to=st.sampled_from([None, 250, 300, 1600]),
    seed=st.integers(0, 9),
)
def test_filtering_a_stream_does_not_depend_on_its_chunks(sizes, to, seed):
    condition = EMGFilter(1000, high_hz=200, resample_hz=to)
    emg = make_noise(sum(sizes), 2, seed) + 57_000
    live = condition.start_stream(2)
    got = [live.push(chunk) for chunk in np.split(emg, np.cumsum(sizes)[:-1])]
    assert {chunk.dtype for chunk in got} == {np.dtype(np.float32)}
    got = np.concatenate(got)
    expected = filter_causally(condition, emg) if len(emg) else np.zeros((0, 2))
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_a_long_stream_keeps_its_timing_and_bounded_memory():
    condition = EMGFilter(1000, resample_hz=300)
    emg, live = make_noise(20_000, 1), condition.start_stream(1)
    got = np.concatenate([live.push(emg[n : n + 33]) for n in range(0, len(emg), 33)])
    np.testing.assert_allclose(got, filter_causally(condition, emg), atol=1e-4)
    assert len(live._resampler.pending) < 250


def test_a_gap_in_a_stream_does_not_affect_later_samples():
    emg = make_noise(3000, 2) + 1000
    holed = emg.copy()
    holed[700:705, 1] = [np.nan, np.inf, -np.inf, np.nan, np.nan]
    held = emg.copy()
    held[700:705, 1] = emg[699, 1]
    condition = EMGFilter(1000)
    live = condition.start_stream(2)
    got = np.concatenate([live.push(holed[:702]), live.push(holed[702:])])
    np.testing.assert_array_equal(got, condition.start_stream(2).push(held))


def test_a_chunk_with_another_number_of_channels_is_refused():
    with pytest.raises(ValueError, match=r"shape \(5, 3\): expected \(samples, 2 channels\)"):
        EMGFilter(1000).start_stream(2).push(np.zeros((5, 3)))


# ---- faults


def test_a_good_recording_has_no_quality_issues():
    assert quality_issues(make_noise(1000, 8), 1000) == []
    assert (
        quality_issues(np.rint(make_noise(250, 2) / 30).astype(int), 250) == []
    )  # a handful of counts
    assert quality_issues(make_noise(100, 8), 1000) == []


@pytest.mark.parametrize(
    ("samples", "message"), [(0, "0 samples (0 s)"), (3, "3 samples (0.003 s)"), (99, "99 samples")]
)
def test_recordings_that_are_too_short_are_rejected(samples, message):
    (fault,) = quality_issues(make_noise(samples, 8), 1000)
    assert fault.startswith(message) and fault.endswith("long; min_s=0.1 asks for more")


def test_recordings_that_are_too_long_are_rejected():
    assert quality_issues(make_noise(1000, 8), 1000, max_s=0.5) == [
        "1000 samples (1 s) long; max_s=0.5 asks for less"
    ]
    assert quality_issues(make_noise(0, 8), 1000, min_s=0)  # nothing is never enough


def test_bad_channels_are_named_from_1():
    emg = make_noise(1000, 6)
    emg[5, 1], emg[9, 4] = np.nan, np.inf
    emg[:, 0] = 7
    emg[300:, 5] = -1
    emg[:, 2] = np.clip(emg[:, 2], -40, 20)
    assert quality_issues(emg, 1000) == [
        "channels 2, 5: numbers that are not finite",
        "channels 1, 6: flat for more than half of the time",
    ]
    emg[:, 3] = np.clip(20 * make_tone(5, long_s=1.0)[:, 0], -60, 100)
    (*_, clipped) = quality_issues(emg, 1000)
    assert clipped.startswith("channel 4: clipped, up to 7")
    assert quality_issues(emg[:, 3:4], 1000, max_clipped=1.0) == []
