"""stage=live: growing files, LSL streams, windows, printed words."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.emg import channel_gains
from datamodules.store.dataset import PreparedSet
from datamodules.store.samples import Description, Frame, Sample
from datamodules.store.writer import write_all
from experiments.checkpoints.load import load_checkpoint
from experiments.stages import run_stage
from tests.helpers.streams import ScriptedRecognizer
from unvoiced import Engine
from unvoiced.emg.preprocessing import LivePreprocessor
from unvoiced.emg.quality import channel_rms
from unvoiced.live import emg_sources as streams
from unvoiced.live.emg_sources import GrowingTable, LSLStream
from unvoiced.live.emg_windows import EMGWindowBuffer, LeadTrimmer
from unvoiced.streams.emg import RealTimeBudget

RATE = 1000.0
SETTINGS = {"sample_rate": RATE, "channels": None, "uv_per_count": None, "skip_samples": None} | {
    **{"mains_hz": 50.0, "low_hz": 2.0, "high_hz": None, "resample_hz": None}
}
WRITER = """
import random, sys, time
random.seed(0)
content = open(sys.argv[1], "rb").read()
with open(sys.argv[2], "ab", buffering=0) as file:
    while content:
        size = random.choice([1, 2, 100, 3000])
        file.write(content[:size])
        content = content[size:]
        time.sleep(0.002)
