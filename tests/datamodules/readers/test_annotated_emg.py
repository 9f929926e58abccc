"""EDF, BDF, XDF and tables of boards: annotations become samples, whatever else is in the file."""

from __future__ import annotations

import struct
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.readers.emg.brainflow import BrainFlow
from datamodules.readers.emg.edf import EDF
from datamodules.readers.emg.emg_input import EMGInput
from datamodules.readers.emg.emg_manifest import EMGManifest
from datamodules.readers.emg.xdf import XDF
from datamodules.store.dataset import PreparedSet
from datamodules.store.prepare import prepare
from tests.helpers.emg_files import (
    EVENTS,
    FILTERS,
    RATE,
    make_emg,
    pack_chunk,
    pack_header,
    write_board,
    write_edf,
    write_xdf,
)
from tests.helpers.readers import read_samples, reasons_by_id


@pytest.fixture(scope="module")
def emg() -> np.ndarray:
    return make_emg(4, RATE)


def read(reader):
    return read_samples(reader, np.float32)


def write_two(path, emg, units=("uV", "uV"), annotations=EVENTS):
    return write_edf(path, list(emg.T.copy()), [RATE, RATE], ["A", "B"], units, annotations)


# ---- each format


@pytest.mark.parametrize("ending", [".edf", ".bdf"])
def test_annotations_of_edf_files_become_samples(tmp_path, emg, ending):
    (tmp_path / "s1").mkdir()
    write_two(tmp_path / "s1" / f"a{ending}", emg)
    samples, rejected = read(EDF(tmp_path, **FILTERS))
    assert [(s.label, s.group, len(s.features)) for s in samples] == [
        ("yes", "s1", 125),
        ("no", "s1", 125),
    ]
    assert not rejected
    assert len({s.sequence for s in samples}) == 2


def test_units_of_edf_channels_are_converted(tmp_path, emg):
    write_two(tmp_path / "a.bdf", emg * [1, 1e-3], ("uV", "mV"))
    samples, _ = read(EDF(tmp_path, **FILTERS))
    assert samples[0].features.std(0) == pytest.approx([50, 50], rel=0.3)


def test_edf_channels_without_voltage_are_left_out_or_named(tmp_path, emg):
    signals = [*emg.T.copy(), emg[:100, 0]]
    rates, names = [RATE, RATE, 25], ["A", "B", "Acc"]
    write_edf(tmp_path / "a.edf", signals, rates, names, ["uV", "uV", "g"], EVENTS)
    assert read(EDF(tmp_path, **FILTERS))[0][0].features.shape == (125, 2)
    assert read(EDF(tmp_path, channel_names=["B"], **FILTERS))[0][0].features.shape == (125, 1)
    for names, reason in [
        (["A", "Acc"], "channels of different sample rates: A 250 Hz, Acc 25 Hz"),
        (["Acc"], "states the unit 'g'; expected uV, mV, V or nV"),
        (["C"], "no channel 'C'; found 'A', 'B', 'Acc'"),
    ]:
        _, (row,) = read(EDF(tmp_path, channel_names=names, **FILTERS))
        assert reason in row.reason


def test_a_unit_may_be_given_where_none_is_stated(tmp_path, emg):
    write_two(tmp_path / "a.edf", emg, ("", ""))
    _, (row,) = read(EDF(tmp_path, **FILTERS))
    assert "no channel states a unit of voltage; found A (no unit)" in row.reason
    assert len(read(EDF(tmp_path, unit="uV", **FILTERS))[0]) == 2


def test_codes_of_a_bdf_status_channel_become_samples(tmp_path, emg):
    status = np.zeros(len(emg))
    status[250:400], status[500:650] = 65_536 + 1, 2  # bit 16 is no trigger
    signals = [emg[:, 0].copy(), status]
    write_edf(tmp_path / "a.bdf", signals, [RATE, RATE], ["A", "Status"], ["uV", ""])
    samples, _ = read(EDF(tmp_path, events={1: "yes", 2: "no"}, **FILTERS))
    assert [(s.label, len(s.features)) for s in samples] == [("yes", 150), ("no", 150)]


