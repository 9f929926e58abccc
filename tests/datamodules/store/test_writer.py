"""The prepared set: written completely, resumed after interruptions, refused when damaged."""

import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.store.dataset import PreparedSet
from datamodules.store.frames import Frames, NpyFrameStore
from datamodules.store.samples import Description, Rejection, Sample
from datamodules.store.writer import PreparedWriter, write_all
from tests.helpers.paths import ROOT
from tests.helpers.prepared_sets import TEST_DESCRIPTION, TEST_FRAME, Word, make_sample, write_hands


@settings(max_examples=25)
@given(
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=20),
    stop=st.integers(0, 20),
    cut=st.integers(0, 200),
    buffer=st.integers(1, 7),
    worded=st.integers(0, 20),
)
def test_any_interruption_gives_the_same_set(
    lengths: list[int], stop: int, cut: int, buffer: int, worded: int
) -> None:
    """After any sample, with any number of bytes of partial data behind it.

    From sample ``worded`` on, some say where their word lies: others were written without.
    """
    words: list[Word] = [(0, n) if i >= worded and n % 2 else None for i, n in enumerate(lengths)]
    samples = [make_sample(f's,"{i}', n, word=words[i]) for i, n in enumerate(lengths)]
    with tempfile.TemporaryDirectory() as folder:
        whole, broken = Path(folder, "whole"), Path(folder, "broken")
        write_all(whole, TEST_DESCRIPTION, samples)
        writer = PreparedWriter(broken, TEST_DESCRIPTION, buffer)
        for one in samples[:stop]:
            writer.add(one)
        del writer  # no flush, no finish: what a kill leaves
        with (broken / "features.npy").open("ab") as file:
            file.write(bytes(cut))
        with (broken / "manifest.csv").open("a") as file:
            file.write("half,a row,me"[: cut % 13])
        write_all(broken, TEST_DESCRIPTION, samples)
        for name in ("manifest.csv", "features.npy"):
            assert (whole / name).read_bytes() == (broken / name).read_bytes()


@pytest.mark.parametrize("change", [{"shape": (1,)}, {"dtype": "float16"}, {"dtype": "float64"}])
def test_frames_of_another_form_leave_a_set_as_it_is(tmp_path: Path, change: dict) -> None:
    write_all(tmp_path / "set", TEST_DESCRIPTION, [make_sample("x", 3)])
    before = (tmp_path / "set" / "features.npy").read_bytes()
    other = replace(TEST_DESCRIPTION, frame=replace(TEST_FRAME, **change))
    with pytest.raises(ValueError, match=f"{next(iter(change))} differ"):
        PreparedWriter(tmp_path / "set", other)
    assert (tmp_path / "set" / "features.npy").read_bytes() == before


def test_a_set_reads_back_as_written(tmp_path: Path) -> None:
    outcomes = [make_sample("x", 3), Rejection("y", "no face", label="b"), make_sample("z", 2, "b")]
    write_all(tmp_path / "set", TEST_DESCRIPTION, outcomes)
    prepared = PreparedSet(tmp_path / "set", "asl")
    assert list(prepared.manifest["id"]) == ["x", "z"]
    assert prepared.features.shape == (5, 2, 3)
    assert prepared.starts.tolist() == [0, 3]
    assert prepared.lengths.tolist() == [3, 2]
    assert prepared.meta["frame"]["rate"] == 30.0
    rejected = pd.read_csv(tmp_path / "set" / "rejected.csv", keep_default_na=False)
    row = {"id": "y", "reason": "no face", "source": "", "label": "b"}
    assert rejected.to_dict("records") == [row]


def test_sets_without_word_spans_have_no_column(tmp_path: Path) -> None:
    write_all(tmp_path / "set", TEST_DESCRIPTION, [make_sample("x", 3), make_sample("z", 2)])
    assert (tmp_path / "set" / "manifest.csv").read_bytes() == (
        b"id,label,group,sequence,split,source,start,length\nx,a,me,,,x.mp4,0,3\nz,a,me,,,z.mp4,3,2\n"
    )
    assert PreparedSet(tmp_path / "set").word_spans is None


def test_word_spans_are_stored(tmp_path: Path) -> None:
    samples = [
        make_sample("x", 3),
        make_sample("y", 4, word=(1, 3)),
        make_sample("z", 2, word=(0, 2)),
    ]
    write_all(tmp_path / "set", TEST_DESCRIPTION, samples)
    assert (tmp_path / "set" / "manifest.csv").read_text() == (
        "id,label,group,sequence,split,source,start,length,word_start,word_end\n"
        "x,a,me,,,x.mp4,0,3,,\ny,a,me,,,y.mp4,3,4,1,3\nz,a,me,,,z.mp4,7,2,0,2\n"
    )
    prepared = PreparedSet(tmp_path / "set")
    assert prepared.word_spans.tolist() == [[0, 3], [1, 3], [0, 2]]
    assert prepared.word_spans.dtype == np.int64
    assert list(prepared.manifest)[-1] == "length"
    assert [path.name for path in (tmp_path / "set").glob("*.partial")] == []


