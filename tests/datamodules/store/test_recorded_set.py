"""Sets that grow while a person is recorded."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest

from datamodules.store import writer
from datamodules.store.dataset import PreparedSet
from datamodules.store.frames import npy_header
from datamodules.store.recorded_set import RecordedSet
from datamodules.store.samples import Description, Frame

DESCRIPTION = Description("asl", Frame((63,), "float32", "a hand"), {"reader": {}})
CLIPS = [np.full((1, 63), number, np.float32) for number in range(3)]


def open_set(folder, person="me", session="1", description=DESCRIPTION):
    return RecordedSet(folder, description, person, f"{person}/{session}", "I agree.")


def test_a_set_is_complete_after_each_recording(tmp_path):
    with open_set(tmp_path / "set") as recorded:
        for count, label in enumerate(("A", "B"), 1):
            recorded.add(label, CLIPS)
            prepared = PreparedSet(tmp_path / "set")
            assert len(prepared) == 3 * count
    assert prepared.manifest["group"].unique().tolist() == ["me"]
    assert prepared.manifest["sequence"].unique().tolist() == ["me/1/00001", "me/1/00002"]
    (consent,) = json.loads((tmp_path / "set" / "meta.json").read_text())["consents"]
    assert (consent["session"], consent["sentence"]) == ("me/1", "I agree.")


def test_sessions_and_people_are_appended(tmp_path):
    for person, session in [("me", "1"), ("you", "1"), ("me", "2"), ("me", "1")]:
        with open_set(tmp_path / "set", person, session) as recorded:
            recorded.add("A", CLIPS[:1])
    assert recorded.recorded["A"] == 2
    prepared = PreparedSet(tmp_path / "set")
    assert prepared.groups == ["me", "you"]
    assert prepared.manifest["id"].tolist() == [
        "me/1/00001", "you/1/00001", "me/2/00001", "me/1/00002",
    ]  # fmt: skip
    meta = json.loads((tmp_path / "set" / "meta.json").read_text())
    assert [one["session"] for one in meta["consents"]] == ["me/1", "you/1", "me/2"]


@pytest.mark.parametrize("damage", ["row", "frames", "half a row"])
def test_what_a_killed_process_left_is_repaired(tmp_path, damage):
    with open_set(tmp_path / "set") as recorded:
        recorded.add("A", CLIPS[:1])
    features, manifest = tmp_path / "set" / "features.npy", tmp_path / "set" / "manifest.csv"
    with features.open("ab") as file:
        file.write(b"\0" * (100 if damage == "frames" else 252))
    if damage != "frames":
        row = "me/1/00002,B,me,me/1/00002,,me/1,1,1\n"
        with manifest.open("a") as file:
            file.write(row if damage == "row" else row[:12])
    with open_set(tmp_path / "set") as recorded:
        recorded.add("C", CLIPS[1:2])
    labels = PreparedSet(tmp_path / "set").manifest["label"].tolist()
    assert labels == (["A", "B", "C"] if damage == "row" else ["A", "C"])


def test_a_set_is_usable_whatever_a_killed_process_left(tmp_path):
    with open_set(tmp_path / "set") as recorded:
        recorded.add("A", CLIPS)
        meta = (tmp_path / "set" / "meta.json").read_text()
        recorded.add("B", CLIPS)
    (tmp_path / "set" / "meta.json").write_text(meta)  # killed before it was written
    assert PreparedSet(tmp_path / "set").manifest["label"].unique().tolist() == ["A"]
    with open_set(tmp_path / "set") as recorded:
        assert recorded.recorded == {"A": 1, "B": 1}
    assert PreparedSet(tmp_path / "set").manifest["label"].unique().tolist() == ["A", "B"]


@pytest.fixture
def _with_ctrl_c():
    """Handle Ctrl-C, also where the tests run in the background, which ignores it."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


@pytest.mark.usefixtures("_with_ctrl_c")
def test_ctrl_c_waits_until_a_recording_is_written(tmp_path, monkeypatch):
    def interrupt(*arguments):
        signal.raise_signal(signal.SIGINT)
        return npy_header(*arguments)

    with open_set(tmp_path / "set") as recorded:
        monkeypatch.setattr(writer, "npy_header", interrupt)
        with pytest.raises(KeyboardInterrupt):
            recorded.add("A", CLIPS)
        monkeypatch.undo()
        recorded.add("B", CLIPS[1:2])
    prepared = PreparedSet(tmp_path / "set")
    assert prepared.manifest["label"].tolist() == ["A"] * 3 + ["B"]
    assert [prepared.read_sample(row)[0, 0] for row in range(4)] == [0, 1, 2, 1]


def test_a_set_without_recordings_names_its_stage(tmp_path):
    with open_set(tmp_path / "set"), pytest.raises(ValueError, match="same stage=record command"):
        PreparedSet(tmp_path / "set")


def test_consents_of_a_set_that_was_changed_by_hand_are_replaced(tmp_path):
    with open_set(tmp_path / "set") as recorded:
        recorded.add("A", CLIPS)
    path = tmp_path / "set" / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"consents": 7}))
    with open_set(tmp_path / "set"):
        pass
    assert len(json.loads(path.read_text())["consents"]) == 1


def test_a_disk_that_was_full_at_the_first_write_leaves_a_folder_to_use(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "meta.partial").write_text("{")
    with open_set(tmp_path / "set") as recorded:
        recorded.add("A", CLIPS)
    assert len(PreparedSet(tmp_path / "set")) == 3


def test_a_session_without_recordings_can_be_resumed(tmp_path):
    with open_set(tmp_path / "set"):
        pass
    with open_set(tmp_path / "set") as recorded:
        recorded.add("A", CLIPS)
    assert len(PreparedSet(tmp_path / "set")) == 3


def test_a_set_of_other_recordings_is_refused(tmp_path):
    with open_set(tmp_path / "set") as recorded:
        recorded.add("A", CLIPS)
    other = Description("asl", DESCRIPTION.frame, {"reader": {"fps": 5}})
    with pytest.raises(ValueError, match="with other settings"):
        open_set(tmp_path / "set", description=other)
