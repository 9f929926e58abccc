"""The EMG readers, on good and damaged files."""

from __future__ import annotations

import json
import pickle
import re
import zipfile
from functools import partial

import numpy as np
import pytest
import yaml

from datamodules.readers import manifests
from datamodules.readers.emg import emg_manifest
from datamodules.readers.emg.emg_input import EMGInput
from datamodules.readers.emg.gaddy import Gaddy
from datamodules.readers.emg.somach import Somach
from datamodules.store.dataset import PreparedSet
from datamodules.store.prepare import prepare
from datamodules.store.samples import Rejection
from tests.helpers.paths import ROOT, require_shared_data
from tests.helpers.readers import read_outcomes, read_samples, reasons_by_id

read_emg_outcomes = partial(read_outcomes, dtype=np.float32)
read_emg_samples = partial(read_samples, dtype=np.float32)
EMGManifest = partial(emg_manifest.EMGManifest, sample_rate=1000.0)


def make_signal(samples=500, channels=8, seed=0):
    return np.random.default_rng(seed).normal(0, 40, (samples, channels))


def save_array(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)
    return path


def make_manifest(folder, *rows, header="path,text"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return folder


# ---- what all readers of EMG share


def read_third_recording(folder, array, **options):
    """Read one recording beside two good ones of 8 channels, and return its outcome."""
    for name in ("good1", "good2"):
        save_array(folder / f"{name}.npy", make_signal())
    save_array(folder / "a.npy", array)
    make_manifest(folder, "good1.npy,x", "good2.npy,x", "a.npy,x")
    return read_emg_outcomes(EMGManifest(folder, **options))[2]


def test_a_recording_becomes_microvolts(tmp_path):
    counts = np.rint(make_signal() * 100 - 2_000_000).astype(np.int32)
    reader_options = {"uv_per_count": 0.5, "mains_hz": None, "high_hz": 400}
    sample = read_third_recording(tmp_path, counts, **reader_options)
    assert (sample.id, sample.label, sample.source) == ("a.npy", "x", "a.npy")
    assert sample.features.shape == (500, 8)
    assert np.abs(sample.features.mean(0)).max() < 1000  # the offset was a million µV
    assert 1500 < sample.features.std() < 2000
    reader = EMGManifest(tmp_path, **reader_options)
    assert reader.frame.meaning == "surface EMG, µV, from 0.5 Hz to 400 Hz"
    assert (reader.task, reader.classes, reader.frame.rate) == ("emg", (), 1000)
    assert pickle.loads(pickle.dumps(reader)).frame == reader.frame  # as worker processes get it


def test_resampled_recordings(tmp_path):
    sample = read_third_recording(tmp_path, make_signal(1000), resample_hz=250)
    assert len(sample.features) == 250
    assert EMGManifest(tmp_path, resample_hz=250).frame.rate == 250


def test_what_comes_before_the_signal_is_dropped(tmp_path):
    offset = make_signal() + 30_000
    offset[:3] = 0
    sample = read_third_recording(tmp_path, offset)
    assert len(sample.features) == 497
    assert np.abs(sample.features).max() < 400
    offset[3:20] = np.pi * np.arange(17)[:, None]
    assert np.abs(read_third_recording(tmp_path, offset).features).max() > 5000
    skipped = read_third_recording(tmp_path, offset, skip_samples=20)
    assert len(skipped.features) == 480
    assert np.abs(skipped.features).max() < 400


def break_recording(change):
    emg = make_signal()
    change(emg)
    return emg


def put_nan(emg):
    emg[9, 2] = np.nan


def flatten_channels(emg):
    emg[:, [0, 4]] = 3


def clip_channel(emg):
    emg[:, 7] = np.clip(80 * np.sin(np.arange(500) / 20), -50, 90)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        pytest.param(break_recording(put_nan), "channel 3: numbers that are not finite", id="nan"),
        pytest.param(
            break_recording(flatten_channels), "channels 1, 5: flat for more than half", id="flat"
        ),
        pytest.param(break_recording(clip_channel), "channel 8: clipped, up to 2", id="clipped"),
        pytest.param(make_signal(0), r"0 samples \(0 s\) long; min_s=0.1 asks", id="0 samples"),
        pytest.param(make_signal(3), r"3 samples \(0.003 s\) long", id="3 samples"),
        pytest.param(make_signal(9000), "max_s=5 asks for less", id="long"),
        pytest.param(
            make_signal().T, r"shape \(8, 500\), which looks like \(chan.*. Tran", id="turned"
        ),
        pytest.param(
            make_signal(400, 4), "4 channels; expected reader.channels=8, as most", id="few"
        ),
        pytest.param(
            make_signal()[:, 0], r"shape \(500,\); expected \(samples, channels\)", id="1-D"
        ),
        pytest.param(make_signal()[None], r"shape \(1, 500, 8\); expected", id="3-D"),
        pytest.param(np.array(3.0), r"shape \(\); expected", id="0-D"),
        pytest.param(
            make_signal().astype(object), "a.npy is damaged, or not an array", id="objects"
        ),
        pytest.param(
            make_signal().astype(complex), "holds complex128; expected integers", id="complex"
        ),
        pytest.param(make_signal().astype(str), "holds <U.*; expected integers or real", id="text"),
        pytest.param(make_signal() * 1e300, "too large for EMG", id="huge"),
    ],
)
def test_bad_recordings_cost_a_row_each(tmp_path, array, reason):
    outcome = read_third_recording(tmp_path, array, max_s=5)
    assert isinstance(outcome, Rejection)
    assert outcome.label == "x"
    outcome_of_fewer = reasons_by_id([outcome])["a.npy"]
    assert re.search(reason, outcome_of_fewer), outcome_of_fewer


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[:60],
        lambda whole: whole[:-100],
        lambda whole: b"hello, world" * 20,
        lambda whole: whole.replace(b"(500, 8)", b"(9e9, 8)"),
        lambda whole: whole.replace(b"'shape'", b"'shave'"),
    ],
    ids=["empty", "header cut", "data cut", "text", "shape", "key"],
)
def test_damaged_files_cost_a_row_each(tmp_path, damage):
    read_third_recording(tmp_path, make_signal())
    path = tmp_path / "a.npy"
    path.write_bytes(damage(path.read_bytes()))
    *_, outcome = read_emg_outcomes(EMGManifest(tmp_path))
    assert outcome.reason == "a.npy is damaged, or not an array of numbers as np.save writes it"