def test_markers_of_xdf_streams_become_samples(tmp_path, emg):
    write_xdf(tmp_path / "a.xdf", emg, RATE, [(1.0, "yes"), (2.0, "nö"), (3.8, "late")])
    samples, rejected = read(XDF(tmp_path, after_s=0.5, **FILTERS))
    assert [(s.label, s.group, len(s.features)) for s in samples] == [
        ("yes", "a", 125),
        ("nö", "a", 125),
    ]
    assert "leads out of the recording, which has 4.000 s" in rejected[0].reason
    _, rejected = read(XDF(tmp_path, **FILTERS))
    assert "without a duration. Set reader.after_s" in rejected[0].reason


@pytest.mark.parametrize("delimiter", ["\t", ","])
def test_markers_of_brainflow_tables_become_samples(tmp_path, emg, delimiter):
    codes = np.zeros(len(emg))
    codes[[250, 500]] = 1, 2
    write_board(tmp_path / "a.csv", emg, codes, delimiter=delimiter)
    reader = BrainFlow(tmp_path, events={1: "yes"}, after_s=0.5, **FILTERS)
    samples, rejected = read(reader)
    assert reader.sample_rate == RATE
    assert [(s.label, s.features.shape) for s in samples] == [("yes", (125, 8))]
    assert not rejected


def test_tables_of_the_openbci_gui_are_read(tmp_path, emg):
    lines = ["%OpenBCI Raw EXG Data", "%Number of channels = 2", "%Sample Rate = 250 Hz"]
    lines += ["Sample Index, EXG Channel 0, EXG Channel 1, Other, Timestamp, Marker Channel, Day"]
    lines += [
        f"{n}.0, {a:.3f}, {b:.3f}, 0.0, {1.7e9 + n / RATE:.4f}, {float(n == 250)}, 2023-05-01"
        for n, (a, b) in enumerate(emg)
    ]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    ((sample,), _) = read(BrainFlow(tmp_path, after_s=0.5, **FILTERS))
    assert (sample.label, sample.features.shape) == ("1", (125, 2))
    ((whole,), _) = read(EMGInput(tmp_path / "a.txt", sample_rate=RATE, channels=2, **FILTERS))
    assert whole.features.shape == (1000, 2)


def test_a_column_of_labels_marks_samples(tmp_path, emg):
    labels = ["yes" if 250 <= n < 375 else "" for n in range(len(emg))]
    rows = [
        f"{n / RATE},{a:.3f},{b:.3f},{label}"
        for n, ((a, b), label) in enumerate(zip(emg, labels, strict=True))
    ]
    (tmp_path / "a.csv").write_text("time,a,b,label\n" + "\n".join(rows))
    ((sample,), _) = read(BrainFlow(tmp_path, channel_names=["b"], **FILTERS))
    assert (sample.label, sample.features.shape) == ("yes", (125, 1))


# ---- annotations


def test_odd_annotations_cost_a_row_each(tmp_path, emg):
    odd = [
        (1.0, 0.5, "yes"),
        (1.1, 0.4, "no"),  # within the one before
        (1.45, 0.5, "so"),  # shares a little with the first one
        (3.9, 0.5, "late"),
        (3.0, -1, "moment"),
    ]
    samples, rejected = read(EDF(write_two(tmp_path / "a.edf", emg, annotations=odd).parent))
    assert [s.label for s in samples] == ["so"]
    reasons = {row.label: row.reason for row in rejected}
    assert "overlaps with the annotation 'no' at 1.100 s" in reasons["yes"]
    assert "leads out of the recording" in reasons["late"]
    assert "without a duration" in reasons["moment"]


def test_annotations_that_share_samples_stay_together(tmp_path, emg):
    near = [(1.0, 0.5, "yes"), (1.45, 0.5, "no"), (3.0, 0.5, "so")]
    write_two(tmp_path / "a.edf", emg, annotations=near)
    samples, _ = read(EDF(tmp_path, **FILTERS))
    assert samples[0].sequence == samples[1].sequence != samples[2].sequence


