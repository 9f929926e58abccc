"""Recordings that are added to a complete set: names, copies, classes, and interruptions."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from datamodules.readers.asl.landmark_npy import LandmarkNPY
from datamodules.store.dataset import PreparedSet
from datamodules.store.prepare import prepare
from datamodules.store.writer import PreparedWriter
from tests.helpers.prepared_sets import read_set_files, write_landmark_files


def add(raw: Path, folder: Path, append: bool = True, **options: object) -> list[str]:
    lines: list[str] = []
    settings = {"reader": {"raw_dir": str(raw), "zoom": options.pop("zoom", None)}}
    prepare(LandmarkNPY(raw, True), folder, settings, 1, lines.append, append, **options)
    return lines


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a complete set of three letters, two recordings each."""
    add(write_landmark_files(tmp_path / "first", each=2), tmp_path / "set", append=False)
    return tmp_path / "set"


def write_other(tmp_path: Path, letters: str = "AB") -> Path:
    raw = write_landmark_files(tmp_path / "second", "XYZ" + letters, each=2)
    for letter in "XYZ":  # so that the other letters have other numbers than in the first
        for path in sorted((raw / "me" / letter).rglob("*.npy")):
            path.unlink()
    return raw


def test_another_source_is_added_under_its_own_names(folder: Path, tmp_path: Path) -> None:
    before = PreparedSet(folder)
    raw = write_other(tmp_path)
    add(raw, folder)
    after = PreparedSet(folder, "asl")
    assert len(after) == len(before) + 4
    assert after.groups == ["me", "second/me"]
    assert after.manifest["id"].str.startswith("second/").sum() == 4
    assert (after.features[: len(before.features)] == before.features).all()
    files = read_set_files(folder)
    add(raw, folder)
    assert read_set_files(folder) == files


def test_names_of_a_source_are_new_in_the_set(tmp_path: Path) -> None:
    raw = write_landmark_files(tmp_path / "first", each=2)
    (raw / "me").rename(raw / "second")  # its ids begin as those of a folder of that name would
    add(raw, tmp_path / "set", append=False)
    write_other(tmp_path)
    (tmp_path / "second" / "me").rename(tmp_path / "letters")
    shutil.rmtree(tmp_path / "second")
    (tmp_path / "letters").rename(tmp_path / "second")
    add(tmp_path / "second", tmp_path / "set")
    prepared = PreparedSet(tmp_path / "set")
    assert len(prepared) == 10
    assert prepared.manifest["id"].str.startswith("second-2/").sum() == 4


def test_an_addition_that_read_nothing_yet_keeps_its_name(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = write_other(tmp_path)
    for path in (raw / "me").rglob("*.npy"):
        path.write_bytes(b"damaged")
    with monkeypatch.context() as patch:
        patch.setattr(PreparedWriter, "finish", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            add(raw, folder)
    add(raw, folder)
    assert pd.read_csv(folder / "rejected.csv")["id"].str.startswith("second/").sum() == 4


def test_the_same_people_keep_their_groups(folder: Path, tmp_path: Path) -> None:
    add(write_other(tmp_path), folder, shared_groups=True)
    assert PreparedSet(folder).groups == ["me"]


def test_copies_are_not_added(folder: Path, tmp_path: Path) -> None:
    add(write_landmark_files(tmp_path / "moved", each=2), folder)
    assert len(PreparedSet(folder)) == 6
    rejected = pd.read_csv(folder / "rejected.csv")
    assert rejected["reason"].str.contains("a copy of .*, which the set holds already").sum() == 6


def test_new_recordings_of_the_first_source_are_added(folder: Path, tmp_path: Path) -> None:
    extra = write_other(tmp_path, "D") / "me" / "D"
    extra.rename(tmp_path / "first" / "me" / "D")
    lines = add(tmp_path / "first", folder)
    assert "New in this set: 1 class (D)" in lines
    assert PreparedSet(folder).groups == ["me"] and len(PreparedSet(folder)) == 8


def test_an_interrupted_addition_leaves_the_set_as_it_was(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = write_other(tmp_path)
    before = PreparedSet(folder).manifest
    with monkeypatch.context() as patch:
        patch.setattr(PreparedWriter, "finish", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            add(raw, folder)
    with (folder / "manifest.csv").open("a") as file:
        file.write('second/half,"A')
    pd.testing.assert_frame_equal(PreparedSet(folder).manifest, before)
    with pytest.raises(ValueError, match="addition of .*second to .* is incomplete"):
        add(write_landmark_files(tmp_path / "third"), folder)
    add(raw, folder)
    assert len(PreparedSet(folder)) == 10
    assert "appending" not in PreparedSet(folder).meta


def test_sources_that_do_not_fit_are_refused(folder: Path, tmp_path: Path) -> None:
    raw = write_other(tmp_path, "DE")
    with pytest.raises(ValueError, match=r"no class of the set \(D, E; the set has A, B, C\)"):
        add(raw, folder)
    with pytest.raises(ValueError, match=r"other settings \(reader.zoom differ\)"):
        add(raw, folder, zoom=2.0)
    with pytest.raises(ValueError, match="adds to a prepared set, and data_dir=.* holds none"):
        add(raw, tmp_path / "nothing")
    with pytest.raises(ValueError, match="or add these recordings with prepare.append=true"):
        add(raw, folder, append=False)
    assert len(PreparedSet(folder)) == 6
    assert "appending" not in PreparedSet(folder).meta