def test_an_archive_is_read_under_any_name(tmp_path):
    read_third_recording(tmp_path, make_signal())
    np.savez(tmp_path / "b.npz", make_signal())
    (tmp_path / "b.npz").rename(tmp_path / "a.npy")
    *_, outcome = read_emg_outcomes(EMGManifest(tmp_path))
    assert outcome.reason == "a.npy holds several arrays; expected one, as np.save writes it"


def test_the_most_frequent_number_of_channels_is_used(tmp_path):
    for number, channels in enumerate((2, 4, 4, 2, 4)):
        save_array(tmp_path / f"{number}.npy", make_signal(200, channels))
    save_array(tmp_path / "5.npy", make_signal(200).T)
    make_manifest(tmp_path, "absent.npy,x", *(f"{n}.npy,x" for n in range(6)))
    samples, rejected = read_emg_samples(EMGManifest(tmp_path))
    assert [sample.id for sample in samples] == ["1.npy", "2.npy", "4.npy"]
    assert list(reasons_by_id(rejected)) == ["absent.npy", "0.npy", "3.npy", "5.npy"]
    samples, rejected = read_emg_samples(EMGManifest(tmp_path, channels=2))
    assert [sample.id for sample in samples] == ["0.npy", "3.npy"]
    assert reasons_by_id(rejected)["1.npy"] == "4 channels; expected reader.channels=2"