def test_events_select_and_rename_annotations(tmp_path, emg):
    write_two(tmp_path / "a.edf", emg)
    assert [s.label for s in read(EDF(tmp_path, events=["no"], **FILTERS))[0]] == ["no"]
    _, (row,) = read(EDF(tmp_path, events=["maybe"], **FILTERS))
    assert "no annotation that reader.events lists; found 'yes', 'no'" in row.reason


def test_an_annotation_that_is_not_utf8_costs_a_row(tmp_path, emg):
    path = write_two(tmp_path / "a.edf", emg)
    path.write_bytes(path.read_bytes().replace(b"\x14yes\x14", b"\x14y\xe9s\x14"))
    samples, (row,) = read(EDF(tmp_path, **FILTERS))
    assert [s.label for s in samples] == ["no"]
    assert r"the annotation y\xe9s at 1 s is not UTF-8" in row.reason


# ---- damage


def test_damaged_edf_files_cost_a_row_each(tmp_path, emg):
    content = write_two(tmp_path / "good.edf", emg).read_bytes()
    damaged = {
        "cut": (content[:-600], "truncated: 3 of 4 data records"),
        "empty": (b"", "it ends after 0 bytes"),
        "head": (content[:256], "it ends within the headers of its 10 signals"),
        "signals": (content[:252] + b"9999" + content[256:], "9,999 signals"),
        "records": (content[:236] + b"99999999" + content[244:], "samples in its header; at most"),
        "unknown": (content[:236] + b"-1      " + content[244:], "was not ended properly"),
        "text": (b"x" * 3000, "does not begin as an EDF or BDF file does"),
    }
    for name, (changed, _) in damaged.items():
        (tmp_path / f"{name}.edf").write_bytes(changed)
    samples, rejected = read(EDF(tmp_path, **FILTERS))
    assert len(samples) == 2
    reasons = reasons_by_id(rejected)
    for name, (_, reason) in damaged.items():
        assert reason in reasons[f"{name}.edf"]


def test_damaged_xdf_files_cost_a_row_each(tmp_path, emg):
    markers = [(1.0, "yes"), (2.0, "no")]
    content = write_xdf(tmp_path / "good.xdf", emg, RATE, markers).read_bytes()
    size = struct.pack("<IBI", 1, 4, len(emg))
    bomb = pack_header(3, "<!DOCTYPE x [<!ENTITY a 'aaaa'>]><info>&a;</info>")
    many = pack_header(3, "<info><channel_count>999999999</channel_count><nominal_srate>0"
                          "</nominal_srate></info>")  # fmt: skip
    damaged = {
        "many": (content.replace(size, struct.pack("<IBI", 1, 4, 2**32 - 1)), "states 4,294,967"),
        "empty": (b"", "does not begin as an XDF file does"),
        "none": (b"XDF:" + pack_chunk(1, b"<info/>"), "0 streams of signals; expected one"),
        "bomb": (content + bomb, "the header of a stream is damaged"),
        "wide": (content + many, "a stream of 999,999,999 channels"),
        "bytes": (content[:8] + b"\x07" + content[9:], ""),
    }
    for name, (changed, _) in damaged.items():
        (tmp_path / f"{name}.xdf").write_bytes(changed)
    (tmp_path / "truncated.xdf").write_bytes(content + content[4:20])
    samples, rejected = read(XDF(tmp_path, after_s=0.5, **FILTERS))
    assert len([s for s in samples if s.source in ("good.xdf", "truncated.xdf")]) == 4
    reasons = {row.source: row.reason for row in rejected}
    assert "truncated within its last chunk" in reasons["truncated.xdf"]
    for name, (_, reason) in damaged.items():
        assert reason in reasons[f"{name}.xdf"]


