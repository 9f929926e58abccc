"""The lip readers, on good and damaged videos, images and zip files."""

from __future__ import annotations

import shutil
import zipfile

import cv2
import numpy as np
import pandas as pd
import pytest

from datamodules.readers.lips import frame_folder
from datamodules.readers.lips.frame_folder import FrameFolder
from datamodules.readers.lips.mouth_input import MouthInput
from datamodules.readers.lips.video_folder import VideoFolder
from datamodules.readers.lips.video_manifest import VideoManifest
from datamodules.store.dataset import PreparedSet
from datamodules.store.prepare import prepare
from datamodules.store.samples import Rejection, Sample
from tests.helpers.faces import paint_scene
from tests.helpers.paths import require_shared_data
from tests.helpers.readers import read_image_outcomes, read_image_samples, reasons_by_id
from tests.helpers.videos import make_gray_images, make_noise_images, write_video


def read_frame_numbers(sample):
    """Return the numbers of the gray frames in a sample."""
    return np.rint(sample.features.mean((1, 2)) / 10).astype(int).tolist()


# ---- manifests


def make_manifest(folder, *rows, header="path,label", name="manifest.csv"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return folder


def open_manifest(folder, **options):
    return VideoManifest(folder, crop="none", **options)


def test_words_are_cut_from_sentences(tmp_path):
    make_manifest(
        tmp_path, "a,bin,0,4.5", "a,blue,4.5,10", "b,bin,12,20",
        header="clip,word,from,to", name="words.csv",
    )  # fmt: skip
    for name in "ab":
        write_video(tmp_path / "mouth" / f"{name}.mkv", make_gray_images(20))
    columns = {"label": "word", "group": "clip", "start": "from", "end": "to"}
    reader = open_manifest(tmp_path, manifest="words.csv", path="mouth/{clip}.mkv", **columns)
    assert [item.id for item in reader.list_items()] == ["mouth/a.mkv", "mouth/b.mkv"]
    samples, rejected = read_image_samples(reader)
    assert not rejected
    assert [(s.id, s.label, s.group, s.source) for s in samples] == [
        ("mouth/a.mkv#0-4.5", "bin", "a", "mouth/a.mkv"),
        ("mouth/a.mkv#4.5-10", "blue", "a", "mouth/a.mkv"),
        ("mouth/b.mkv#12-20", "bin", "b", "mouth/b.mkv"),
    ]
    assert [read_frame_numbers(s) for s in samples] == [
        [*range(4)],
        [*range(4, 10)],
        [*range(12, 20)],
    ]
    assert reader.task == "lipread"
    assert reader.frame.rate == 25.0


def test_known_columns_are_used_by_default(tmp_path):
    make_manifest(
        tmp_path, "a.mkv,x,p1,valid,2,8", "a.mkv,y,p1,,,",
        header="path,label,group,split,start_frame,end_frame",
    )  # fmt: skip
    write_video(tmp_path / "a.mkv", make_gray_images(10))
    one, two = read_image_outcomes(open_manifest(tmp_path))
    assert (one.id, one.group, one.split, read_frame_numbers(one)) == (
        "a.mkv#2-8",
        "p1",
        "val",
        [*range(2, 8)],
    )
    assert (two.id, two.split, read_frame_numbers(two)) == ("a.mkv", "", [*range(10)])
    assert (one.word_span, two.word_span) == (None, None)
    wide, _ = read_image_outcomes(open_manifest(tmp_path, context_s=0.04))
    assert read_frame_numbers(wide) == [*range(1, 9)]


def test_cuts_with_context_tell_where_the_word_lies(tmp_path):
    make_manifest(
        tmp_path, "a.mkv,x,0,4", "a.mkv,y,4,10", "a.mkv,z,16.5,20", "a.mkv,w,,", "a.mkv,v,12,",
        header="path,label,start_frame,end_frame",
    )  # fmt: skip
    write_video(tmp_path / "a.mkv", make_gray_images(20))
    samples, _ = read_image_samples(open_manifest(tmp_path, context_s=0.1))
    assert [read_frame_numbers(s) for s in samples] == [
        [*range(6)], [*range(2, 12)], [*range(14, 20)], [*range(20)], [*range(10, 20)],
    ]  # fmt: skip
    assert [s.word_span for s in samples] == [(0, 4), (2, 8), (2, 6), (0, 20), (2, 10)]
    assert {s.sequence for s in samples} == {"a.mkv"}
    message = [read_frame_numbers(s)[slice(*s.word_span)] for s in samples[:3]]
    assert message == [[*range(4)], [*range(4, 10)], [*range(16, 20)]]
    half, *_ = read_image_outcomes(open_manifest(tmp_path, context_s=0.16, fps=12.5))
    assert (read_frame_numbers(half), half.word_span) == ([1, 3, 5, 7], (0, 2))


def test_words_of_vsr_have_context_by_default(tmp_path):
    make_manifest(tmp_path, "a.mkv,x,9,11", header="path,label,start_frame,end_frame")
    write_video(tmp_path / "a.mkv", make_gray_images(20))
    (one,) = read_image_outcomes(open_manifest(tmp_path, task="vsr"))
    assert (read_frame_numbers(one), one.word_span) == (
        [*range(4, 16)],
        (5, 7),
    )  # 0.2 s are 5 frames
    (alone,) = read_image_outcomes(open_manifest(tmp_path, task="vsr", context_s=0.0, min_frames=1))
    assert (read_frame_numbers(alone), alone.word_span) == ([9, 10], None)


def test_a_word_beyond_the_end_is_no_context(tmp_path):
    make_manifest(tmp_path, "a.mkv,x,9,10", header="path,label,start_frame,end_frame")
    write_video(tmp_path / "a.mkv", make_gray_images(9))
    (rejected,) = read_image_outcomes(open_manifest(tmp_path, context_s=1.0))
    assert rejected.reason.startswith("no frame of the word itself is left: the video ends before")


def test_two_spellings_of_a_word_are_named(run, tmp_path, capsys):
    make_manifest(
        tmp_path, "a.mkv,Thank you", "a.mkv,thank_you", "a.mkv,no", header="path,label"
    )  # fmt: skip
    write_video(tmp_path / "a.mkv", make_gray_images(10))
    run(
        *(
            "task=lipread",
            "stage=prepare",
            "reader=video_manifest",
            "crop=none",
            "prepare.num_workers=1",
        ),
        *(f"raw_dir={tmp_path}", f"data_dir={tmp_path / 'set'}"),
    )
    message = capsys.readouterr().out
    assert "warning: 'Thank you' and 'thank_you' are spellings of one word" in message
    assert message.count("are spellings of one word") == 1


def test_sets_cut_with_context_say_so(tmp_path):
    make_manifest(tmp_path, "a.mkv,x,2,8", header="path,label,start_frame,end_frame")
    write_video(tmp_path / "a.mkv", make_gray_images(10))
    for context_s, words in ((0.0, None), (0.08, [[2, 8]])):
        folder = tmp_path / f"set{context_s}"
        prepare(open_manifest(tmp_path, context_s=context_s), folder, {}, num_workers=1)
        result = PreparedSet(folder).word_spans
        assert (None if result is None else result.tolist()) == words


def test_cuts_are_resampled_to_another_frame_rate(tmp_path):
    write_video(tmp_path / "a.mkv", make_gray_images(20), rate=50)
    make_manifest(tmp_path, "a.mkv,x,4,14", header="path,label,start_frame,end_frame")
    (sample,) = read_image_outcomes(open_manifest(tmp_path))
    assert read_frame_numbers(sample) == [5, 7, 9, 11, 13]


def test_bad_rows_are_rejected_one_by_one(tmp_path):
    write_video(tmp_path / "a.mkv", make_gray_images(20))
    outside = write_video(tmp_path / "outside.mkv", make_gray_images(9))
    folder = make_manifest(
        tmp_path / "raw", "a.mkv,x,0,8", "absent.mkv,x,0,8", "a.mkv,,0,9", ",x,0,8",
        "a.mkv,x,9,5", "a.mkv,x,one,5", "a.mkv,x,-2,5", "a.mkv,x,3,5", "a.mkv,x,10,40",
        "a.mkv,x,16,21", "../outside.mkv,x,0,8", f"{outside},x,0,8", "C:\\a.mkv,x,0,8",
        "a.mkv,x,0,8", "a.mkv,x,nan,8", "link.mkv,x,0,8", "a.mkv,x,1,8",
        header="path,label,start_frame,end_frame",
    )  # fmt: skip
    shutil.move(tmp_path / "a.mkv", folder / "a.mkv")
    (folder / "link.mkv").symlink_to(outside)
    samples, rejected = read_image_samples(open_manifest(folder))
    kept = ["a.mkv#0-8", "a.mkv#16-21", "a.mkv#0-8#line15", "a.mkv#1-8"]
    assert [sample.id for sample in samples] == kept
    out = "leads out of raw_dir; expected a path below it"
    assert reasons_by_id(rejected) == {
        "absent.mkv#0-8": "the file absent.mkv is missing",
        "a.mkv#0-9": "line 4: label is missing",
        "#0-8": "line 5: path is missing",
        "a.mkv#9-5": "line 6: the end, frame 5, is not after the start, frame 9",
        "a.mkv#one-5": "line 7: 'one' is not the number of a frame",
        "a.mkv#-2-5": "line 8: the start, frame -2, is negative",
        "a.mkv#3-5": "2 frames long; expected reader.min_frames=4 or more",
        "a.mkv#10-40": "ends at frame 40, 10 of its 30 frames are there: the video ends before",
        "../outside.mkv#0-8": f"line 12: the path ../outside.mkv {out}",
        f"{outside}#0-8": f"line 13: the path {outside} {out}",
        "C:\\a.mkv#0-8": f"line 14: the path C:/a.mkv {out}",
        "a.mkv#nan-8": "line 16: 'nan' is not the number of a frame",
        "link.mkv#0-8": "the file link.mkv leads out of raw_dir",
    }


def test_tables_of_other_formats_are_read(tmp_path):
    """Semicolons, a byte order mark, quotes, empty lines, and a row with a field too many."""
    write_video(tmp_path / "a;b.mkv", make_gray_images(9))
    rows = '\ufeffpath;label\r\n"a;b.mkv"; x \r\n\r\na.mkv;x;y\r\n'
    (tmp_path / "manifest.csv").write_bytes(rows.encode())
    sample, rejected = read_image_outcomes(open_manifest(tmp_path))
    assert (sample.id, sample.label) == ("a;b.mkv", "x")
    assert reasons_by_id([rejected]) == {"manifest.csv#line4": "line 4: found 3 fields, expected 2"}


def test_unknown_splits_and_bad_files_are_rejected(tmp_path):
    write_video(tmp_path / "a.mkv", make_gray_images(9))
    (tmp_path / "b.mp4").write_text("hello")
    make_manifest(tmp_path, "a.mkv,x,holdout", "b.mp4,x,train", header="path,label,split")
    assert reasons_by_id(read_image_outcomes(open_manifest(tmp_path))) == {
        "a.mkv": "line 2: unknown split 'holdout'; expected train, val or test",
        "b.mp4": "not a video but a text",
    }


def test_words_before_the_end_of_a_truncated_video_are_kept(tmp_path):
    path = write_video(tmp_path / "a.mkv", make_noise_images(20))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    header = "path,label,start_frame,end_frame"
    make_manifest(tmp_path, "a.mkv,x,0,6", "a.mkv,x,8,18", "a.mkv,x,,", header=header)
    (sample,), rejected = read_image_samples(open_manifest(tmp_path))
    assert sample.id == "a.mkv#0-6"
    left = "only 12 of 20 frames can be decoded: the file is truncated or damaged"
    assert reasons_by_id(rejected) == {
        "a.mkv#8-18": f"ends at frame 18, 4 of its 10 frames are there: {left}",
        "a.mkv": left,
    }


@pytest.mark.parametrize(
    ("header", "options", "message"),
    [
        (
            "file,label",
            {},
            r"manifest.csv has no column 'path'; found file, label. Set reader.path=",
        ),
        ("path,word", {}, "has no column 'label'; found path, word"),
        ("path,label", {"path": "{clip}.mp4"}, "has no column 'clip'"),
        ("path,label", {"group": "speaker"}, "has no column 'speaker'"),
        ("path,label", {"manifest": "other.csv"}, "other.csv is missing.*there: manifest.csv"),
    ],
)
def test_incomplete_manifests_are_refused(tmp_path, header, options, message):
    make_manifest(tmp_path, "a.mp4,x", header=header)
    with pytest.raises(ValueError, match=message):
        open_manifest(tmp_path, **options).list_items()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds nothing"),
        (b"path,label\n", "holds a header and no row"),
        (b"\n", "holds nothing"),
        (b'path,label\n"a,b\n', "is not a table .*unexpected end"),
        ("path,label\nZoë,x".encode("latin-1"), "is not a table .* in UTF-8"),
    ],
)
def test_files_that_are_not_manifests_are_refused(tmp_path, content, message):
    (tmp_path / "manifest.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        open_manifest(tmp_path).list_items()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop": "lips"}, "crop=lips is not valid; expected one of mouth, none"),
        ({"fps": 0}, "reader.fps=0.0 is not valid; expected a number above 0"),
        ({"fps": float("nan")}, "reader.fps=nan is not valid"),
        ({"height": 2}, "reader.height=2"),
        (
            {"min_face_share": 50},
            "reader.min_face_share=50 is not valid; expected a share",
        ),
    ],
)
def test_impossible_settings(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        VideoManifest(tmp_path, **options)


# ---- folders of videos


def test_folders_give_the_labels(tmp_path):
    for name in ("hello/2.mkv", "hello/10.MKV", "web/deep/er/1.avi", "top.mkv", ".trash/1.mkv"):
        write_video(tmp_path / name, make_gray_images(5))
    samples, rejected = read_image_samples(VideoFolder(tmp_path, crop="none"))
    assert not rejected
    result = [(sample.id, sample.label, sample.group) for sample in samples]
    assert result == [
        ("hello/2.mkv", "hello", ""),
        ("hello/10.MKV", "hello", ""),
        ("web/deep/er/1.avi", "web", ""),
    ]


def test_folders_give_groups_and_splits(tmp_path):
    for name in ("train/anna/hello/1.mkv", "val/bob/web/1.mkv"):
        write_video(tmp_path / name, make_gray_images(5))
    samples, _ = read_image_samples(VideoFolder(tmp_path, crop="none", has_groups=True))
    result = [(sample.split, sample.group, sample.label) for sample in samples]
    assert result == [("train", "anna", "hello"), ("val", "bob", "web")]


def test_only_the_given_labels_are_read(tmp_path):
    for name in ("hello", "web", "1"):
        write_video(tmp_path / name / "a.mkv", make_gray_images(5))
    samples, _ = read_image_samples(VideoFolder(tmp_path, crop="none", labels=["web", 1]))
    assert [sample.label for sample in samples] == ["1", "web"]
    rows = ["hello/a.mkv,hello,0,4", "hello/a.mkv,again,1,5", "web/a.mkv,web,0,5"]
    make_manifest(tmp_path, *rows, header="path,label,start_frame,end_frame")
    samples, rejected = read_image_samples(open_manifest(tmp_path, labels=["again"]))
    assert [sample.id for sample in samples] == ["hello/a.mkv#1-5"] and not rejected
    with pytest.raises(
        ValueError, match="reader.labels has stop, but no recording has this label; found 1, hello"
    ):
        VideoFolder(tmp_path, crop="none", labels=["stop", "web"]).list_items()


def test_folders_without_videos_are_refused(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"expected <label>/\*.mp4 .*found a.mp4"):
        VideoFolder(tmp_path, crop="none").list_items()


def test_bad_videos_are_rejected_one_by_one(tmp_path):
    """All of one class are bad: the others are prepared."""
    write_video(tmp_path / "good" / "a.mkv", make_gray_images(9))
    bad = tmp_path / "bad"
    write_video(bad / "zero.avi", [], code="MJPG")
    write_video(bad / "short.mkv", make_gray_images(3))
    write_video(bad / "odd.mkv", make_gray_images(9), rate=5000)
    truncated = write_video(bad / "truncated.mkv", make_noise_images(20))
    truncated.write_bytes(truncated.read_bytes()[: truncated.stat().st_size // 2])
    (bad / "renamed.mp4").write_bytes(cv2.imencode(".jpg", make_gray_images(1)[0])[1].tobytes())
    (bad / "empty.mp4").touch()
    reader = VideoFolder(tmp_path / ".." / tmp_path.name, crop="none")
    assert prepare(reader, tmp_path / "set", {}, num_workers=1).rejected == 6
    prepared = PreparedSet(tmp_path / "set", "lipread")
    assert prepared.manifest["label"].tolist() == ["good"]
    assert set(pd.read_csv(tmp_path / "set" / "rejected.csv")["label"]) == {"bad"}
    result = reasons_by_id(read_image_samples(reader)[1])
    assert result.pop("bad/truncated.mkv").startswith("only 9 of 20 frames can be decoded")
    assert result == {
        "bad/zero.avi": "the video holds no frame that can be decoded",
        "bad/short.mkv": "3 frames long; expected reader.min_frames=4 or more",
        "bad/odd.mkv": "the file states 4000 frames a second; expected more than 0, at most 1000. "
        "Write it again with its true rate",
        "bad/renamed.mp4": "not a video that FFmpeg can decode, or its end is missing",
        "bad/empty.mp4": "the file is empty",
    }


# ---- folders and zips of pictures


def encode_image(number, shape=(40, 96)):
    return cv2.imencode(".png", np.full((*shape, 3), 10 * number, np.uint8))[1].tobytes()


def make_clip(folder, frames=5, pattern="color_{:03d}.jpg", first=8):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(frames):
        (folder / pattern.format(first + number)).write_bytes(encode_image(number))


def zip_folder(folder, path, prefix=""):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, prefix + file.relative_to(folder).as_posix())
    return path


def test_speakers_may_be_folders(tmp_path):
    make_clip(tmp_path / "F01" / "words" / "02" / "10", pattern="{}.jpg")
    make_clip(tmp_path / "F01" / "words" / "02" / "9")
    make_clip(tmp_path / "F01" / "phrases" / "01" / "01")
    make_clip(tmp_path / "M02" / "Words" / "01" / "01")
    samples, rejected = read_image_samples(FrameFolder(tmp_path))
    assert not rejected
    assert [(s.id, s.label, s.group) for s in samples] == [
        ("F01/words/02/9", "02", "F01"),
        ("F01/words/02/10", "02", "F01"),
        ("M02/Words/01/01", "01", "M02"),
    ]
    assert [read_frame_numbers(sample) for sample in samples] == [[*range(5)]] * 3
    phrases = FrameFolder(tmp_path, kind="phrases", fps=30)
    assert phrases.frame.rate == 30.0
    assert [sample.id for sample in read_image_samples(phrases)[0]] == ["F01/phrases/01/01"]


def test_colour_goes_before_depth(tmp_path):
    folder = tmp_path / "F01" / "words" / "01" / "01"
    make_clip(folder, pattern="depth_{:03d}.jpg", frames=9)
    make_clip(folder)
    (sample,) = read_image_outcomes(FrameFolder(tmp_path))
    assert read_frame_numbers(sample) == [*range(5)]


@pytest.mark.parametrize(("prefix", "group"), [("", "F07"), ("F03/", "F03"), ("all/F03/", "F03")])
def test_speakers_may_be_zip_files(tmp_path, prefix, group):
    make_clip(tmp_path / "in" / "words" / "01" / "01")
    make_clip(tmp_path / "in" / "words" / "01" / "02")
    (tmp_path / "raw" / "train").mkdir(parents=True)
    zip_folder(tmp_path / "in", tmp_path / "raw" / "train" / "F07.zip", prefix)
    samples, rejected = read_image_samples(FrameFolder(tmp_path / "raw"))
    assert not rejected
    assert [(s.id, s.label, s.group, s.split) for s in samples] == [
        (f"train/F07.zip/{prefix}words/01/{n}", "01", group, "train") for n in ("01", "02")
    ]
    assert sorted(path.name for path in (tmp_path / "raw").rglob("*")) == ["F07.zip", "train"]


def test_damaged_zips_cost_a_row_each(tmp_path, monkeypatch):
    make_clip(tmp_path / "in" / "words" / "01" / "01")
    whole = zip_folder(tmp_path / "in", tmp_path / "F01.zip").read_bytes()
    shutil.rmtree(tmp_path / "in")
    (tmp_path / "F02.zip").write_bytes(whole[:-40])
    (tmp_path / "F03.zip").write_bytes(b"")
    flipped = bytearray(whole)
    flipped[whole.index(b"IDAT") + 6] ^= 255
    (tmp_path / "F04.zip").write_bytes(flipped)
    encrypted = bytearray(whole)
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        encrypted[whole.index(mark) + place] |= 1
    (tmp_path / "F05.zip").write_bytes(encrypted)
    (sample,), rejected = read_image_samples(FrameFolder(tmp_path))
    assert sample.group == "F01"
    result = reasons_by_id(rejected)
    for name in ("F02.zip", "F03.zip"):
        assert result[name].startswith("the zip is damaged or truncated: ")
    assert result["F04.zip/words/01/01"].startswith("color_008.jpg: damaged in the zip: Bad CRC")
    assert result["F05.zip/words/01/01"].startswith("color_008.jpg: encrypted")
    monkeypatch.setattr(frame_folder, "MAX_MEMBER_BYTES", 10)
    assert {row.reason[-25:] for row in read_image_outcomes(FrameFolder(tmp_path))} >= {
        "bytes; at most 10 are read"[-25:]
    }


def test_zip_entries_outside_the_archive_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "F01.zip", "w") as archive:
        for number in range(5):
            archive.writestr(f"../../words/01/01/{number}.png", encode_image(number))
            archive.writestr(f"words/01/02/{number}.png", encode_image(number))
    assert [row.id for row in read_image_outcomes(FrameFolder(tmp_path))] == ["F01.zip/words/01/02"]


def test_bad_images_are_rejected(tmp_path):
    short, bad = (tmp_path / "F01" / "words" / "01" / name for name in ("1", "2"))
    make_clip(short, frames=3)
    make_clip(bad)
    (bad / "color_010.jpg").write_bytes(encode_image(2)[:-20])
    assert reasons_by_id(read_image_outcomes(FrameFolder(tmp_path))) == {
        "F01/words/01/1": "3 frames long; expected reader.min_frames=4 or more",
        "F01/words/01/2": "color_010.jpg: the image is truncated",
    }


def test_a_folder_of_another_layout_is_refused(tmp_path):
    (tmp_path / "F01.txt").write_text("x")
    with pytest.raises(ValueError, match=r"expected <speaker>/words/.*found F01.txt"):
        FrameFolder(tmp_path).list_items()
    (tmp_path / "F01.zip").write_text("x")
    with pytest.raises(ValueError, match="no zip can be read, such as F01.zip"):
        FrameFolder(tmp_path).list_items()
    with pytest.raises(ValueError, match="reader.kind=letters is not valid"):
        FrameFolder(tmp_path, kind="letters")


# ---- faces


def paint_speaking_head(frames=20, size=150, away=(), step=2):
    """Return images of a head that moves right and speaks; it is absent in ``away``."""
    return [
        paint_scene()
        if n in away
        else paint_scene((20 + step * n, 40, size, 0.5 + 0.5 * np.sin(n)))
        for n in range(frames)
    ]


def write_clip(folder, images):
    write_video(folder / "hello" / "a.mkv", images)
    (outcome,) = read_image_outcomes(VideoFolder(folder, model=None))
    return outcome


@pytest.mark.usefixtures("face_model_file")
class TestFaces:
    def test_a_moving_head_gives_a_still_window(self, tmp_path):
        sample = write_clip(tmp_path, paint_speaking_head())
        assert (sample.id, sample.label, sample.source) == ("hello/a.mkv", "hello", "hello/a.mkv")
        assert sample.features.shape == (20, 64, 96)
        above = sample.features[:, :18].astype(float)  # the nose: nothing moves there
        assert above.std(0).mean() < 4
        mouth = sample.features[:, 28:48, 34:62].astype(float)
        assert mouth.std(0).mean() > 2 * above.std(0).mean()

    def test_a_video_without_a_face_is_rejected(self, tmp_path):
        outcome = write_clip(tmp_path, [paint_scene()] * 6)
        assert outcome.reason == "no face found in 6 frames"

    def test_the_larger_of_two_faces_is_cropped(self, tmp_path):
        large, small = (0, 40, 150, 0.3), (170, 60, 120, 0.3)
        sample = write_clip(tmp_path, [paint_scene(small, large)] * 6)
        assert sample.source == "hello/a.mkv (2 faces: the larger)"
        alone = write_clip(tmp_path / "alone", [paint_scene(large)] * 6)
        assert np.abs(sample.features.astype(int) - alone.features).mean() < 6

    def test_a_face_that_leaves_the_image(self, tmp_path):
        images = paint_speaking_head(40, step=1, away=range(24, 40))
        assert len(write_clip(tmp_path / "end", images).features) == 24
        blink = write_clip(tmp_path / "blink", paint_speaking_head(40, step=1, away=(11, 12, 13)))
        assert len(blink.features) == 40
        gone = write_clip(tmp_path / "gone", paint_speaking_head(40, step=1, away=range(13, 27)))
        assert gone.reason == ("no face for 0.56 s; expected gaps of at most reader.max_gap_s=0.5")
        rare = write_clip(tmp_path / "rare", paint_speaking_head(40, step=1, away=range(10, 40)))
        assert rare.reason == (
            "a face found in 10 of 40 frames (25%); expected reader.min_face_share=0.5 or more"
        )

    def test_words_are_cut_from_one_track(self, tmp_path):
        write_video(tmp_path / "a.mkv", paint_speaking_head(30, step=1))
        make_manifest(
            tmp_path, "a.mkv,x,2,9", "a.mkv,y,9,14", "a.mkv,z,20,28",
            header="path,label,start_frame,end_frame",
        )  # fmt: skip
        samples, rejected = read_image_samples(VideoManifest(tmp_path))
        assert not rejected
        assert [len(sample.features) for sample in samples] == [7, 5, 8]

    def test_the_word_stays_in_its_place_where_the_face_comes_late(self, tmp_path):
        write_video(tmp_path / "a.mkv", paint_speaking_head(30, step=1, away=range(4)))
        make_manifest(tmp_path, "a.mkv,x,8,14", header="path,label,start_frame,end_frame")
        (sample,) = read_image_outcomes(VideoManifest(tmp_path, context_s=0.4, max_gap_s=0.1))
        assert (len(sample.features), sample.word_span) == (20, (4, 10))
        write_video(tmp_path / "a.mkv", paint_speaking_head(30, step=1, away=range(16)))
        options = {"context_s": 0.4, "min_face_share": 0.1, "max_gap_s": 0.1}
        (rejected,) = read_image_outcomes(VideoManifest(tmp_path, **options))
        assert rejected.reason.startswith("no frame of the word itself is left")

    def test_images_of_faces_are_cropped(self, tmp_path):
        folder = tmp_path / "F01" / "words" / "01" / "01"
        folder.mkdir(parents=True)
        for number, image in enumerate(paint_speaking_head(5)):
            cv2.imwrite(str(folder / f"color_{number}.png"), image[..., ::-1])
        (sample,) = read_image_outcomes(FrameFolder(tmp_path, crop="mouth"))
        assert sample.features.shape == (5, 64, 96)

    def test_a_missing_model_or_landmarker_is_refused(self, tmp_path):
        write_video(tmp_path / "x" / "a.mkv", make_gray_images(5))
        with pytest.raises(ValueError, match=r"reader.landmarker=absent.task is not a file"):
            VideoFolder(tmp_path, landmarker="absent.task").list_items()
        with pytest.raises(ValueError, match=r"reader.model=absent.tflite is not a file"):
            VideoFolder(tmp_path, model="absent.tflite").list_items()

    def test_predicting_along_a_video(self, tmp_path):
        write_video(tmp_path / "long.mkv", paint_speaking_head(40, step=1))
        reader = MouthInput(tmp_path, window_s=0.8)
        samples, rejected = read_image_samples(reader)
        assert not rejected
        spans = ["0.00-0.80", "0.40-1.20", "0.80-1.60"]
        assert [sample.id for sample in samples] == [f"long.mkv#{times}" for times in spans]
        assert [len(sample.features) for sample in samples] == [20] * 3
        drawn = reader.draw_sample(samples[1].id, samples[1].features)
        assert drawn.shape == (480, 640 + 360, 3)
        assert (drawn[:240, 640:, 0] == drawn[:240, 640:, 1]).all()
        assert (np.abs(drawn[:, :640].astype(int) - (0, 255, 0)).sum(2) < 100).any()  # the window
        assert reader.draw_sample("long.mkv", samples[1].features).shape == drawn.shape


# ---- input of predictions


def test_inputs(tmp_path):
    write_video(tmp_path / "a.mkv", make_gray_images(9))
    make_clip(tmp_path / "frames")
    samples, rejected = read_image_samples(MouthInput(tmp_path, crop="none"))
    assert not rejected
    assert [(sample.id, len(sample.features)) for sample in samples] == [
        ("a.mkv", 9),
        ("frames", 5),
    ]
    alone = MouthInput(tmp_path / "a.mkv", crop="none")
    assert [sample.id for sample in read_image_outcomes(alone)] == ["a.mkv"]
    assert alone.draw_sample("a.mkv", samples[0].features).shape == (480, 960 + 360, 3)
    frames = MouthInput(tmp_path / "frames", crop="none")
    assert [sample.id for sample in read_image_outcomes(frames)] == ["frames"]


def test_windows_of_a_truncated_video(tmp_path):
    path = write_video(tmp_path / "a.mkv", make_noise_images(20))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    samples, (rejected,) = read_image_samples(
        MouthInput(path, crop="none", window_s=0.24, hop_s=0.12)
    )
    assert [sample.id for sample in samples] == [
        f"a.mkv#{times}" for times in ("0.00-0.24", "0.12-0.36", "0.24-0.48")
    ]
    assert "only 12 of 20 frames" in rejected.reason


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (None, {}, "stage=predict needs input="),
        ("absent", {}, "does not exist"),
        ("a.txt", {}, "holds nothing to read: expected .mp4"),
        ("", {}, "holds nothing to read: expected .mp4"),
        (
            "a.txt",
            {"window_s": 0.0},
            "input_reader.window_s=0.0 is not valid; expected at least the seconds",
        ),
    ],
)
def test_invalid_inputs_are_refused(tmp_path, name, options, message):
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(ValueError, match=message):
        MouthInput(None if name is None else tmp_path / name, **options).list_items()


