"""Shards, whatever stops them, merge into the set that one process writes."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.readers.asl.landmark_npy import LandmarkNPY
from datamodules.readers.base import Item
from datamodules.store import sharded
from datamodules.store.dataset import PreparedSet
from datamodules.store.locks import lock_folder
from datamodules.store.prepare import prepare
from datamodules.store.recovery import is_prepared
from datamodules.store.samples import Description
from datamodules.store.sharded import UnusableShardsError, merge_shards, prepare_shard
from datamodules.store.shards import Shard, describe_shard, parse_shard
from datamodules.store.writer import PreparedWriter
from tests.helpers.kills import kill_at_call
from tests.helpers.prepared_sets import read_set_files, write_landmark_files
from tests.helpers.random_trees import make_tree, trees
from tests.helpers.readers import READER_FACTORIES


def ignore(line: str) -> None:
    pass


def prepare_one(make_reader: Callable[[], Any], folder: Path) -> str:
    """Prepare a set in one process; return the error, "" for none."""
    try:
        prepare(make_reader(), folder, {}, 1, ignore)
    except ValueError as error:
        return str(error).replace(str(folder), "")
    return ""


def prepare_in_shards(make_reader: Callable[[], Any], folder: Path, count: int) -> str:
    """Prepare a set in shards, the last one first; return the error, "" for none."""
    try:
        for index in reversed(range(count)):
            prepare_shard(make_reader(), folder, {}, Shard(index, count), 1, ignore)
        merge_shards(make_reader(), folder, {}, log=ignore)
    except ValueError as error:
        return str(error).replace(str(folder), "")
    return ""


def read_all_files(folder: Path) -> list[bytes]:
    return [*read_set_files(folder), (folder / "meta.json").read_bytes()]


def list_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def make_raw(folder: Path, each: int = 10) -> Path:
    """Write 30 recordings, of which the first and another one are damaged."""
    raw = write_landmark_files(folder / "raw", each=each)
    for name in ("A/0", "B/1"):
        (raw / "me" / name / "0.npy").write_bytes(b"no array")
    (raw / "notes.npy").write_bytes(b"beside the recordings")
    return raw


def make_shards(folder: Path, count: int = 3, indices: range | None = None) -> Path:
    """Prepare shards of 30 recordings; return the folder of the set."""
    raw = folder / "raw"
    if not raw.exists():
        make_raw(folder)
    for index in indices or range(count):
        prepare_shard(LandmarkNPY(raw), folder / "set", {}, Shard(index, count), 1, ignore)
    return folder / "set"


def merge(folder: Path, **options: Any) -> None:
    merge_shards(LandmarkNPY(folder / "raw"), folder / "set", {}, log=ignore, **options)


@pytest.mark.parametrize("count", [1, 4, 7])
def test_any_number_of_shards_gives_the_same_set(tmp_path: Path, count: int) -> None:
    raw = make_raw(tmp_path, each=2)
    assert prepare_one(lambda: LandmarkNPY(raw), tmp_path / "one") == ""
    assert prepare_in_shards(lambda: LandmarkNPY(raw), tmp_path / "set", count) == ""
    assert read_all_files(tmp_path / "set") == read_all_files(tmp_path / "one")
    assert list_names(tmp_path / "set") == list_names(tmp_path / "one")
    assert len(PreparedSet(tmp_path / "set")) == 4


def check_shards_of_tree(make_reader: Callable[[Path], Any], tree: list, count: int) -> None:
    """Check that shards and one process give the same files, or the same error."""
    with TemporaryDirectory() as folder:
        raw, one, many = (Path(folder, name) for name in ("raw", "one", "many"))
        raw.mkdir()
        make_tree(raw, tree)
        assert prepare_one(lambda: make_reader(raw), one) == prepare_in_shards(
            lambda: make_reader(raw), many, count
        )
        if (many / "manifest.csv").exists():
            assert read_all_files(many) == read_all_files(one)


@pytest.mark.usefixtures("every_image_shows_a_hand")
@settings(max_examples=6)
@given(tree=trees, name=st.sampled_from([*READER_FACTORIES]), count=st.integers(1, 5))
def test_shards_of_random_folders_give_the_same_set(name: str, tree: list, count: int) -> None:
    check_shards_of_tree(READER_FACTORIES[name], tree, count)


@pytest.mark.slow
@pytest.mark.usefixtures("every_image_shows_a_hand")
@pytest.mark.parametrize("name", READER_FACTORIES)
@settings(max_examples=10)
@given(tree=trees, count=st.integers(1, 5))
def test_shards_of_many_folders_give_the_same_set(name: str, tree: list, count: int) -> None:
    check_shards_of_tree(READER_FACTORIES[name], tree, count)


@given(total=st.integers(0, 300), count=st.integers(1, 60))
def test_every_item_is_in_one_shard(total: int, count: int) -> None:
    items = [Item(str(number), Path("x")) for number in range(total)]
    parts = [Shard(index, count).select(items) for index in range(count)]
    assert [item for part in parts for item in part] == items
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def run_and_kill(target: Callable[[], Any], method: str, nth: int) -> bool:
    """Run in a forked process that is killed at a call of the writer; return whether it was."""
    process = os.fork()
    if process == 0:
        setattr(PreparedWriter, method, kill_at_call(getattr(PreparedWriter, method), nth))
        PreparedWriter.__init__.__defaults__ = (2, 1 << 26)  # written after every other sample
        try:
            target()
        finally:
            os._exit(0)
    return os.waitpid(process, 0)[1] != 0


@pytest.mark.parametrize(
    ("method", "nth"),
    [
        ("_append_rows", 3),
        ("_save_meta", 1),
        *(
            pytest.param(method, nth, marks=pytest.mark.slow)
            for method in ("_append_rows", "_write_samples", "_save_meta")
            for nth in (2, 5, 6)
        ),
    ],
)
def test_killed_shards_and_merges_are_resumed(tmp_path: Path, method: str, nth: int) -> None:
    raw, folder = make_raw(tmp_path), tmp_path / "set"
    assert prepare_one(lambda: LandmarkNPY(raw), tmp_path / "one") == ""
    run_and_kill(lambda: make_shards(tmp_path, 2, range(1)), method, nth)
    make_shards(tmp_path, 2)
    is_killed = run_and_kill(lambda: merge(tmp_path), method, nth)
    assert is_killed == (method != "_save_meta" or nth < 3)
    if is_killed:
        with pytest.raises(ValueError, match="incomplete|gave no sample"):
            PreparedSet(folder)
    merge(tmp_path)
    assert read_all_files(folder) == read_all_files(tmp_path / "one")
    assert not (folder / "shards").exists()


@pytest.mark.parametrize("is_complete", [False, True])
def test_a_merge_that_stops_while_it_removes_shards_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_complete: bool
) -> None:
    folder = make_shards(tmp_path)
    real = sharded._remove_shards

    def stop(data_dir: Path, counts: list[int]) -> None:
        if is_complete:
            real(data_dir, [])
            (Shard(0, 3).locate(data_dir) / "meta.json").unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(sharded, "_remove_shards", stop)
    with pytest.raises(KeyboardInterrupt):
        merge(tmp_path)
    monkeypatch.undo()
    merge(tmp_path)
    assert not (folder / "shards").exists() and len(PreparedSet(folder)) == 28


def test_foreign_files_beside_shards_are_kept(tmp_path: Path) -> None:
    folder = make_shards(tmp_path)
    note = Shard(1, 3).locate(folder) / "note.txt"
    note.write_text("mine")
    merge(tmp_path)
    assert note.read_text() == "mine"
    assert list_names(folder / "shards") == ["00001-of-00003"]


def test_a_complete_shard_without_samples_keeps_its_reasons(tmp_path: Path) -> None:
    folder = make_shards(tmp_path, 30, range(1))
    rejected = Shard(0, 30).locate(folder) / "rejected.csv"
    before = rejected.read_bytes()
    assert b"A/0" in before
    reader = LandmarkNPY(tmp_path / "raw")
    description = Description(reader.task, reader.frame, {}, reader.classes)
    with PreparedWriter(rejected.parent, description) as writer:
        assert writer.complete and writer.done
    make_shards(tmp_path, 30, range(1))
    assert rejected.read_bytes() == before


def lose_rows(place: Path) -> None:
    (place / "rejected.csv").write_text("id,reason,source,label\n")


def move_row(place: Path) -> None:
    rows = [*csv.reader((place / "manifest.csv").open(newline=""))]
    rows[2][6] = "0"
    (place / "manifest.csv").write_text("\n".join(map(",".join, rows)) + "\n")


FILE_FAULTS: dict[str, Callable[[Path], Any]] = {
    "missing": shutil.rmtree,
    "meta": lambda place: (place / "meta.json").write_text("{"),
    "short": lambda place: os.truncate(place / "features.npy", 200),
    "lost rows": lose_rows,
    "moved": move_row,
}
META_FAULTS: dict[str, dict[str, Any]] = {
    "unfinished": {"complete": False},
    "settings": {"settings": {"reader": {"fps": 5}}},
    "no shard": {"shard": 3},
}
SHARD_FAULTS: dict[str, dict[str, Any]] = {
    "versions": {"versions": describe_shard(Shard(1, 3), [])["versions"] | {"numpy": "1.0"}},
    "recordings": {"recordings": {"count": 29, "hash": "0"}},
}


def break_shard(folder: Path, fault: str) -> None:
    """Make the second of three shards unusable."""
    place = Shard(1, 3).locate(folder)
    if fault in FILE_FAULTS:
        FILE_FAULTS[fault](place)
        return
    meta = json.loads((place / "meta.json").read_text())
    meta |= META_FAULTS.get(fault, {"shard": meta["shard"] | SHARD_FAULTS.get(fault, {})})
    (place / "meta.json").write_text(json.dumps(meta))


FAULTS = {
    "missing": "is missing",
    "unfinished": "is not finished",
    "settings": "has other settings (reader differ); delete ",
    "versions": f"was prepared with other versions (numpy 1.0, here {np.__version__}); delete ",
    "recordings": "holds other recordings than the 31 of today; delete ",
    "no shard": "is no shard; delete ",
    "meta": "is damaged (",
    "short": "is damaged (200 bytes; expected",
    "lost rows": "is damaged (9 rows; expected 10); delete ",
    "moved": "is damaged (row 'me/B/2/0.npy' begins at frame 0; expected 1); delete ",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_unusable_shards_are_named_and_made_again(tmp_path: Path, fault: str) -> None:
    folder = make_shards(tmp_path)
    break_shard(folder, fault)
    with pytest.raises(UnusableShardsError) as caught:
        merge(tmp_path)
    assert f"shard 1 of 3 {FAULTS[fault]}" in str(caught.value)
    assert caught.value.shards == [Shard(1, 3)]
    assert not (folder / "meta.json").exists() or not is_prepared(folder)
    if "delete" in str(caught.value):
        shutil.rmtree(Shard(1, 3).locate(folder))
    make_shards(tmp_path)
    merge(tmp_path)
    assert len(PreparedSet(folder)) == 28


def test_a_shard_of_other_recordings_is_not_resumed(tmp_path: Path) -> None:
    make_shards(tmp_path)
    write_landmark_files(tmp_path / "raw", "D")
    with pytest.raises(ValueError, match="shard 0 of 3 holds other recordings than the 41 of"):
        make_shards(tmp_path)


def test_recordings_in_shards_are_not_read_again(tmp_path: Path) -> None:
    folder = make_shards(tmp_path, 3, range(1, 2))
    with pytest.raises(ValueError, match=r"holds shards of .* prepare.merge=true, or delete"):
        prepare(LandmarkNPY(tmp_path / "raw"), folder, {}, 1, ignore)
    assert list_names(folder) == ["shards"]


def test_the_number_of_shards_must_be_clear(tmp_path: Path) -> None:
    make_raw(tmp_path)
    (tmp_path / "set").mkdir()
    with pytest.raises(ValueError, match="holds no shards to merge; expected"):
        merge(tmp_path)
    make_shards(tmp_path, 2)
    make_shards(tmp_path, 3, range(1))
    with pytest.raises(ValueError, match="holds shards of 2 and of 3; expected"):
        merge(tmp_path)
    merge(tmp_path, num_shards=2)
    assert len(PreparedSet(tmp_path / "set")) == 28


def test_a_merge_without_space_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_shards(tmp_path)
    usage = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ValueError, match=r"needs 0.0 GB .* Free some space"):
        merge(tmp_path)
    assert not (folder / "meta.json").exists()


@pytest.mark.parametrize(
    ("shard", "count", "expected"),
    [("3/8", None, Shard(3, 8)), (3, 8, Shard(3, 8)), ("3/8", 8, Shard(3, 8)), (None, None, None)],
)
def test_shards_are_written_in_two_ways(
    shard: Any, count: int | None, expected: Shard | None
) -> None:
    assert parse_shard(shard, count) == expected


def test_a_shard_that_runs_is_named(tmp_path: Path) -> None:
    folder = make_shards(tmp_path)
    break_shard(folder, "unfinished")
    expected = r"shard 1 of 3 is being prepared \(a preparation, process"
    with (
        lock_folder(Shard(1, 3).locate(folder), "a preparation"),
        pytest.raises(UnusableShardsError, match=expected),
    ):
        merge(tmp_path)


@pytest.mark.slow
def test_shards_killed_at_random_times_are_run_again(tmp_path: Path) -> None:
    raw = make_raw(tmp_path)
    assert prepare_one(lambda: LandmarkNPY(raw), tmp_path / "one") == ""
    rng = random.Random(0)
    for index in range(4):
        for _ in range(3):
            method = rng.choice(["_append_rows", "_write_samples", "_save_meta", "add"])
            part = range(index, index + 1)
            run_and_kill(lambda p=part: make_shards(tmp_path, 4, p), method, rng.randint(1, 6))
    make_shards(tmp_path, 4)
    merge(tmp_path)
    assert read_all_files(tmp_path / "set") == read_all_files(tmp_path / "one")