@given(data=st.data())
@settings(max_examples=4, deadline=None)
def test_changed_bytes_never_end_a_preparation(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damage")
    emg, ending = make_emg(3, 100), data.draw(st.sampled_from(["edf", "xdf"]))
    for name in ("a", "good"):
        path = folder / f"{name}.{ending}"
        if ending == "edf":
            write_edf(path, [emg[:, 0].copy()], [100], ["A"], ["uV"], [(1.0, 0.5, "yes")])
        else:
            write_xdf(path, emg, 100, [(1.0, "yes")])
    content = bytearray((folder / f"a.{ending}").read_bytes())
    for _ in range(data.draw(st.integers(0, 6))):
        place = data.draw(st.integers(0, min(len(content), 1200) - 1))
        content[place] = data.draw(st.integers(0, 255))
    (folder / f"a.{ending}").write_bytes(content[: data.draw(st.integers(0, len(content)))])
    options = {"after_s": 0.5, "mains_hz": None, "sample_rate": 100, "channels": 2}
    reader = XDF(folder, **options) if ending == "xdf" else EDF(folder, **options | {"channels": 1})
    prepare(reader, folder / "set", {}, num_workers=1, log=lambda line: None)
    assert f"good.{ending}#00000" in set(PreparedSet(folder / "set").manifest["id"])


@pytest.mark.parametrize(("package", "ending"), [("pyedflib", "edf"), ("pyxdf", "xdf")])
def test_a_missing_library_is_named(tmp_path, emg, monkeypatch, package, ending):
    path = tmp_path / f"a.{ending}"
    write_two(path, emg) if ending == "edf" else write_xdf(path, emg, RATE, [(1.0, "yes")])
    monkeypatch.setitem(sys.modules, package, None)
    reader = EDF(tmp_path) if ending == "edf" else XDF(tmp_path)
    _, (row,) = read(reader)
    assert f"need the package {package}" in row.reason
    assert f"pip install {package}" in row.reason


# ---- words of a manifest, and stage=predict


def test_words_are_cut_out_of_long_recordings(tmp_path, emg):
    np.save(tmp_path / "long.npy", emg)
    write_two(tmp_path / "b.edf", emg)
    rows = [
        "long.npy,yes,0.5,1.5",
        "long.npy,no,1.4,2.0",
        "b.edf,so,2,3.0",
        "long.npy,all,,",
        "long.npy,rest,3,",
        "long.npy,late,3.5,4.5",
        "long.npy,back,3,2",
        "long.npy,odd,x,2",
        "long.npy,void,-1,2",
    ]
    (tmp_path / "manifest.csv").write_text("path,text,start,end\n" + "\n".join(rows))
    reader = EMGManifest(tmp_path, sample_rate=RATE, **FILTERS)
    samples, rejected = read(reader)
    assert {s.label: len(s.features) for s in samples} == {
        "yes": 250, "no": 150, "so": 250, "all": 1000, "rest": 250,
    }  # fmt: skip
    by_label = {s.label: s for s in samples}
    assert by_label["yes"].sequence == by_label["no"].sequence != by_label["rest"].sequence
    reasons = {row.label: row.reason for row in rejected}
    assert "3.500 to 4.500 s leads out of the recording, which has 4.000 s" in reasons["late"]
    assert "end=2 s; expected more than start=3" in reasons["back"]
    assert "start='x' is not a number of seconds" in reasons["odd"]
    assert "start='-1' is not a number of seconds" in reasons["void"]


@pytest.mark.parametrize("ending", ["edf", "bdf", "xdf"])
def test_inputs_of_recording_programs_are_read(tmp_path, emg, ending):
    path = tmp_path / f"a.{ending}"
    write_xdf(path, emg, RATE) if ending == "xdf" else write_two(path, emg)
    ((sample,), _) = read(EMGInput(path, sample_rate=RATE, channels=2, **FILTERS))
    assert sample.features.shape == (1000, 2)
    _, (row,) = read(EMGInput(path, sample_rate=500, channels=2, **FILTERS))
    assert "its times show 250 Hz" in row.reason
