"""EMG files of recording programs with odd numbers, names and times: a row each, no wrong label."""

from __future__ import annotations

import numpy as np
import pytest

from datamodules.readers.emg.brainflow import BrainFlow
from datamodules.readers.emg.edf import EDF
from datamodules.readers.emg.xdf import XDF
from tests.helpers.emg_files import (
    EVENTS,
    FILTERS,
    RATE,
    make_emg,
    pack_header,
    write_board,
    write_edf,
    write_xdf,
)
from tests.helpers.readers import read_samples


@pytest.fixture(scope="module")
def emg() -> np.ndarray:
    return make_emg(4, RATE)


def read(reader):
    return read_samples(reader, np.float32)


def test_numbers_that_are_not_finite_are_no_markers(tmp_path, emg):
    codes = np.full(len(emg), np.nan)
    codes[[250, 500]] = 1, np.inf
    write_board(tmp_path / "a.csv", emg, codes)
    samples, rejected = read(BrainFlow(tmp_path, after_s=0.5, **FILTERS))
    assert [s.label for s in samples] == ["1"]
    assert not rejected


def test_a_sample_rate_that_is_not_plausible_costs_a_row(tmp_path, emg):
    lines = ["%Sample Rate = {rate} Hz", "EXG Channel 0, Marker Channel"]
    lines += [f"{a:.3f}, {int(n == 250)}" for n, a in enumerate(emg[:, 0])]
    for name, rate in (("a", "9" * 12), ("b", "250")):
        (tmp_path / f"{name}.txt").write_text("\n".join(lines).format(rate=rate))
    samples, (row,) = read(BrainFlow(tmp_path, after_s=0.5, **FILTERS))
    assert [s.source for s in samples] == ["b.txt"]
    assert "it states 1e+12 Hz; expected 20 to 100,000" in row.reason


def test_channels_and_streams_of_one_name_cannot_be_chosen(tmp_path, emg):
    write_edf(tmp_path / "a.edf", list(emg.T.copy()), [RATE] * 2, ["A", "A"], ["uV"] * 2, EVENTS)
    _, (row,) = read(EDF(tmp_path, channel_names=["A"], **FILTERS))
    assert "several channels have the name 'A'" in row.reason
    content = write_xdf(tmp_path / "a.xdf", emg, RATE, [(1.0, "yes")]).read_bytes()
    first = content.index(b"<info><name>amp")
    header = content[first : content.index(b"</info>", first) + 7].decode()
    (tmp_path / "a.xdf").write_bytes(content + pack_header(3, header))
    _, (row,) = read(XDF(tmp_path, after_s=0.5, **FILTERS))
    assert "2 streams of signals, with the same name and type" in row.reason


def test_gaps_and_odd_markers_of_xdf_streams_cost_a_row_each(tmp_path, emg):
    times = 100 + np.arange(len(emg)) / RATE
    times[300:] += 30.0
    marks = [(0.2, "yes"), (31.5, "no"), (0.9, "gap"), (np.nan, "never"), (1.0, b"\xff")]
    write_xdf(tmp_path / "a.xdf", emg, RATE, marks, times=times)
    samples, rejected = read(XDF(tmp_path, after_s=0.5, **FILTERS))
    assert [s.label for s in samples] == ["yes", "no"]
    reasons = " ".join(row.reason for row in rejected)
    assert "samples are missing between" in reasons
    assert "the marker 'never' has no finite time" in reasons
    assert "is not UTF-8" in reasons
