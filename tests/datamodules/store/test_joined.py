"""Several prepared sets as one: names, classes, copies, memory, and the sets that do not fit."""

import json
from pathlib import Path

import numpy as np
import pytest

from datamodules.store.dataset import PreparedSet
from datamodules.store.frames import ConcatFrameStore
from datamodules.store.joined import JoinedSet, open_set
from datamodules.store.samples import Description, Frame, Sample
from datamodules.store.training_record import TrainingRecord
from datamodules.store.writer import write_all


def write_hands(
    folder: Path,
    labels: str = "AAB",
    seed: int = 0,
    raw_dir: str = "",
    classes: tuple[str, ...] = (),
    reader: dict[str, object] | None = None,
    **frame: object,
) -> str:
    """Write a set of one group ``anna`` whose recordings have two frames each."""
    rng = np.random.default_rng(seed)
    description = Description(
        "asl",
        Frame(**{"shape": (3,), "dtype": "float32", "meaning": "hands", "rate": None} | frame),
        {"reader": {"raw_dir": raw_dir or str(folder)} | (reader or {})},
        classes,
    )
    samples = [
        Sample(
            f"{n}",
            rng.random((2, *description.frame.shape)).astype(description.frame.dtype),
            label,
            "anna",
            sequence=f"film{n}",
        )
        for n, label in enumerate(labels)
    ]
    write_all(folder, description, samples)
    return str(folder)


@pytest.mark.parametrize("memory_limit", [0, 1 << 20])
def test_rows_of_all_sets_are_read(tmp_path: Path, memory_limit: int) -> None:
    folders = [write_hands(tmp_path / name, seed=seed) for seed, name in enumerate("abc")]
    joined = open_set(folders, "asl", memory_limit)
    assert isinstance(joined.features, ConcatFrameStore) == (memory_limit == 0)
    parts = [PreparedSet(folder) for folder in folders]
    expected = [part.read_sample(row) for part in parts for row in range(3)]
    for row, frames in enumerate(expected):
        assert (joined.read_sample(row) == frames).all()
    taken = joined.features.take(joined.starts[[8, 0, 4]][:, None] + np.arange(2), axis=0)
    assert (taken == np.stack(expected)[[8, 0, 4]]).all()


def test_ids_groups_and_sequences_name_their_set(tmp_path: Path) -> None:
    folders = [write_hands(tmp_path / name, seed=seed) for seed, name in enumerate("ab")]
    joined = JoinedSet(folders, "asl")
    assert joined.groups == ["a/anna", "b/anna"]
    assert joined.manifest["id"].tolist() == ["a/0", "a/1", "a/2", "b/0", "b/1", "b/2"]
    assert joined.manifest["sequence"].is_unique
    assert JoinedSet(folders, "asl", shared_groups=True).groups == ["anna"]


def test_folders_named_in_two_unicode_forms_stay_two_sets(tmp_path: Path) -> None:
    names = ("\u00fc", "u\u0308")
    joined = JoinedSet([write_hands(tmp_path / n, seed=s) for s, n in enumerate(names)], "asl")
    assert len(joined.groups) == 2
    assert joined.manifest["id"].is_unique and joined.manifest["sequence"].is_unique


def test_sets_of_the_same_recordings_share_groups_and_sequences(tmp_path: Path) -> None:
    folders = [write_hands(tmp_path / n, seed=s, raw_dir="/raw") for s, n in enumerate("ab")]
    joined = JoinedSet(folders, "asl")
    assert joined.groups == ["anna"]
    assert joined.manifest["sequence"].nunique() == 3


def test_an_added_source_shares_groups_and_sequences_with_its_own_set(tmp_path: Path) -> None:
    first = write_hands(tmp_path / "a", raw_dir="/raw")
    meta, rows = tmp_path / "a" / "meta.json", tmp_path / "a" / "manifest.csv"
    added = json.loads(meta.read_text()) | {"appended": [{"raw_dir": "/new", "prefix": "new/"}]}
    meta.write_text(json.dumps(added))
    changed = rows.read_text().replace("2,B,anna,film2", "new/2,B,new/anna,new/film2")
    rows.write_text(changed)
    joined = JoinedSet([first, write_hands(tmp_path / "b", seed=1, raw_dir="/new")], "asl")
    groups, sequences = (joined.manifest[name].tolist() for name in ("group", "sequence"))
    assert groups == ["a/anna", "a/anna", *["anna"] * 4]
    assert sequences == ["a/film0", "a/film1", "film2", "film0", "film1", "film2"]