"""


def make_signal(samples: int, channels: int = 8, seed: int = 0) -> np.ndarray:
    """Return (T, C) noise with an offset and an own amplitude per channel."""
    noise = np.random.default_rng(seed).normal(size=(samples, channels))
    return 5000 + noise * np.arange(5, 5 + channels)


def format_rows(rows: np.ndarray, delimiter: str = ",") -> bytes:
    return "".join(delimiter.join(f"{x:.2f}" for x in row) + "\n" for row in rows).encode()


def write_table(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def read_source(path: Path, channels: int = 3, **waiting: float) -> np.ndarray:
    """Return all samples until the file stops growing."""
    source = GrowingTable(path, channels, **({"poll_s": 0.001, "idle_s": 0.002} | waiting))
    return np.concatenate([np.zeros((0, channels)), *source.read_chunks()])


def cut_values(values, places: list[int]) -> list:
    """Return ``values`` in pieces that end at these indices, modulo the length."""
    ends = sorted({place % (len(values) + 1) for place in places})
    return [values[a:b] for a, b in zip([0, *ends], [*ends, len(values)], strict=True)]


PLACES = st.lists(st.integers(0, 10_000), max_size=12)


# ---- tables that grow


@pytest.mark.parametrize(
    "content",
    [
        b"1,2,3\n4,5,6\n",
        b"1;2;3\r\n4;5;6\r\n",
        b"1\t2\t3\n\n4\t5\t6\n",
        b"\xef\xbb\xbf1,2,3\n4,5,6\n",
        b"a,b,c\n1,2,3\n4,5,6\n",
        b'"time";a;b;c\n0.0;1;2;3\n0.1;4;5;6\n',
        b"a,b,timestamp,c\n1,2,12:30:01,3\n4,5,12:30:02,6\n",
        b",a,b,c\n0,1,2,3\n1,4,5,6\n",
        b"1, 2, 3\n 4, 5, 6\n7,8",
    ],
    ids=["comma", "crlf", "tab", "bom", "named", "time", "clock", "index", "half_line"],
)
def test_tables_of_many_programs_give_equal_samples(tmp_path: Path, content: bytes) -> None:
    np.testing.assert_array_equal(
        read_source(write_table(tmp_path / "emg.csv", content)), [[1, 2, 3], [4, 5, 6]]
    )


def test_an_empty_field_is_nan(tmp_path: Path) -> None:
    result = read_source(write_table(tmp_path / "emg.csv", b"1,2,3\n,,\n4,nan,6\n"))
    np.testing.assert_array_equal(result, [[1, 2, 3], [np.nan] * 3, [4, np.nan, 6]])


@pytest.mark.parametrize(
    ("content", "predicted"),
    [
        (b"1,2\n", r"emg\.csv, line 1: found 2 channels \(1,2\); expected 3.*names it time"),
        (b"a,b,c,d\n", r"line 1: found 4 channels \(a,b,c,d\); expected 3"),
        (b"1.0 2.0 3.0\n", r"line 1: found 1 channel .*; expected 3, with comma, tab or semicolon"),
        (b"a,b,c\n1,2,3\n1,2,3,4\n", r"line 3: found 4 columns; expected 3, as in the first"),
        (b"a,b,c\n\n1,x,3\n", r"line 3: found 'x' in column 2; expected a number"),
        (b"1,2,3\n\xff\xfe1\n", r"line 2: found bytes that are no text; expected .*UTF-8"),
        (b"7" * (streams.MAX_LINE_BYTES + 1), r"line 1: found more than .* bytes without"),
    ],
    ids=["few", "many", "spaces", "columns", "text", "bytes", "endless"],
)
def test_tables_of_other_channels_are_refused(tmp_path: Path, content, predicted: str) -> None:
    path = write_table(tmp_path / "emg.csv", content)
    with pytest.raises(ValueError, match=predicted):
        read_source(path)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nothing\.csv does not exist; expected a text table"):
        GrowingTable(tmp_path / "nothing.csv", 8)
    with pytest.raises(ValueError, match="is a folder"):
        GrowingTable(tmp_path, 8)


def test_a_shrinking_file_is_an_error(tmp_path: Path) -> None:
    path = write_table(tmp_path / "emg.csv", b"1,2,3\n4,5,6\n")
    chunks = GrowingTable(path, 3, poll_s=0.001).read_chunks()
    next(chunks)
    path.write_bytes(b"1,2,3\n")
    with pytest.raises(ValueError, match="became shorter.*12 were read after line 2"):
        next(chunks)


def test_reading_ends_when_the_file_stops_growing(tmp_path: Path) -> None:
    path = write_table(tmp_path / "emg.csv", b"1,2,3\n")
    begun = time.monotonic()
    assert len(read_source(path, poll_s=0.01, idle_s=0.1)) == 1
    assert time.monotonic() - begun >= 0.1


def test_a_half_written_line_is_waited_for(tmp_path: Path) -> None:
    path = write_table(tmp_path / "emg.csv", b"1,2,3\n4,5,6")

    def go_on() -> None:
        time.sleep(0.05)
        with path.open("ab") as file:
            file.write(b"7\n")

    writer = threading.Thread(target=go_on)
    writer.start()
    chunks = GrowingTable(path, 3, poll_s=0.001).read_chunks()
    np.testing.assert_array_equal(next(chunks), [[1, 2, 3]])
    np.testing.assert_array_equal(next(chunks), [[4, 5, 67]])
    writer.join()


@settings(max_examples=25)
@given(block=st.integers(1, 400), rows=st.integers(1, 30))
def test_a_table_does_not_depend_on_how_it_is_cut(block: int, rows: int, tmp_path_factory) -> None:
    expected = make_signal(rows, 3).round(2)
    path = write_table(
        tmp_path_factory.getbasetemp() / "cut.csv", b"a,b,c\r\n" + format_rows(expected)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "BLOCK_BYTES", block)
        np.testing.assert_array_equal(read_source(path), expected)


# ---- windows


@settings(max_examples=25)
@given(places=PLACES, size=st.integers(1, 40), hop=st.integers(1, 60), samples=st.integers(0, 150))
def test_windows_do_not_depend_on_the_chunks(places, size: int, hop: int, samples: int) -> None:
    emg = make_signal(samples, 2).astype(np.float32)
    windows = EMGWindowBuffer(size, hop, 2, RATE)
    result = [window for chunk in cut_values(emg, places) for window in windows.push(chunk)]
    assert [window.end for window in result] == list(range(size, samples + 1, hop))
    rest = windows.flush()
    result += [rest] if rest else []
    assert not samples or result[-1].end == samples
    for window in result:
        np.testing.assert_array_equal(window.samples, emg[max(0, window.end - size) : window.end])
    for number, window in enumerate(result, 1):
        strengths = [channel_rms(one.samples, RATE) for one in result[:number]]
        np.testing.assert_array_equal(window.rms, strengths[-1])
        np.testing.assert_array_equal(window.median_rms, np.median(strengths, axis=0))
    assert windows.flush() is None


def test_a_short_remainder_is_not_read() -> None:
    windows = EMGWindowBuffer(50, 20, 2, RATE)
    assert len(list(windows.push(make_signal(79, 2)))) == 2
    assert windows.flush(min_samples=10) is None and windows.flush(min_samples=9).end == 79


@settings(max_examples=8)
@given(places=PLACES, resample_hz=st.sampled_from([None, 250.0]))
def test_the_listener_does_not_depend_on_the_chunks(places, resample_hz: float | None) -> None:
    counts = np.vstack([np.zeros((7, 2)), make_signal(770, 2)])
    whole, pieces = (make_listener(resample_hz=resample_hz) for _ in range(2))
    expected = [*whole.push(counts), whole.flush()]
    result = [w for chunk in cut_values(counts, places) for w in pieces.push(chunk)] + [
        pieces.flush()
    ]
    assert [pieces.end_seconds(w) for w in result] == [whole.end_seconds(w) for w in expected]
    assert whole.duration_s == pytest.approx(0.777, abs=0.004)
    for first, second in zip(result, expected, strict=True):
        np.testing.assert_allclose(first.samples, second.samples, atol=1e-4)
        np.testing.assert_allclose(
            first.scale_channels("session"), second.scale_channels("session"), atol=1e-4
        )


def make_listener(**changes) -> LivePreprocessor:
    changed = SETTINGS | {k: v for k, v in changes.items() if k in SETTINGS}
    card = {"frame": {"shape": [2], "rate": changes.get("resample_hz") or RATE}}
    return LivePreprocessor(changed, card, window_s=0.3, hop_s=0.12)


def test_nan_and_infinite_samples_are_interpolated() -> None:
    counts = make_signal(400, 2)
    counts[100], counts[200, 1] = np.nan, 1e300
    window, *_ = make_listener(uv_per_count=0.5).push(counts)
    assert np.isfinite(window.samples).all()
    assert np.abs(window.samples).max() < 50  # and the offset makes no jump


@pytest.mark.parametrize(
    ("changes", "predicted"),
    [
        ({"channels": 4}, r"input_reader\.channels=4 is not valid; expected 2"),
        ({"sample_rate": 250.0}, r"becomes 250 Hz, .* 1000 Hz. Set input_reader\.resample_hz=1000"),
        ({"uv_per_count": 0}, r"input_reader\.uv_per_count=0 is not valid; expected µV"),
        ({"skip_samples": -1}, r"input_reader\.skip_samples=-1 is not valid; expected 0 or more"),
        ({"low_hz": -1.0}, r"input_reader\.low_hz=-1.0 is not valid; expected a frequency"),
    ],
    ids=["channels", "rate", "uv", "skip", "low"],
)
def test_settings_that_do_not_fit_the_checkpoint_are_named(changes, predicted: str) -> None:
    with pytest.raises(ValueError, match=predicted):
        make_listener(**changes)


def test_leading_zero_rows_are_dropped() -> None:
    begin, counts = LeadTrimmer(skip_samples=3), np.ones((10, 2))
    counts[3:6] = 0
    kept = [len(begin.push(chunk)) for chunk in cut_values(counts, [2, 4, 8])]
    assert kept == [0, 0, 2, 2] and begin.num_dropped == 6
    assert len(begin.push(np.zeros((5, 2)))) == 5  # later zeros are signal


def test_channels_are_scaled_as_in_training(tmp_path: Path) -> None:
    emg = (make_signal(300, 3) - 5000).astype(np.float32)
    emg[:, 2] = 0
    frame = Frame((3,), "float32", "a test", RATE)
    write_all(tmp_path / "set", Description("emg", frame, {}), [Sample("a", emg, "yes", "s1")])
    prepared = PreparedSet(tmp_path / "set", "emg")
    window, *_ = EMGWindowBuffer(300, 1, 3, RATE).push(emg)
    for scale in ("session", "recording", "none"):
        gains = channel_gains(prepared, scale)
        np.testing.assert_allclose(window.scale_channels(scale), emg * gains, rtol=1e-6)


# ---- what is said


def listen_to(script: ScriptedRecognizer, windows: int, **settings) -> tuple[Engine, list, list]:
    """Return the engine, its events and all readings of windows of 0.2 s."""
    engine, events, rows = Engine(script, window_s=0.2, hop_s=0.2, **settings), [], []
    for chunk in np.split(np.random.default_rng(0).normal(size=(20 * windows, 2)), windows):
        events += engine.push(chunk, 0.0)
        rows += engine.stream.window_readings
    return engine, events, rows


def test_only_new_confident_words_are_printed_and_all_are_logged() -> None:
    predicted = [("", 0.9), ("yes", 0.9), ("yes", 0.8), ("", 0.9), ("no", 0.4), ("yes", 0.7)]
    predicted += [("no, thanks", 0.5), ("yes", 0.6)]
    engine, events, rows = listen_to(ScriptedRecognizer(predicted), len(predicted))
    assert [(round(event.seconds, 3), event.label) for event in events] == [
        (0.4, "yes"),
        (1.4, "no, thanks"),
        (1.6, "yes"),
    ]
    assert [(text, sure) for _, text, sure in rows] == predicted
    assert engine.text == "yes no, thanks yes"


def test_a_slow_reader_skips_the_oldest_windows_and_counts_them() -> None:
    script = ScriptedRecognizer([("yes", 1.0)] * 30, takes_s=0.025)
    engine = Engine(script, window_s=0.1, hop_s=0.01)
    rows = []
    for chunk in np.random.default_rng(0).normal(size=(20, 1, 2)):
        engine.push(chunk, 0.0)
        rows += engine.stream.window_readings
    engine.end()
    rows, pace = rows + engine.stream.window_readings, engine.stream.budget
    assert pace.num_read == len(rows) <= 6 and pace.num_read + pace.num_skipped == 11
    assert "skipped: reading one took longer than live.hop_s=0.01" in pace.summarize()


@given(st.lists(st.floats(0, 5), max_size=50))
def test_the_delay_is_bounded(takes: list[float]) -> None:
    pace, now = RealTimeBudget(hop_s=1.0), 0.0
    for number, seconds in enumerate(takes):
        if pace.has_time():
            now = max(now, float(number)) + seconds  # the window is whole at ``number`` seconds
            pace.count_window(seconds)
        assert now - number <= 1 + max(takes) + 1e-9
    assert pace.num_skipped == 0 or max(takes) > 1


# ---- the stage


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from hydra import compose, initialize_config_dir

    from experiments.launch.resolvers import register_resolvers
    from tests.helpers.paths import ROOT

    folder = tmp_path_factory.mktemp("trained")
    register_resolvers()
    small = ("net.hidden_size=8", "net.num_layers=1", "trainer.max_epochs=1")
    quick = ("trainer.limit_train_batches=1", "objective=cross_entropy", "tokenizer=char")
    with initialize_config_dir(str(ROOT / "conf")):
        overrides = ["task=emg", "debug=smoke", *small, *quick, f"run_dir={folder}"]
        run_stage(compose("config", overrides))
    return folder / "checkpoints" / "best.ckpt"


@pytest.fixture
def live(run, checkpoint: Path):
    def make(path: Path | str, *overrides: str, run_dir: str = "run") -> pd.DataFrame:
        folder = run(
            *("task=emg", "stage=live", f"ckpt_path={checkpoint}", f"input={path}"),
            *("live.window_s=1.0", "live.idle_s=0.1", "live.min_probability=0", *overrides),
            run_dir=run_dir,
        )
        return pd.read_csv(folder / "live.csv", keep_default_na=False)

    return make


def test_a_file_that_another_program_writes_is_read_as_a_whole_one(
    live, tmp_path: Path, capsys
) -> None:
    counts = make_signal(2650)
    counts[500] = np.nan
    whole = write_table(tmp_path / "whole.csv", format_rows(counts, ";"))
    expected = live(whole, run_dir="whole")
    assert expected["time_s"].tolist() == [1.0, 1.5, 2.0, 2.5, 2.65]
    assert expected["probability"].between(0, 1).all() and len(expected["text"][0])
    printed = capsys.readouterr().out.splitlines()
    assert f"  {expected['text'][0]}" in printed[2]
    assert printed[-3] == "2.65 s heard, 5 windows read, 0 skipped"
    assert printed[-1] == f"Run folder: {tmp_path / 'whole'}"

    growing = write_table(tmp_path / "growing.csv", b"")
    command = [sys.executable, "-c", WRITER, str(whole), str(growing)]
    with subprocess.Popen(command) as writer:
        while not growing.stat().st_size:
            time.sleep(0.01)
        assert growing.stat().st_size < whole.stat().st_size
        result = live(growing, "live.idle_s=1.0", run_dir="growing")
    assert writer.returncode == 0
    pd.testing.assert_frame_equal(result, expected, atol=2e-4)


def test_a_short_input_is_read_once_and_a_tiny_one_never(live, tmp_path: Path) -> None:
    table = live(
        write_table(tmp_path / "short.csv", format_rows(make_signal(300))), run_dir="short"
    )
    assert table["time_s"].tolist() == [0.3]
    table = live(write_table(tmp_path / "tiny.csv", format_rows(make_signal(99))), run_dir="tiny")
    assert table.empty and list(table) == ["time_s", "text", "probability"]


def test_ctrl_c_keeps_all_recognized_words(live, tmp_path: Path, monkeypatch, capsys) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(streams.time, "sleep", interrupt)
    table = live(
        write_table(tmp_path / "emg.csv", format_rows(make_signal(1200))), "live.idle_s=null"
    )
    assert table["time_s"].tolist() == [1.0, 1.2]
    assert capsys.readouterr().out.splitlines()[-1].startswith("Run folder: ")


@pytest.mark.parametrize(("segment_s", "first"), [(None, 3.0), (0.8, 0.8)])
def test_a_window_is_as_long_as_what_was_trained_on(
    checkpoint: Path, live, tmp_path: Path, segment_s: float | None, first: float
) -> None:
    content = torch.load(checkpoint, weights_only=True)
    content["card"]["input"]["segment_s"] = segment_s
    torch.save(content, tmp_path / "changed.ckpt")
    path = write_table(tmp_path / "emg.csv", format_rows(make_signal(3000)))
    table = live(path, "live.window_s=null", f"ckpt_path={tmp_path / 'changed.ckpt'}")
    assert table["time_s"].iloc[0] == first


def test_the_stage_reads_as_the_checkpoint_does(checkpoint: Path, live, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"line 1: found 3 channels .* expected 8"):
        live(write_table(tmp_path / "three.csv", format_rows(make_signal(10, 3))))
    with pytest.raises(ValueError, match=r"becomes 250 Hz.*resample_hz=1000"):
        live(
            write_table(tmp_path / "emg.csv", format_rows(make_signal(10))),
            "input_reader.sample_rate=250",
        )
    assert load_checkpoint(checkpoint).card.frame["rate"] == RATE


@pytest.mark.parametrize(
    ("mistake", "predicted"),
    [
        ("input=null", "needs input=lsl:NAME, or a recording"),
        ("input=nothing.csv", r"nothing\.csv does not exist"),
        ("live.window_s=0.05", r"live\.window_s=0\.05 is not valid; expected 0\.1 seconds or more"),
        ("live.hop_s=0", r"live\.hop_s=0 is not valid; expected a number above 0"),
        ("live.hop_s=often", r"live\.hop_s=often is not valid; expected a number above 0"),
        ("live.idle_s=-1", r"live\.idle_s=-1 is not valid; expected a number above 0 .*or null"),
        (
            "live.min_probability=50",
            r"live\.min_probability=50 is not valid; expected .*\(a share\)",
        ),
        ("ckpt_path=null", "stage=live needs ckpt_path="),
        (
            "live.output=a.mp4",
            r"live.output=a\.mp4 is a video of images; the texts are in live\.csv",
        ),
    ],
    ids=("none", "missing", "window", "hop", "word", "idle", "percent", "checkpoint", "output"),
)
def test_invalid_settings_are_refused_in_one_sentence(live, mistake: str, predicted: str) -> None:
    with pytest.raises(ValueError, match=predicted):
        live("x.csv", mistake)


# ---- Lab Streaming Layer


def test_a_missing_pylsl_is_named(live, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pylsl", None)
    with pytest.raises(ValueError, match="needs the package pylsl.*: pip install pylsl"):
        live("lsl:Amplifier")


def test_a_stream_is_read_like_a_file(live, tmp_path: Path) -> None:
    lsl = pytest.importorskip("pylsl", reason="pylsl is not installed: pip install pylsl")
    name, counts = f"test-{time.time_ns()}", make_signal(1600).astype(np.float32)
    np.savetxt(tmp_path / "emg.csv", counts, "%.6f", delimiter=",")
    expected = live(tmp_path / "emg.csv", run_dir="file")
    outlet = lsl.StreamOutlet(lsl.StreamInfo(name, "EMG", 8, RATE, "float32", name))

    def send() -> None:
        assert outlet.wait_for_consumers(30)
        for chunk in np.array_split(counts, 40):
            outlet.push_chunk(chunk.tolist())
            time.sleep(0.002)

    sender = threading.Thread(target=send)
    sender.start()
    result = live(f"lsl:{name}", "live.idle_s=1.0")
    sender.join()
    pd.testing.assert_frame_equal(result, expected, atol=2e-4)
    with pytest.raises(ValueError, match="found 8 channels; expected 3"):
        LSLStream(name, 3)
    with pytest.raises(ValueError, match="found 1000 Hz; expected 250. Set .*sample_rate=1000"):
        LSLStream(name, 8, rate=250.0)
    with pytest.raises(ValueError, match=f"no such stream was found .* expected one of.*{name}"):
        LSLStream(f"not-{name}", 8, wait_s=0.2)