def test_a_folder_without_usable_recordings_is_refused_with_the_reason(tmp_path):
    for number in range(3):
        save_array(tmp_path / f"{number}.npy", make_signal(900).T)
    make_manifest(tmp_path, *(f"{n}.npy,x" for n in range(3)))
    with pytest.raises(ValueError, match=r"not one recording .*0.npy: .*looks like \(channels"):
        prepare(EMGManifest(tmp_path), tmp_path / "out", {}, 1, lambda line: None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"sample_rate": -1},
            "reader.sample_rate=-1 is not valid; expected a frequency in Hz above 0",
        ),
        (
            {"low_hz": 130, "sample_rate": 250},
            "reader.low_hz=130 is not valid; expected less than half of sample_rate=250",
        ),
        ({"uv_per_count": 0}, "reader.uv_per_count=0 is not valid; expected µV per count, above 0"),
        ({"channels": 0}, "reader.channels=0 is not valid; expected 1 or more"),
        ({"skip_samples": -1}, "reader.skip_samples=-1 is not valid; expected 0 or more"),
        ({"min_s": -1}, "reader.min_s=-1 is not valid; expected"),
        ({"max_s": 0.05}, "reader.max_s=0.05 is not valid; expected more seconds than min_s=0.1"),
        ({"max_clipped": 10}, "reader.max_clipped=10 is not valid; expected a share from 0 to 1"),
    ],
)
def test_impossible_settings(tmp_path, options, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        EMGManifest(tmp_path, **options)


@pytest.mark.parametrize("name", ["emg_manifest", "gaddy", "somach"])
def test_the_configuration_names_every_argument_once(name):
    base, own = (
        yaml.safe_load((ROOT / "conf" / path).read_text("utf-8"))
        for path in ("reader_emg_base.yaml", f"reader/{name}.yaml")
    )
    assert own.pop("defaults") == ["/reader_emg_base", "_self_"]
    text = base | own
    kinds = {"emg_manifest": emg_manifest.EMGManifest, "gaddy": Gaddy, "somach": Somach}
    kind = kinds[name]
    assert text.pop("_target_") == f"{kind.__module__}.{kind.__name__}"
    assert text.pop("raw_dir") == "${raw_dir}"
    code = (kind.__init__.__code__, kind.__mro__[1].__init__.__code__)
    arguments = {n for one in code for n in one.co_varnames[: one.co_argcount]}
    assert set(text) == arguments - {"self", "raw_dir"}


# ---- manifests


def test_the_columns_of_a_manifest(tmp_path):
    for name in ("a", "b", "c"):
        save_array(tmp_path / "recordings" / f"{name}.npy", make_signal())
    make_manifest(
        tmp_path, "recordings/a.npy,0,enter ,train,1000", "./recordings//b.npy,1,the  quick\tfox,,",
        'recordings\\c.npy,1,"well, yes",valid,1000.4',
        header="path,session,text,split,rate",
    )  # fmt: skip
    samples, rejected = read_emg_samples(EMGManifest(tmp_path))
    assert not rejected
    assert [(s.id, s.label, s.group, s.split) for s in samples] == [
        ("recordings/a.npy", "enter", "0", "train"),
        ("recordings/b.npy", "the quick fox", "1", ""),
        ("recordings/c.npy", "well, yes", "1", "val"),
    ]


def test_columns_of_other_names(tmp_path):
    save_array(tmp_path / "a.npy", make_signal(250))
    make_manifest(tmp_path, "a.npy;yes;p1;s2;250", header="file;said;group;day;hz")
    options = {
        "path": "file",
        "text": "said",
        "group": "day",
        "sample_rates": "hz",
        "sample_rate": 250,
    }
    (sample,) = read_emg_outcomes(EMGManifest(tmp_path, **options))
    assert (sample.label, sample.group) == ("yes", "s2")
    usual = options | {"group": None}
    assert read_emg_outcomes(EMGManifest(tmp_path, **usual))[0].group == "p1"


def test_bad_rows_are_rejected_one_by_one(tmp_path):
    outside = save_array(tmp_path / "outside.npy", make_signal())
    folder = tmp_path / "raw"
    save_array(folder / "a.npy", make_signal())
    (folder / "link.npy").symlink_to(outside)
    (folder / "folder.npy").mkdir()
    make_manifest(
        folder, "a.npy,x,1000,", "absent.npy,x,,", "a.npy, ,,", ",x,,", "a.npy,x,250,",
        "a.npy,x,fast,", "../outside.npy,x,,", f"{outside},x,,", "C:\\a.npy,x,,", "link.npy,x,,",
        "a.npy,y,,holdout", "a.npy,x", "folder.npy,x,,", "a.npy,z,,test",
        header="path,text,rate,split",
    )  # fmt: skip
    samples, rejected = read_emg_samples(EMGManifest(folder))
    assert [(s.id, s.label) for s in samples] == [("a.npy", "x"), ("a.npy#line15", "z")]
    out = "leads out of raw_dir; expected a path below it"
    assert reasons_by_id(rejected) == {
        "absent.npy": "the file absent.npy is missing",
        "a.npy#line4": "line 4: text is missing",
        "#line5": "line 5: path is missing",
        "a.npy#line6": "line 6: recorded at 250 Hz; expected reader.sample_rate=1000. "
        "Prepare recordings of different rates separately",
        "a.npy#line7": "line 7: the rate 'fast' is not a number above 0 (Hz)",
        "../outside.npy": f"line 8: the path ../outside.npy {out}",
        str(outside): f"line 9: the path {outside} {out}",
        "C:\\a.npy": f"line 10: the path C:/a.npy {out}",
        "link.npy": "the file link.npy leads out of raw_dir",
        "a.npy#line12": "line 12: unknown split 'holdout'; expected train, val or test",
        "manifest.csv#line13": "line 13: found 2 fields, expected 4",
        "folder.npy": "the file folder.npy: cannot be read: a folder, not a regular file",
    }


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"file,text\na,x\n", {}, "has no column 'path'; found file, text. Set reader.path="),
        (b"path,label\na,x\n", {}, "has no column 'text'; found path, label. Set reader.text="),
        (b"path,text\na,x\n", {"group": "day"}, "has no column 'day'"),
        (b"path,text\na,x\n", {"manifest": "b.csv"}, "b.csv is missing.*there: manifest.csv"),
        (b"", {}, "holds nothing; expected a row per recording"),
        (b"path,text\n\n", {}, "holds a header and no row; expected"),
        (b'path,text\n"a,b\n', {}, "is not a table .*unexpected end"),
        ("path,text\nZoë,x".encode("latin-1"), {}, "is not a table .* in UTF-8"),
    ],
)
def test_invalid_manifests_are_refused(tmp_path, content, options, message):
    (tmp_path / "manifest.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        EMGManifest(tmp_path, **options).list_items()


def test_missing_manifests_and_manifests_elsewhere(tmp_path):
    with pytest.raises(ValueError, match=r"manifest.csv is missing.*there: none"):
        EMGManifest(tmp_path).list_items()
    with pytest.raises(ValueError, match=r"reader.manifest=../m.csv leads out"):
        EMGManifest(tmp_path, manifest="../m.csv")


def test_a_manifest_is_read_once_and_stays_out_of_worker_processes(tmp_path, monkeypatch):
    for number in range(30):
        save_array(tmp_path / f"{number}.npy", make_signal())
    make_manifest(tmp_path, *(f"{n}.npy,text {n},250" for n in range(30)), header="path,text,rate")
    tables = []
    read = manifests.read_table
    monkeypatch.setattr(manifests, "read_table", lambda *a: tables.append(a) or read(*a))
    reader = emg_manifest.EMGManifest(tmp_path)
    assert (reader.sample_rate, len(reader.list_items()), reader.frame.shape) == (250, 30, (8,))
    assert len(tables) == 1
    assert len(pickle.dumps(reader)) < 2000


def test_folders_set_the_split_of_a_table_above_them(tmp_path):
    for name in ("train/a", "train/b", "val/c", "test/d"):
        save_array(tmp_path / f"{name}.npy", make_signal())
    rows = ("train/a.npy,x,", "train/b.npy,x,test", "val/c.npy,y,", "test/d.npy,y,")
    make_manifest(tmp_path, *rows, header="path,text,split")
    reader = EMGManifest(tmp_path)
    splits = {item.id: item.split for item in reader.list_items()}
    assert [*splits.values()] == ["train", "test", "val", "test"]  # the column goes first
    assert "1 rows state another split than their folder; the column holds" in reader.notes[0]
    items = EMGManifest(tmp_path, split_folders=False).list_items()
    assert [item.split for item in items] == ["", "test", "", ""]


def test_folders_with_tables_of_their_own(tmp_path):
    for name in ("train", "val", "test"):
        save_array(tmp_path / name / "a.npy", make_signal())
        make_manifest(tmp_path / name, f"a.npy,word {name},250", header="path,text,rate")
    reader = emg_manifest.EMGManifest(tmp_path)
    items = reader.list_items()
    assert reader.sample_rate == 250
    found = [(item.id, item.label, item.split) for item in items]
    assert found == [(f"{n}/a.npy", f"word {n}", n) for n in ("test", "train", "val")]
    leftover = reader.list_leftover(items)
    assert not leftover.rejected and not leftover.unread
    samples, rejected = read_emg_samples(reader)
    assert len(samples) == 3 and not rejected
    (tmp_path / "val" / "manifest.csv").unlink()
    with pytest.raises(ValueError, match=r"val/manifest\.csv is missing"):
        emg_manifest.EMGManifest(tmp_path)


def test_a_linked_split_folder_is_not_read(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    save_array(elsewhere / "a.npy", make_signal())
    make_manifest(elsewhere, "a.npy,secret")
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "train").symlink_to(elsewhere)
    with pytest.raises(ValueError, match=r"raw/manifest\.csv is missing"):
        EMGManifest(tmp_path / "raw").list_items()


# ---- Gaddy & Klein


def write_piece(folder, number=0, samples=600, **changes):
    save_array(folder / f"{number}_emg.npy", make_signal(samples, seed=number))
    info = {"book": "books/Mars.txt", "sentence_index": number, "text": f"Sentence {number}."}
    info |= {"chunks": [[samples - 200, 3200, 40], [200, 1600, 20]]} | changes
    (folder / f"{number}_info.json").write_text(json.dumps(info), encoding="utf-8")
    return folder


def write_corpus(root):
    for name in ("silent_parallel_data/5-4_silent", "voiced_parallel_data/5-4_voiced"):
        for number in range(3):
            write_piece(root / "emg_data" / name, number)
    return write_piece(root / "emg_data" / "nonparallel_data" / "5-5", 10)


def test_silent_and_voiced_readings_share_texts(tmp_path):
    write_corpus(tmp_path)
    samples, rejected = read_emg_samples(Gaddy(tmp_path))
    assert not rejected
    assert len(samples) == 7
    texts = {mode: {s.label for s in samples if mode in s.group} for mode in ("silent", "5-4_v")}
    assert texts["silent"] == texts["5-4_v"] == {"Sentence 0.", "Sentence 1.", "Sentence 2."}
    assert {s.split for s in samples} == {""}
    assert samples[-1].group == "emg_data/voiced_parallel_data/5-4_voiced"
    assert samples[0].id == "emg_data/nonparallel_data/5-5/10_emg.npy"


@pytest.mark.parametrize(("mode", "count"), [("silent", 3), ("voiced", 4), ("all", 7)])
def test_the_mode_chooses_readings(tmp_path, mode, count):
    write_corpus(tmp_path)
    assert len(read_emg_outcomes(Gaddy(tmp_path, mode=mode))) == count
    below = tmp_path / "emg_data" / "silent_parallel_data"
    if mode != "voiced":
        assert {s.group for s in read_emg_outcomes(Gaddy(below, mode=mode))} == {"5-4_silent"}
    else:
        with pytest.raises(ValueError, match="expected voiced recordings <set>"):
            Gaddy(below, mode=mode).list_items()


def test_a_testset_sets_the_split(tmp_path):
    write_corpus(tmp_path)
    named = {"dev": [["books/Mars.txt", 1]], "test": [["books/Mars.txt", 2], ["other", 0]]}
    (tmp_path / "testset.json").write_text(json.dumps(named))
    samples = read_emg_outcomes(Gaddy(tmp_path, testset="testset.json", mode="silent"))
    assert [sample.split for sample in samples] == ["train", "val", "test"]


@pytest.mark.parametrize(
    "content", ["", "[]", '{"dev": 3}', '{"dev": [["a"]]}', '{"day": [["a", 1]]}', None]
)
def test_invalid_testset_files_are_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "t.json").write_text(content)
    with pytest.raises(ValueError, match=r"reader.testset=t.json: expected a JSON file below"):
        Gaddy(tmp_path, testset="t.json")