def test_copies_are_left_out(tmp_path: Path) -> None:
    first = write_hands(tmp_path / "a", "AB")
    longer = write_hands(tmp_path / "b", "ABA")  # begins with the same numbers
    joined = JoinedSet([first, longer], "asl")
    assert joined.manifest["id"].tolist() == ["a/0", "a/1", "b/2"]
    assert "2 recordings" in joined.note
    with pytest.raises(ValueError, match="b holds nothing but copies"):
        JoinedSet([first, write_hands(tmp_path / "c" / "b", "AB")], "asl")


def test_a_test_on_one_set_finds_what_was_trained_on_in_both(tmp_path: Path) -> None:
    folders = [write_hands(tmp_path / name, seed=seed) for seed, name in enumerate("ab")]
    joined = JoinedSet(folders, "asl")
    record = TrainingRecord.from_rows(joined, np.array([0, 4, 5]))
    seen = record.count_seen(PreparedSet(folders[1]), np.arange(3))
    assert (seen.samples, seen.groups) == (2, 1)


def test_classes_are_united_in_the_order_of_the_vocabulary(tmp_path: Path) -> None:
    first = write_hands(tmp_path / "a", "BA", classes=("B", "A"))
    second = write_hands(tmp_path / "b", "CA", seed=1, classes=("C", "A"))
    assert JoinedSet([first, second], "asl").classes == ("B", "A", "C")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": 5.0}, r"a and \S+b differ in frame rate \(None and 5.0\)"),
        ({"shape": (4,)}, r"differ in frame shape \(\[3\] and \[4\]\)"),
        ({"meaning": "mouths"}, r"differ in frame meaning \(hands and mouths\)"),
        ({"labels": "XYZ"}, r"no class in common \(X, Y, Z; A, B\).*classes="),
        ({"labels": "ab"}, r"a spells a class 'A' and \S+b spells it 'a'"),
    ],
)
def test_sets_that_do_not_fit_are_named(tmp_path: Path, settings: dict, message: str) -> None:
    first = write_hands(tmp_path / "a")
    second = write_hands(tmp_path / "b", **{"seed": 1} | settings)
    with pytest.raises(ValueError, match=message):
        open_set([first, second], "asl")


def test_a_set_is_named_once(tmp_path: Path) -> None:
    folder = write_hands(tmp_path / "a")
    with pytest.raises(ValueError, match="twice"):
        open_set([folder, f"{folder}/"], "asl")


def test_tables_and_images_join_if_both_are_as_of_images_of_4_to_3(tmp_path: Path) -> None:
    readers = {"images": {"standard_ratio": True}, "tables": {"aspect_ratio": 1.5}, "unknown": {}}
    images, tables, unknown = (
        write_hands(tmp_path / name, seed=seed, reader=reader)
        for seed, (name, reader) in enumerate(readers.items())
    )
    joined = JoinedSet([images, tables], "asl")
    assert joined.meta["settings"]["reader"] == {"standard_ratio": True}
    with pytest.raises(ValueError, match=r"differ in reader.standard_ratio \(true and false\)"):
        JoinedSet([images, unknown], "asl")


def test_boxes_of_one_scale_do_not_join_others(tmp_path: Path) -> None:
    readers = ({"restore_size": True}, {"restore_size": True, "crop": "mouth"}, {})
    restored, faces, others = (
        write_hands(tmp_path / str(seed), seed=seed, reader=reader)
        for seed, reader in enumerate(readers)
    )
    JoinedSet([faces, others], "asl")
    with pytest.raises(ValueError, match=r"differ in reader.restore_size \(true and false\)"):
        JoinedSet([restored, others], "asl")