# ---- real recordings


@pytest.mark.shared_data
@pytest.mark.parametrize("kind", ["words", "phrases"])
def test_real_miracl_clips_are_read(tmp_path, kind):
    reader = FrameFolder(require_shared_data("lip/miracl"), kind=kind)
    items = reader.list_items()
    assert len(items) == 1000
    samples = [sample for item in items[::50] for sample in reader.read(item)]
    assert {type(sample) for sample in samples} == {Sample}
    assert len({item.group for item in items}) == len({item.label for item in items}) == 10


@pytest.mark.shared_data
def test_real_words_of_grid_are_read(tmp_path):
    columns = {"label": "word", "group": "clip"}
    options = {"manifest": "words.csv", "path": "mouth/{clip}.mp4", "crop": "none"}
    reader = VideoManifest(require_shared_data("lip/grid_s1"), **options, **columns)
    items = reader.list_items()
    assert (len(items), sum(len(item.cuts) for item in items)) == (800, 4800)
    result = [outcome for item in items[::40] for outcome in reader.read(item)]
    short = [outcome.reason for outcome in result if isinstance(outcome, Rejection)]
    assert all("expected reader.min_frames=4 or more" in reason for reason in short)
    assert len(short) < 0.25 * len(result)


@pytest.mark.shared_data
@pytest.mark.usefixtures("face_model_file")
def test_faces_are_found_in_real_videos():
    reader = MouthInput(require_shared_data("lip/grid_s1/video"), window_s=1.0)
    items = reader.list_items()
    assert len(items) == 34
    result = [outcome for item in items[::10] for outcome in reader.read(item)]
    assert [len(sample.features) for sample in result] == [25] * (6 * 4)