def test_bad_pieces_are_rejected_one_by_one(tmp_path):
    changes = {
        1: {"sentence_index": -1, "text": ""},
        2: {"text": " "},
        3: {"text": None},
        4: {"chunks": [[900, 1, 1]]},
        5: {"chunks": [3]},
        6: {"sentence_index": "six"},
    }
    for number in range(10):
        write_piece(tmp_path / "s", number, **changes.get(number, {}))
    (tmp_path / "s" / "7_info.json").write_text('{"text": ')
    (tmp_path / "s" / "8_info.json").unlink()
    (tmp_path / "s" / "9_info.json").write_text("[1]")
    (sample,), rejected = read_emg_samples(Gaddy(tmp_path))
    assert (sample.id, sample.group, sample.label) == ("s/0_emg.npy", "s", "Sentence 0.")
    result = {name.split("/")[1][0]: reason for name, reason in reasons_by_id(rejected).items()}
    assert result.pop("7").startswith("7_info.json: not a JSON file: ")
    assert result == {
        "1": "1_info.json: not a sentence: sentence_index=-1",
        "2": "2_info.json: the text is empty",
        "3": "3_info.json: found book, sentence_index, text, chunks; expected a text under 'text'",
        "4": "600 samples, but the chunks of 4_info.json add up to 900: damaged, or of another "
        "sample rate",
        "5": "5_info.json: chunks: expected [[samples of EMG, of audio, of button], …]",
        "6": "6_info.json: sentence_index='six': expected an integer",
        "8": "8_info.json: the file is missing",
        "9": "9_info.json: found a JSON list, expected an object {…}",
    }


