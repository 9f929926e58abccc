"""Units, sample rates and text tables of EMG recordings, in every stage that reads them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.readers.emg.emg_input import EMGInput
from datamodules.readers.emg.emg_manifest import EMGManifest
from datamodules.store.dataset import PreparedSet
from datamodules.store.prepare import prepare
from datamodules.store.samples import Rejection, Sample
from tests.helpers.readers import read_outcomes
from unvoiced.emg.preprocessing import LivePreprocessor
from unvoiced.emg.quality import PLAUSIBLE_RMS_UV, channel_rms, check_amplitude
from unvoiced.emg.tables import estimate_sample_rate, parse_header, read_emg_table
from unvoiced.live.emg_sources import GrowingTable

read_emg_samples = partial(read_outcomes, dtype=np.float32)
RATE = 250.0


def make_signal(samples: int = 500, channels: int = 8, scale_uv: float = 20.0) -> np.ndarray:
    return np.random.default_rng(0).normal(0, scale_uv, (samples, channels))


def write_set(folder: Path, signals: dict[str, np.ndarray], header: str, suffix: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, signal in signals.items():
        np.save(folder / name, signal)
    rows = [f"{name},word{suffix}" for name in signals]
    (folder / "manifest.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder


# ---- units


@pytest.mark.parametrize(
    ("factor", "unit", "setting"),
    [(1e-6, "volts", "1e+06"), (1e-3, "millivolts", "1000")],
)
def test_other_units_are_refused_with_the_factor_to_set(tmp_path, factor, unit, setting):
    folder = write_set(tmp_path, {"a.npy": make_signal() * factor}, "path,text", "")
    (outcome,) = read_emg_samples(EMGManifest(folder, sample_rate=RATE))
    assert isinstance(outcome, Rejection)
    assert "too weak for surface EMG" in outcome.reason
    assert f"If they are in {unit}, set uv_per_count={setting}" in outcome.reason
    (sample,) = read_emg_samples(EMGManifest(folder, sample_rate=RATE, uv_per_count=float(setting)))
    (expected,) = read_emg_samples(
        EMGManifest(
            write_set(tmp_path / "uv", {"a.npy": make_signal()}, "path,text", ""), sample_rate=RATE
        )
    )
    np.testing.assert_allclose(sample.features, expected.features, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("scale_uv", [3e4, 1e9])
def test_numbers_that_are_too_strong_are_refused(tmp_path, scale_uv):
    folder = write_set(tmp_path, {"a.npy": make_signal(scale_uv=scale_uv)}, "path,text", "")
    (outcome,) = read_emg_samples(EMGManifest(folder, sample_rate=RATE))
    assert isinstance(outcome, Rejection)
    assert "too strong for surface EMG" in outcome.reason and "uv_per_count" in outcome.reason


@given(st.floats(0.3, 3000), st.sampled_from([1e-6, 1e-3, 1.0]))
def test_plausible_amplitudes_pass_and_the_named_factor_repairs_the_others(rms, factor):
    strengths = np.full(8, rms * factor)
    try:
        check_amplitude(strengths, 1.0)
    except ValueError as error:
        named = float(str(error).rsplit("=", 1)[1])
        check_amplitude(strengths * named, named)
    else:
        assert PLAUSIBLE_RMS_UV[0] <= rms * factor <= PLAUSIBLE_RMS_UV[1]


def test_a_live_signal_in_volts_is_refused_with_the_factor_to_set():
    about = {"frame": {"shape": [8], "rate": RATE}, "input": {}, "reader": {"sample_rate": RATE}}
    listener = LivePreprocessor({}, about, 1.0, 0.5)
    with pytest.raises(ValueError, match=r"input_reader.*If they are in volts, set uv_per_count="):
        [*listener.push(make_signal() * 1e-6)]
    in_volts = LivePreprocessor({"uv_per_count": 1e6}, about, 1.0, 0.5)
    assert len([*in_volts.push(make_signal() * 1e-6)]) == 3


# ---- sample rates


def test_a_manifest_without_a_sample_rate_asks_for_it(tmp_path):
    folder = write_set(tmp_path, {"a.npy": make_signal()}, "path,text", "")
    with pytest.raises(
        ValueError, match=r"sample_rate is missing.*such as reader.sample_rate=1000"
    ):
        EMGManifest(folder)


def test_the_column_of_rates_states_the_sample_rate(tmp_path):
    signals = {f"{n}.npy": make_signal() for n in range(3)}
    folder = write_set(tmp_path, signals, "path,text,rate", ",250")
    reader = EMGManifest(folder)
    assert reader.sample_rate == 250
    assert all(isinstance(outcome, Sample) for outcome in read_emg_samples(reader))


def test_preparing_states_rate_and_length(run, tmp_path, capsys):
    folder = write_set(
        tmp_path / "raw", {f"{n}.npy": make_signal() for n in range(3)}, "path,text,start_s", ",0.5"
    )
    command = ("task=emg", "stage=prepare", "reader=emg_manifest", "reader.sample_rate=250")
    run(*command, f"raw_dir={folder}", f"data_dir={tmp_path / 'set'}")
    printed = capsys.readouterr().out
    assert "Sample rate: 250 Hz; the median recording is 2 s long" in printed
    assert "warning: the reader does not use the columns start_s" in printed


# ---- text tables


def write_table(path: Path, signal: np.ndarray, time_unit: float = 1.0, name: str = "time") -> Path:
    times = np.arange(len(signal)) / RATE * time_unit
    names = ",".join([name, *(f"ch{n}" for n in range(signal.shape[1]))])
    np.savetxt(path, np.c_[times, signal], "%.6f", ",", header=names, comments="")
    return path


def test_prepare_reads_tables_as_predict_and_live_do(tmp_path):
    signal = make_signal()
    path = write_table(tmp_path / "a.csv", signal, name="timestamps")
    (tmp_path / "manifest.csv").write_text("path,text\na.csv,word\n")
    (prepared,) = read_emg_samples(EMGManifest(tmp_path, sample_rate=RATE))
    (predicted,) = read_emg_samples(EMGInput(path, sample_rate=RATE, channels=8))
    np.testing.assert_array_equal(prepared.features, predicted.features)
    live = np.concatenate([*GrowingTable(path, 8, poll_s=0, idle_s=0).read_chunks()])
    np.testing.assert_allclose(live, signal, atol=1e-6)


@pytest.mark.parametrize(("unit", "name"), [(1.0, "time"), (1e3, "time"), (1e3, "t_ms")])
def test_times_of_another_rate_are_refused(tmp_path, unit, name):
    path = write_table(tmp_path / "a.csv", make_signal(), unit, name)
    assert read_emg_table(path).sample_rate == pytest.approx(RATE, rel=1e-4)
    (outcome,) = read_emg_samples(EMGInput(path, sample_rate=1000, channels=8))
    assert isinstance(outcome, Rejection)
    assert "its times show 250 Hz, and input_reader.sample_rate=1000 is expected" in outcome.reason


def test_times_without_a_rate_state_none():
    assert estimate_sample_rate(None) is None
    assert estimate_sample_rate(np.zeros(10)) is None
    assert estimate_sample_rate(np.array([0.0, np.nan, 1.0, np.nan])) is None


OPENBCI = "%OpenBCI Raw EXG Data\n%Number of channels = 8\n%Sample Rate = 250 Hz\n"
BRAINFLOW = "\n".join("\t".join(["1.0"] * 24) for _ in range(50))


@pytest.mark.parametrize(
    ("content", "reason"),
    [(OPENBCI, "a raw file of OpenBCI"), (BRAINFLOW, "as BrainFlow's raw files have")],
)
def test_growing_files_of_recording_programs_are_named(tmp_path, content, reason):
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=reason):
        [*GrowingTable(path, 8, poll_s=0, idle_s=0).read_chunks()]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (OPENBCI, "without a line of names"),
        (OPENBCI + "Sample Index, a\n0.0, 1.0\n", "without a line of names"),
        ("time,index\n" + "0.1,1\n" * 50, "no column that is a channel"),
    ],
)
def test_tables_without_channels_are_refused(tmp_path, content, reason):
    path = tmp_path / "a.csv"
    path.write_text(content)
    (outcome,) = read_emg_samples(EMGInput(path, sample_rate=RATE, channels=8))
    assert reason in outcome.reason


def test_headers_name_channels_times_and_counters():
    header = parse_header("Sample Index;time_ms;a;b;Marker")
    assert (header.delimiter, header.channels, header.time) == (";", (2, 3), 1)
    assert (header.time_unit_s, header.has_names) == (1e-3, True)


# ---- damage


@given(data=st.data())
@settings(max_examples=25)
def test_damaged_recordings_cost_a_row_each(data, tmp_path_factory):
    """Cut, changed or exchanged bytes of arrays and tables never end a preparation."""
    folder = tmp_path_factory.mktemp("damage")
    np.save(folder / "a.npy", make_signal(100))
    write_table(folder / "b.csv", make_signal(100))
    np.save(folder / "good.npy", make_signal(100))
    name = data.draw(st.sampled_from(["a.npy", "b.csv"]))
    content = bytearray((folder / name).read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    (folder / name).write_bytes(data.draw(st.sampled_from([content, content[::-1]])))
    (folder / "manifest.csv").write_text("path,text\na.npy,x\nb.csv,x\ngood.npy,x\n")
    reader = EMGManifest(folder, sample_rate=RATE, channels=8)
    outcome = prepare(reader, folder / "set", {}, num_workers=1, log=lambda line: None)
    assert outcome.samples + outcome.rejected == 3
    prepared = PreparedSet(folder / "set")
    assert "good.npy" in set(prepared.manifest["id"])


def test_strength_is_that_of_the_fast_signal():
    drift = 1000 * np.sin(np.arange(1000) / 200)[:, None]
    rms = channel_rms(drift + make_signal(1000, 1), RATE)
    assert rms == pytest.approx([20], rel=0.15)
