"""Folders, file extensions, links and Unicode forms that must not be skipped silently."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from datamodules.readers.asl.landmark_npy import LandmarkNPY
from datamodules.readers.lips.video_folder import VideoFolder
from datamodules.readers.lips.video_manifest import VideoManifest
from datamodules.store.dataset import PreparedSet
from datamodules.store.prepare import prepare
from tests.helpers.random_trees import make_content
from unvoiced.vision import images

NFC, NFD = "été", "e\u0301te\u0301"


def write_landmarks(*names: str, raw: Path) -> None:
    for number, name in enumerate(names):
        path = raw / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.random.default_rng(number).normal(size=63))


def write_videos(*names: str, raw: Path) -> None:
    for name in names:
        path = raw / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make_content("a.mkv"))


def prepare_set(reader, folder: Path) -> tuple[PreparedSet, pd.DataFrame, str]:
    lines: list[str] = []
    prepare(reader, folder / "set", {}, num_workers=1, log=lines.append)
    rejected = pd.read_csv(folder / "set" / "rejected.csv", dtype=str, keep_default_na=False)
    return PreparedSet(folder / "set"), rejected.set_index("id"), "\n".join(lines)


def test_dev_and_eval_validate_and_other_folders_are_named(tmp_path: Path) -> None:
    names = ("train/A/1", "test/A/1", "dev/A/1", "Eval/A/1", "Training/A/1", "holdout/A/1")
    write_landmarks(*names, "A/loose", raw=tmp_path / "raw")
    result, rejected, message = prepare_set(LandmarkNPY(tmp_path / "raw"), tmp_path)
    marks = result.manifest.set_index("id")["split"]
    assert marks["dev/A/1.npy"] == marks["Eval/A/1.npy"] == "val"
    assert marks["Training/A/1.npy"] == "train"
    assert "outside of the split folders" in rejected.loc["holdout/A/1.npy", "reason"]
    assert rejected.loc["A/loose.npy", "label"] == "A"
    assert "warning: the folder holdout is next to the split folders" in message


@pytest.mark.parametrize("setting", [None, True, False])
def test_a_signer_may_be_called_test(tmp_path: Path, setting: bool | None) -> None:
    write_landmarks("test/A/1", "anna/A/1", raw=tmp_path / "raw")
    reader = LandmarkNPY(tmp_path / "raw", split_folders=setting)
    result, rejected, message = prepare_set(reader, tmp_path)
    if setting:
        assert result.manifest["split"].tolist() == ["test"] and list(rejected.index) == [
            "anna/A/1.npy"
        ]
    else:
        assert set(result.manifest["group"]) == {"anna", "test"} and rejected.empty
        assert set(result.manifest["split"]) == {""}
        assert ("the folder test sets no split: anna next to it is no split" in message) == (
            setting is None
        )


@pytest.mark.parametrize("others", [("bus",), ("bus", "test"), ()])
def test_a_word_may_be_called_train(tmp_path: Path, others: tuple[str, ...]) -> None:
    write_videos("train/1.mkv", *(f"{name}/1.mkv" for name in others), raw=tmp_path / "raw")
    result, rejected, message = prepare_set(VideoFolder(tmp_path / "raw", crop="none"), tmp_path)
    assert set(result.manifest["label"]) == {"train", *others} and rejected.empty
    assert "sets no split" in message


def test_endings_are_counted_and_lost_classes_named(run, tmp_path: Path, capsys) -> None:
    raw = tmp_path / "raw"
    write_videos("one/1.mkv", "one/readme", "two/1.mkx", "list.xlsx", ".DS_Store", raw=raw)
    run(
        *(
            "task=lipread",
            "stage=prepare",
            "reader=video_folder",
            "crop=none",
            "prepare.num_workers=1",
        ),
        *(f"raw_dir={raw}", f"data_dir={tmp_path / 'set'}"),
    )
    message = capsys.readouterr().out
    assert "Files that are not read: 1 .mkx, 1 .xlsx, 1 hidden, 1 without an ending" in message
    assert "no recording of two could be used" in message


def test_wmv_and_other_videos_are_read(tmp_path: Path) -> None:
    write_videos("two/1.WMV", "two/2.3gp", "two/3.MTS", "two/4.flv", raw=tmp_path / "raw")
    result, rejected, _ = prepare_set(VideoFolder(tmp_path / "raw", crop="none"), tmp_path)
    assert len(result) == 4 and rejected.empty


@pytest.mark.parametrize("ending", ["tif", "gif", "avif", "jp2", "ppm", "heic"])
def test_images_of_other_endings_are_decoded(tmp_path: Path, ending: str) -> None:
    if ending == "heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    kinds = {"tif": "TIFF", "jp2": "JPEG2000", "heic": "HEIF"}
    path = tmp_path / f"a.{ending}"
    Image.new("RGB", (64, 48), (200, 0, 0)).save(path, kinds.get(ending, ending.upper()))
    assert images.load_image(path).shape == (48, 64, 3)


def test_heic_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"\0\0\0\x18ftypheic" + bytes(200)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr(Image, "OPEN", {k: v for k, v in Image.OPEN.items() if k != "HEIF"})
    images._readable_formats.cache_clear()
    with pytest.raises(ValueError, match="Install pillow-heif"):
        images.decode_image(content)
    images._readable_formats.cache_clear()


def test_links_within_the_folder_are_followed(tmp_path: Path) -> None:
    raw, away = tmp_path / "raw", tmp_path / "away"
    write_landmarks("s1/A/1", "s2/B/1", raw=raw)
    write_landmarks("A/1", raw=away)
    for name, target in {
        "s3": away,
        "s1/A/out.npy": away / "A" / "1.npy",
        "s1/A/gone.npy": raw / "gone",
        "s1/A/up": raw / "s1",
        "s4": raw / "s2",
        "s1/A/in.npy": raw / "s2" / "B" / "1.npy",
    }.items():
        (raw / name).symlink_to(target)
    result, rejected, message = prepare_set(LandmarkNPY(raw), tmp_path)
    assert {*result.manifest["id"]} == {
        *("s1/A/1.npy", "s1/A/in.npy", "s2/B/1.npy", "s4/B/1.npy"),
    }
    reasons = rejected["reason"]
    assert "leads out of raw_dir" in reasons["s3"] and "leads out" in reasons["s1/A/out.npy"]
    assert "leads nowhere" in reasons["s1/A/gone.npy"]
    assert "a folder that it lies in" in reasons["s1/A/up"]
    assert "under two labels: s1/A/in.npy ('A') and s2/B/1.npy ('B')" in message


def test_two_unicode_forms_are_one_class(tmp_path: Path) -> None:
    write_videos(f"{NFC}/1.mkv", f"{NFD}/2.mkv", raw=tmp_path / "raw")
    reader = VideoFolder(tmp_path / "raw", crop="none", labels=[NFD])
    result, _, _ = prepare_set(reader, tmp_path)
    assert result.classes == (NFC,) and len(result) == 2


def test_one_clip_with_two_labels_is_named_after_resuming_too(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write_videos("a.mkv", raw=raw)
    (raw / "manifest.csv").write_text(f"path,label\na.mkv,yes\na.mkv,no\na.mkv,{NFD}\n")
    for name in ("one", "two"):
        result, _, message = prepare_set(VideoManifest(raw, crop="none"), tmp_path / name)
        assert "1 recording under two labels: a.mkv ('yes')" in message
        assert result.classes == ("no", "yes", NFC)


@pytest.mark.parametrize("name", ["a.mkv", "manifest.csv"])
def test_nothing_of_a_linked_file_is_shown(tmp_path: Path, name: str) -> None:
    raw, secret = tmp_path / "raw", tmp_path / "secret"
    raw.mkdir()
    secret.write_text("password,of,somebody\nhunter2,x,y\n")
    (raw / "manifest.csv").write_text("path,label\na.mkv,yes\n")
    (raw / name).unlink(missing_ok=True)
    (raw / name).symlink_to(secret)
    with pytest.raises(ValueError, match=r"leads out of raw_dir") as caught:
        prepare(VideoManifest(raw, crop="none"), tmp_path / "set", {}, 1, lambda line: None)
    assert "password" not in str(caught.value) and "hunter2" not in str(caught.value)


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_endless_files_are_rejected(tmp_path: Path, kind: str) -> None:
    raw = tmp_path / "raw"
    write_landmarks("s1/A/1", raw=raw)
    if kind == "fifo":
        os.mkfifo(raw / "s1" / "A" / "2.npy")
    else:
        (raw / "s1" / "A" / "2.npy").symlink_to("/dev/zero")
    _, rejected, _ = prepare_set(LandmarkNPY(raw), tmp_path)
    assert list(rejected.index) == ["s1/A/2.npy"]


def test_a_failed_preparation_starts_over(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write_landmarks("s1/A/1", raw=raw)
    content = (raw / "s1/A/1.npy").read_bytes()
    (raw / "s1/A/1.npy").write_bytes(b"no array")
    with pytest.raises(ValueError, match="not one recording could be read"):
        prepare_set(LandmarkNPY(raw), tmp_path)
    with pytest.raises(ValueError, match="gave no sample"):
        PreparedSet(tmp_path / "set")
    (raw / "s1/A/1.npy").write_bytes(content)
    result, rejected, _ = prepare_set(LandmarkNPY(raw), tmp_path)
    assert len(result) == 1 and rejected.empty