def test_a_folder_without_gaddys_layout_is_refused(tmp_path):
    (tmp_path / "a.npy").write_text("x")
    with pytest.raises(ValueError, match=r"expected recordings <set>/.*_emg.npy, found a.npy"):
        Gaddy(tmp_path).list_items()
    with pytest.raises(ValueError, match="reader.mode=loud is not valid; expected one of silent"):
        Gaddy(tmp_path, mode="loud")


# ---- Somach


def write_archive(path, lengths=(250, 240, 260), **changes):
    offset = np.cumsum([0, *lengths])
    total = int(offset[-1])
    arrays = {
        "adc": np.rint(2000 + make_signal(total, 2)).astype(np.int16),
        "t_ms": 70_000 + 4 * np.arange(total, dtype=np.int32),
        "offset": offset,
        "label": np.arange(len(lengths), dtype=np.uint8) % 2,
        "classes": np.array(["DOWN", "UP"]),
        "phase": np.arange(len(lengths), dtype=np.uint8) // 2,
        "phases": np.array(["overt", "covert"]),
    }
    arrays |= changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def test_an_archive_holds_many_recordings(tmp_path):
    write_archive(tmp_path / "a.npz")
    samples, rejected = read_emg_samples(Somach(tmp_path))
    assert not rejected
    assert [(s.id, s.label, s.group, len(s.features)) for s in samples] == [
        ("a.npz#00000", "DOWN", "overt", 250),
        ("a.npz#00001", "UP", "overt", 240),
        ("a.npz#00002", "DOWN", "covert", 260),
    ]
    write_archive(tmp_path / "b.npz")
    assert {s.group for s in read_emg_outcomes(Somach(tmp_path))} == {
        "a/overt", "a/covert", "b/overt", "b/covert",
    }  # fmt: skip