@pytest.mark.parametrize("word", [(-1, 2), (2, 2), (2, 1), (0, 5)])
def test_a_word_span_outside_its_sample_is_refused(word: tuple[int, int]) -> None:
    with pytest.raises(AssertionError, match="'x'"):
        make_sample("x", 4, word=word)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("3,3", "from frame 3 to before 3 of its 4"),
        ("0,5", "from frame 0 to before 5 of its 4"),
        ("-1,2", "from frame -1 to before 2 of its 4"),
        ("1,", "from frame 1 to before none of its 4"),
        ("one,2", "from frame one to before 2 of its 4"),
        ("0.5,2", "from frame 0.5 to before 2 of its 4"),
        ("nan,2", "from frame nan to before 2 of its 4"),
        ("0,inf", "from frame 0 to before inf of its 4"),
    ],
)
def test_bad_words_of_a_manifest_are_named(tmp_path: Path, word: str, message: str) -> None:
    write_all(
        tmp_path / "set", TEST_DESCRIPTION, [make_sample("x", 3), make_sample("y", 4, word=(1, 3))]
    )
    path = tmp_path / "set" / "manifest.csv"
    path.write_text(path.read_text().replace(",1,3\n", f",{word}\n"))
    with pytest.raises(
        ValueError, match=f"manifest.csv: the word of y lies {message}; expected whol"
    ):
        PreparedSet(tmp_path / "set")


def test_a_word_span_without_an_end_is_refused(tmp_path: Path) -> None:
    write_all(tmp_path / "set", TEST_DESCRIPTION, [make_sample("y", 4, word=(1, 3))])
    path = tmp_path / "set" / "manifest.csv"
    pd.read_csv(path).drop(columns="word_start").to_csv(path, index=False)
    with pytest.raises(ValueError, match="has the column word_end alone; expected word_start and "):
        PreparedSet(tmp_path / "set")


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        ((1, 2), (1, 3), [[1, 2], [1, 3]]),
        (None, (1, 3), [[0, 3], [1, 3]]),
        ((1, 2), None, [[1, 2], [0, 4]]),
        (None, None, None),
    ],
    ids=["both", "theirs", "mine", "neither"],
)
def test_joined_sets_keep_their_words(tmp_path: Path, mine: Word, theirs: Word, expected) -> None:
    write_all(tmp_path / "one", TEST_DESCRIPTION, [make_sample("x", 3, word=mine)])
    write_all(tmp_path / "two", TEST_DESCRIPTION, [make_sample("y", 4, word=theirs)])
    one = PreparedSet(tmp_path / "one")
    one.append(PreparedSet(tmp_path / "two"))
    assert (None if one.word_spans is None else one.word_spans.tolist()) == expected
    assert one.starts.tolist() == [0, 3] and one.lengths.tolist() == [3, 4]


def test_a_set_without_rejected_labels_is_resumed(tmp_path: Path) -> None:
    with PreparedWriter(tmp_path / "set", TEST_DESCRIPTION) as writer:
        writer.add(make_sample("x", 3))
    (tmp_path / "set" / "rejected.csv").write_text('id,reason,source\ny,"no, face",z\n')
    write_all(
        tmp_path / "set", TEST_DESCRIPTION, [make_sample("x", 3), Rejection("w", "dark", "", "b")]
    )
    rejected = pd.read_csv(tmp_path / "set" / "rejected.csv", keep_default_na=False)
    assert rejected.to_numpy().tolist() == [["y", "no, face", "z", ""], ["w", "dark", "", "b"]]


def test_large_sets_stay_on_disk(tmp_path: Path) -> None:
    write_all(tmp_path / "set", TEST_DESCRIPTION, [make_sample("x", 3)])
    assert isinstance(PreparedSet(tmp_path / "set", memory_limit=1).features, NpyFrameStore)
    assert isinstance(PreparedSet(tmp_path / "set").features, np.ndarray)