def test_the_array_of_sessions_can_be_chosen(tmp_path):
    days = {"folder": np.array([1, 0, 1]), "folders": np.array(["monday", "friday"])}
    write_archive(tmp_path / "a.npz", **days)
    samples = read_emg_outcomes(Somach(tmp_path, group="folder"))
    assert [sample.group for sample in samples] == ["friday", "monday", "friday"]


def test_bad_recordings_of_an_archive_are_rejected(tmp_path):
    path = write_archive(tmp_path / "a.npz", (250, 250, 250, 3, 0, 250, 250))
    with np.load(path) as result:
        arrays = dict(result)
    arrays["t_ms"][250:500] = 2 * np.arange(250)  # at twice the rate
    arrays["t_ms"][500:750] = 7
    arrays["adc"][753:1003, 1] = 4095
    arrays["label"][6] = 9
    np.savez(path, **arrays)
    (sample,), rejected = read_emg_samples(Somach(tmp_path))
    assert sample.id == "a.npz#00000"
    assert reasons_by_id(rejected) == {
        "a.npz#00001": "t_ms has 500 Hz; expected reader.sample_rate=250",
        "a.npz#00002": "t_ms has 0 s; expected reader.sample_rate=250",
        "a.npz#00003": "3 samples (0.012 s) long; min_s=0.1 asks for more",
        "a.npz#00004": "0 samples (0 s) long; min_s=0.1 asks for more",
        "a.npz#00005": "channel 2: flat for more than half of the time",
        "a.npz#00006": "its class is not in classes, or has no name",
    }


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"label": None}, "b.npz has no array label; found adc, t_ms"),
        (
            {"classes": np.array(["a", "b"], object)},
            "b.npz is damaged, or not an archive.*allow_pick",
        ),
        ({"adc": np.zeros(750)}, r"adc: an array of shape \(750,\) and type float64; expected"),
        ({"t_ms": np.zeros(7)}, r"t_ms: shape \(7,\); expected a number for each of 750"),
        ({"offset": np.array([0, 500, 250, 750])}, "offset: expected numbers that grow"),
        ({"offset": np.array([0, 250, 500, 900])}, "offset: expected numbers that grow from 0"),
        ({"offset": np.zeros(4)}, "offset: expected a list of integers"),
        ({"offset": np.zeros(0, int)}, "expected an integer for each of -1"),
        ({"label": np.zeros(9, int)}, r"label: shape \(9,\); expected an integer for each of"),
        ({"phase": np.zeros(3)}, r"phase: shape \(3,\); expected an integer"),
    ],
)
def test_bad_archives_cost_a_row_each(tmp_path, changes, reason):
    write_archive(tmp_path / "a.npz")
    write_archive(tmp_path / "b.npz", **changes)
    samples, (rejected,) = read_emg_samples(Somach(tmp_path))
    assert len(samples) == 3
    assert re.search(reason, rejected.reason), rejected.reason