@pytest.fixture(scope="module")
def frame_pairs(tmp_path_factory) -> list[tuple[np.ndarray, Frames]]:
    """Return the same frames in memory and on disk, of one set and of two joined sets."""
    rng = np.random.default_rng(0)
    folder, sets = tmp_path_factory.mktemp("sets"), []
    for name in ("one", "two"):
        frames = rng.normal(size=(50, 2, 3)).astype(np.float32)
        write_all(folder / name, TEST_DESCRIPTION, [Sample(name, frames, "a")])
        sets.append([PreparedSet(folder / name, memory_limit=limit) for limit in (1 << 30, 0)])
    (first, filed), (two, second) = sets
    single = (first.features, filed.features)
    first.append(two)
    filed.append(second)
    return [single, (first.features, filed.features)]


@given(
    first=st.integers(0, 49),
    steps=st.lists(st.integers(0, 20), max_size=30),
    rows=st.integers(1, 3),
    second=st.booleans(),
)
def test_frames_in_a_file_are_those_in_memory(frame_pairs, first, steps, rows, second) -> None:
    """Consecutive, repeated, with gaps of any size, backwards; in one file and in two joined."""
    row = np.minimum(np.cumsum([first, *steps]), 49)
    at = np.stack([row, row[::-1], np.full(len(row), first)])[:rows]  # (rows, T)
    for memory, file in frame_pairs:
        if second and len(memory) > 50:
            at[0] += 50  # of the other set
        for places in (at, at[0], at[:0], slice(first, 50), slice(0, 0)):
            np.testing.assert_array_equal(file[places], memory[places])
    assert (len(file), file.shape, file.dtype) == (len(memory), memory.shape, memory.dtype)


def test_a_file_may_be_read_in_other_processes(frame_pairs) -> None:
    """Loader processes unpickle it, without a copy of the data or a shared file position."""
    memory, file = frame_pairs[1]
    sent = pickle.dumps(file)
    assert len(sent) < memory.nbytes / 2
    np.testing.assert_array_equal(pickle.loads(sent)[50:60], memory[50:60])


def test_a_file_that_shrinks_is_named(tmp_path: Path) -> None:
    write_all(tmp_path / "set", TEST_DESCRIPTION, [make_sample("x", 3)])
    features = PreparedSet(tmp_path / "set", memory_limit=1).features
    truncate_features(tmp_path / "set")
    with pytest.raises(OSError, match="features.npy has become shorter: prepare the set again"):
        features[0:3]


def test_data_that_is_held_is_bounded_in_bytes_too(tmp_path: Path) -> None:
    with PreparedWriter(tmp_path / "set", TEST_DESCRIPTION, buffer_bytes=3 * 6 * 4) as writer:
        for name, frames, written in (("a", 2, 0), ("b", 1, 3), ("c", 2, 3), ("d", 9, 14)):
            writer.add(make_sample(name, frames))
            assert writer.frames == written


def test_tables_are_read_in_pieces(tmp_path: Path, monkeypatch) -> None:
    samples = [make_sample(f"s{i}", 1 + i % 3, "ab"[i % 2]) for i in range(10)]
    write_all(tmp_path / "set", TEST_DESCRIPTION, samples)
    whole = PreparedSet(tmp_path / "set").manifest
    monkeypatch.setattr("datamodules.store.validation.ROWS_PER_CHUNK", 3)
    pd.testing.assert_frame_equal(PreparedSet(tmp_path / "set").manifest, whole)


def test_other_settings_are_refused(tmp_path: Path) -> None:
    write_all(tmp_path / "set", TEST_DESCRIPTION, [make_sample("x", 3)])
    other = Description("asl", TEST_FRAME, {"size": 2}, ("a", "b"))
    with pytest.raises(ValueError, match=r"other settings \(size differ\)"):
        PreparedWriter(tmp_path / "set", other)


def test_settings_of_readers_may_have_their_old_names(tmp_path: Path) -> None:
    old, new = ({"reader": {"zoom": 2.4, name: 25.0}} for name in ("rate", "fps"))
    write_all(tmp_path / "set", Description("asl", TEST_FRAME, old), [make_sample("x", 3)])
    with PreparedWriter(tmp_path / "set", Description("asl", TEST_FRAME, new)) as writer:
        assert writer.complete


def test_readers_may_have_moved_and_have_new_settings(tmp_path: Path) -> None:
    package = "datamodules.readers"
    old = {"reader": {"_target_": f"{package}.lrw.LRW", "zoom": 2.4}}
    new = {"reader": {"_target_": f"{package}.lips.lrw.LRW", "zoom": 2.4, "split_folders": None}}
    write_all(tmp_path / "set", Description("asl", TEST_FRAME, old), [make_sample("x", 3)])
    with PreparedWriter(tmp_path / "set", Description("asl", TEST_FRAME, new)) as writer:
        assert writer.complete
    new["reader"]["_target_"] = f"{package}.lips.video_folder.VideoFolder"
    with pytest.raises(ValueError, match=r"other settings \(reader\._target_ differ\)"):
        PreparedWriter(tmp_path / "set", Description("asl", TEST_FRAME, new))