def test_damaged_archives_cost_a_row_each(tmp_path):
    write_archive(tmp_path / "a.npz")
    whole = (tmp_path / "a.npz").read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 4] ^= 255
    for name, content in (("cut", whole[:-300]), ("bit", flipped), ("none", b""), ("text", b"x")):
        (tmp_path / f"{name}.npz").write_bytes(content)
    np.save(tmp_path / "array", make_signal())
    (tmp_path / "array.npy").rename(tmp_path / "array.npz")
    samples, rejected = read_emg_samples(Somach(tmp_path))
    assert len(samples) == 3
    assert len(rejected) == 5
    assert all(" is damaged, or not an archive of arrays: " in row.reason for row in rejected)


def test_a_folder_without_somachs_layout_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected archives \*.npz, found an empty folder"):
        Somach(tmp_path).list_items()


# ---- input of predictions


def test_inputs(tmp_path):
    save_array(tmp_path / "s2" / "10.npy", make_signal(300))
    save_array(tmp_path / "s2" / "9.npy", make_signal(400))
    save_array(tmp_path / "s2" / ".trash" / "1.npy", make_signal(400))
    samples = read_emg_outcomes(EMGInput(tmp_path, channels=8, low_hz=None, mains_hz=None))
    assert [(s.id, s.label, len(s.features)) for s in samples] == [
        ("s2/9.npy", "", 400),
        ("s2/10.npy", "", 300),
    ]
    (alone,) = read_emg_outcomes(
        EMGInput(tmp_path / "s2" / "9.npy", sample_rate=1000, resample_hz=250)
    )
    assert (alone.id, len(alone.features)) == ("9.npy", 100)


def test_null_takes_the_default_or_says_none(tmp_path):
    reader = EMGInput(tmp_path, sample_rate=None, uv_per_count=None, low_hz=None, mains_hz=None)
    assert (reader.sample_rate, reader.uv_per_count, reader.min_s) == (1000, 1.0, 0.1)
    assert (reader.emg_filter.low_hz, reader.emg_filter.mains_hz) == (0.5, None)


@pytest.mark.parametrize(
    "lines",
    [
        ["time,ch1,ch2", *(f"{n / 250},{n % 7 + 1},{n % 5}" for n in range(100))],
        ["Sample;a;b", *(f"{n};{n % 7 + 1};{n % 5}" for n in range(100)), ""],
        [f"{n % 7 + 1},{n % 5}" for n in range(100)],
    ],
    ids=["time", "semicolons", "no header"],
)
def test_tables_as_input(tmp_path, lines):
    path = tmp_path / "a.csv"
    path.write_text("\n".join(lines), encoding="utf-8-sig")
    (sample,) = read_emg_outcomes(EMGInput(path, sample_rate=250, channels=2))
    counts = np.stack([np.arange(100) % 7 + 1, np.arange(100) % 5], 1)
    reader = EMGInput(path, sample_rate=250, channels=2)
    np.testing.assert_array_equal(sample.features, reader.emg_filter(counts))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "a.csv is empty"),
        (b"a,b\n", "0 samples"),
        (b"a,b\n1,2\n1,x\n", "a.csv is not a table of numbers: .*'x'"),
        (b"a,b\n1,2\n1,2,3\n", "a.csv is not a table of numbers: "),
        (
            b"a,b\n1,2,3\n1,2,3\n",
            "a.csv is not a table of numbers: 3 columns in row 2, and 2 in",
        ),
        (b"\xff\xfe\xfa", "a.csv is not a text table in UTF-8"),
    ],
)
def test_invalid_tables_are_refused(tmp_path, content, reason):
    (tmp_path / "a.csv").write_bytes(content)
    (outcome,) = read_emg_outcomes(EMGInput(tmp_path / "a.csv", channels=2))
    assert re.search(reason, outcome.reason), outcome.reason


def test_inputs_that_do_not_fit_the_model(tmp_path):
    save_array(tmp_path / "1.npy", make_signal(300, 4))
    save_array(tmp_path / "2.npy", make_signal(300).T)
    assert reasons_by_id(read_emg_outcomes(EMGInput(tmp_path, channels=8))) == {
        "1.npy": "4 channels; expected input_reader.channels=8",
        "2.npy": "an array of shape (8, 300), which looks like (channels, samples); expected "
        "(samples, 8 channels). Transpose it",
    }


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (None, {}, "stage=predict needs input="),
        ("absent.npy", {}, "does not exist"),
        ("a.abc", {}, "holds nothing to read: expected .npy .csv .*Convert other formats"),
        ("", {}, "holds nothing to read: expected .npy .csv"),
        ("a.abc", {"low_hz": 900}, "input_reader.low_hz=900 is not valid; expected less than half"),
    ],
)
def test_invalid_inputs_are_refused(tmp_path, name, options, message):
    (tmp_path / "a.abc").write_text("x")
    with pytest.raises(ValueError, match=message):
        EMGInput(None if name is None else tmp_path / name, **options).list_items()


@pytest.mark.parametrize("channels", [1, 8])
def test_a_drawing_shows_every_channel(tmp_path, channels):
    path = save_array(tmp_path / "a.npy", make_signal(1500, channels))
    reader = EMGInput(path)
    (sample,) = read_emg_outcomes(reader)
    drawn = reader.draw_sample(sample.id, sample.features)
    assert drawn.dtype == np.uint8
    assert drawn.shape[2] == 3
    blue = (drawn[..., 2].astype(int) - drawn[..., 0]) > 60  # the ink of the traces
    assert blue.any(0)[60:1000].all()
    quiet = sample.features.copy()
    quiet[:, 0] = 0
    assert (reader.draw_sample("a.npy", quiet) != drawn).any()
    for nothing in (np.zeros((0, channels)), np.zeros((1, channels)), np.zeros((50, channels))):
        assert reader.draw_sample("a.npy", nothing.astype(np.float32)).shape == drawn.shape


# ---- real recordings


def ignore_progress(line):
    """Ignore a line of progress."""


@pytest.mark.shared_data
def test_real_words_of_a_brace_are_read(tmp_path):
    with zipfile.ZipFile(require_shared_data("emg/nexus") / "brace_30words.zip") as packed:
        packed.extractall(tmp_path / "raw")
    reader = EMGManifest(tmp_path / "raw", sample_rate=250, uv_per_count=0.02235, mains_hz=50)
    done = prepare(reader, tmp_path / "out", {}, 1, ignore_progress)
    result = PreparedSet(tmp_path / "out", "emg")
    assert done.samples + done.rejected == 390
    assert done.rejected <= 4
    assert result.groups == ["0", "1"]
    assert len(result.classes) == 30
    assert result.meta["frame"]["shape"] == [8]
    assert result.meta["frame"]["rate"] == 250
    assert np.median(np.abs(result.features)) < 100


@pytest.mark.shared_data
def test_real_overt_and_covert_words_are_read(tmp_path):
    done = prepare(
        Somach(require_shared_data("emg/somach")), tmp_path / "out", {}, 1, ignore_progress
    )
    result = PreparedSet(tmp_path / "out", "emg")
    assert done.samples + done.rejected == 3034
    assert done.rejected < 30
    assert result.classes == ("DOWN", "LEFT", "NOISE", "RIGHT", "SILENCE", "UP")
    assert len(result.groups) == 6