def test_foreign_folder_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty"):
        PreparedWriter(tmp_path, TEST_DESCRIPTION)
    assert [path.name for path in tmp_path.iterdir()] == ["diary.txt"]


def spoil_meta(folder: Path) -> None:
    (folder / "meta.json").write_text("{")


def spoil_format(folder: Path) -> None:
    (folder / "meta.json").write_text('{"format": 99}')


def mark_unfinished(folder: Path) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | {"complete": False}))


def truncate_features(folder: Path) -> None:
    path = folder / "features.npy"
    path.write_bytes(path.read_bytes()[:-40])


def drop_column(folder: Path) -> None:
    pd.read_csv(folder / "manifest.csv").drop(columns="group").to_csv(folder / "manifest.csv")


def remove_manifest(folder: Path) -> None:
    (folder / "manifest.csv").unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_meta, "meta.json is damaged"),
        (spoil_format, "not of prepared-set format"),
        (mark_unfinished, "is incomplete"),
        (truncate_features, "features.npy cannot be read"),
        (drop_column, "has no column group"),
        (remove_manifest, "manifest.csv is missing"),
    ],
)
def test_damage_is_reported(tmp_path: Path, spoil, message: str) -> None:
    folder = write_hands(tmp_path / "set")
    spoil(folder)
    with pytest.raises(ValueError, match=message):
        PreparedSet(folder)


def test_wrong_folders_and_tasks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        PreparedSet(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="is not a prepared set"):
        PreparedSet(tmp_path)
    with pytest.raises(ValueError, match="was prepared for task asl, not emg"):
        PreparedSet(write_hands(tmp_path / "set"), "emg")


FILL = """
import resource, signal, sys
sys.path.insert(0, {root!r})
from tests.helpers.prepared_sets import TEST_DESCRIPTION, make_sample
from datamodules.store.writer import PreparedWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
with PreparedWriter({folder!r}, TEST_DESCRIPTION, buffer_samples=10) as writer:
    for i in range(200):
        writer.add(make_sample(f"s{{i}}", 10))
    writer.finish()
"""


def test_a_full_disk_keeps_the_written_samples(tmp_path: Path) -> None:
    """The operating system refuses a write, by a limit on file sizes."""
    folder = tmp_path / "set"
    code = FILL.format(root=str(ROOT), folder=str(folder))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "frames in" in done.stderr and "are safe" in done.stderr
    rows = pd.read_csv(folder / "manifest.csv")
    assert 0 < len(rows) < 200
    write_all(folder, TEST_DESCRIPTION, [make_sample(f"s{i}", 10) for i in range(200)])
    assert len(PreparedSet(folder)) == 200


def test_a_set_killed_while_writing_is_resumed(tmp_path: Path) -> None:
    """After SIGKILL, the second run completes the set."""
    code = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from tests.helpers.prepared_sets import TEST_DESCRIPTION, make_sample
from datamodules.store.writer import PreparedWriter
with PreparedWriter({str(tmp_path / "set")!r}, TEST_DESCRIPTION, buffer_samples=3) as writer:
    for i in range(10_000):
        writer.add(make_sample(f"s{{i}}", 2))
        if i == 100:
            print("go", flush=True)
"""
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    written = len(pd.read_csv(tmp_path / "set" / "manifest.csv"))
    assert 90 <= written < 10_000
    samples = [make_sample(f"s{i}", 2) for i in range(written + 5)]
    write_all(tmp_path / "set", TEST_DESCRIPTION, samples)
    assert len(PreparedSet(tmp_path / "set")) == written + 5


def test_a_set_without_sequences_has_each_sample_on_its_own(tmp_path: Path) -> None:
    write_all(tmp_path / "set", TEST_DESCRIPTION, [make_sample("x", 3), make_sample("y", 4)])
    path = tmp_path / "set" / "manifest.csv"
    pd.read_csv(path, keep_default_na=False).drop(columns="sequence").to_csv(path, index=False)
    older = PreparedSet(tmp_path / "set")
    assert older.manifest["sequence"].tolist() == ["x", "y"] and not older.has_sequences


def test_sequences_are_kept(tmp_path: Path) -> None:
    cut = [replace(make_sample(name, 2), sequence="x.mp4") for name in "xyz"]
    write_all(tmp_path / "set", TEST_DESCRIPTION, cut)
    prepared = PreparedSet(tmp_path / "set")
    assert prepared.manifest["sequence"].tolist() == ["x.mp4"] * 3 and prepared.has_sequences
