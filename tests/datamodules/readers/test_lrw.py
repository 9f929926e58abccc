"""The LRW reader, on good and damaged clips."""

import os
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from datamodules.loading.batches import FixedLengthBatches
from datamodules.readers.lips.lrw import ADVICE, LRW, locate_word, read_duration
from datamodules.store.dataset import PreparedSet
from datamodules.store.prepare import prepare
from datamodules.store.samples import Sample
from experiments.launch.instantiate import instantiate
from tests.helpers.readers import read_image_outcomes, read_image_samples
from tests.helpers.videos import write_video
from unvoiced.vision.videos import to_frame_range

FRAMES = 29


def paint_lip_images(frames=FRAMES, shape=(256, 256)):
    """Return black images whose 96x96 mouth pixels are gray, 8 brighter per frame."""
    result = np.zeros((frames, *shape, 3), np.uint8)
    result[:, 116:212, 80:176] = (8 * np.arange(frames))[:, None, None, None]
    return result


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write one clip of LRW's format, once for all tests."""
    return write_video(tmp_path_factory.mktemp("clip") / "a.mp4", paint_lip_images(), code="mp4v")


def write_duration(path, duration="0.53 seconds"):
    path.with_suffix(".txt").write_text(
        f"Disk reference: 6204509_0\nChannel: BBC\nDuration: {duration} \n", encoding="utf-8"
    )
    return path


def add_clip(clip, raw, word="ABOUT", split="train", number=1, duration="0.53 seconds"):
    """Link the clip to another place below ``raw``."""
    path = raw / word / split / f"{word}_{number:05d}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    os.link(clip, path)
    return write_duration(path, duration)


def touch_clips(raw, *words, split="train"):
    """Create empty clips of these words."""
    for word in words:
        path = raw / word / split / f"{word}_00001.mp4"
        path.parent.mkdir(parents=True)
        path.touch()


def test_words_splits_and_the_place_of_the_word(tmp_path: Path, clip: Path) -> None:
    add_clip(clip, tmp_path, split="test", number=50)
    add_clip(clip, tmp_path, number=2)
    add_clip(clip, tmp_path, number=10, duration="1.16 seconds")
    add_clip(clip, tmp_path, "PEOPLE", "val", duration=".04 seconds")
    add_clip(clip, tmp_path, "PEOPLE")
    reader = LRW(tmp_path, task="vsr")
    samples, rejected = read_image_samples(reader)
    assert not rejected
    assert [(s.id, s.label, s.split, s.word_span) for s in samples] == [
        ("ABOUT/test/ABOUT_00050.mp4", "about", "test", (8, 21)),
        ("ABOUT/train/ABOUT_00002.mp4", "about", "train", (8, 21)),
        ("ABOUT/train/ABOUT_00010.mp4", "about", "train", (0, 29)),
        ("PEOPLE/train/PEOPLE_00001.mp4", "people", "train", (8, 21)),
        ("PEOPLE/val/PEOPLE_00001.mp4", "people", "val", (14, 15)),
    ]
    assert {(s.group, s.source == s.id) for s in samples} == {("", True)}
    assert (reader.task, reader.frame.rate, reader.frame.shape) == ("vsr", 25.0, (96, 96))


def test_the_mouth_is_cut_out(tmp_path: Path, clip: Path) -> None:
    add_clip(clip, tmp_path)
    (sample,) = read_image_outcomes(LRW(tmp_path))
    assert sample.features.shape == (29, 96, 96)
    assert abs(sample.features[20].astype(int) - 160).max() < 25  # no black beside it; mp4v loses
    (small,) = read_image_outcomes(LRW(tmp_path, height=32, width=48))
    assert small.features.shape == (29, 32, 48)
    (whole,) = read_image_outcomes(LRW(tmp_path, crop="none", height=64, width=64))
    assert whole.features.shape == (29, 64, 64)
    assert whole.features[20, :28].max() < 25 < 120 < whole.features[20, 31:51, 22:42].min()


@pytest.mark.parametrize(("rate", "frames", "word"), [(12.5, 14, (4, 11)), (50.0, 58, (16, 42))])
def test_clips_are_resampled_to_another_frame_rate(
    tmp_path: Path, clip: Path, rate: float, frames: int, word: tuple
) -> None:
    add_clip(clip, tmp_path)
    (sample,) = read_image_outcomes(LRW(tmp_path, fps=rate))
    assert (len(sample.features), sample.word_span) == (frames, word)


@example(duration_s=1.16, scale=1.0)
@given(duration_s=st.floats(0.001, 1.16), scale=st.floats(0.2, 3))
def test_the_word_is_in_the_middle(duration_s: float, scale: float) -> None:
    first, stop = to_frame_range(
        *locate_word(duration_s, FRAMES, 25.0), lambda frame: frame * scale
    )
    assert 0 <= first < stop <= max(1, round(FRAMES * scale) + 1)
    if stop - first > 1:  # one frame is the least, wherever its centre is
        assert abs(first + stop - FRAMES * scale) <= 1 + 1e-6  # as much before as after it
    assert abs((stop - first) - 25 * duration_s * scale) <= 1 + 1e-6


def test_preparation_is_resumed(tmp_path: Path, clip: Path) -> None:
    raw = tmp_path / "raw"
    add_clip(clip, raw)
    add_clip(clip, raw, split="val")
    add_clip(clip, raw, split="test", duration="none")
    done = prepare(LRW(raw), tmp_path / "set", {}, num_workers=1, log=lambda _: None)
    assert (done.samples, done.rejected) == (2, 1)
    prepared = PreparedSet(tmp_path / "set", "lipread")
    assert prepared.manifest["split"].tolist() == ["train", "val"]
    assert prepared.word_spans.tolist() == [[8, 21]] * 2
    rejected = pd.read_csv(tmp_path / "set" / "rejected.csv")
    assert rejected["label"].tolist() == ["about"]
    assert prepare(LRW(raw), tmp_path / "set", {}).already_complete
    rows = np.arange(2)
    batch = FixedLengthBatches(prepared, rows, rows, rows, rows, 29)[rows]
    assert batch["word_mask"].sum(1).tolist() == [13, 13]


def test_items_are_small(tmp_path: Path) -> None:
    """Half a million items are in memory at once and are sent to worker processes."""
    for number in range(3):
        (tmp_path / "ABOUT" / "train").mkdir(parents=True, exist_ok=True)
        (tmp_path / "ABOUT" / "train" / f"ABOUT_{number:05d}.mp4").touch()
    items = LRW(tmp_path).list_items()
    assert len({id(item.path) for item in items}) == 1
    assert len(pickle.dumps(items[0])) < 400 + len(str(tmp_path))


# ---- which words


@pytest.mark.parametrize(
    ("classes", "labels"),
    [
        (None, ["about", "people", "years"]),
        (2, ["about", "people"]),
        (3, ["about", "people", "years"]),
        (["YEARS", "about"], ["about", "years"]),
    ],
    ids=["all", "two", "three", "named"],
)
def test_only_the_given_words_are_read(tmp_path: Path, classes, labels: list[str]) -> None:
    touch_clips(tmp_path, "YEARS", "ABOUT", "PEOPLE")
    touch_clips(tmp_path, ".trash", "__MACOSX")
    assert [item.label for item in LRW(tmp_path, classes=classes).list_items()] == labels


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["abuot", "years"], "has abuot, but raw_dir=.* has no folder of it; similar: about"),
        (["xyz"], "has xyz, .* has no folder of it; found about, people, years"),
        (4, "reader.classes=4, but raw_dir=.* holds only 3 words"),
        (0, "reader.classes=0 is not valid; expected a number of words"),
        (True, "reader.classes=true is not valid; expected a number of words"),
        (1.5, "reader.classes=1.5 is not valid; expected a number of words"),
        ("about", "reader.classes=about is not valid; expected a number of words, a list"),
        ([], r"reader.classes=\[\] is not valid; expected a number of words"),
    ],
    ids=["near", "far", "too_many", "zero", "bool", "float", "text", "empty"],
)
def test_invalid_word_lists_are_refused(tmp_path: Path, classes, message: str) -> None:
    touch_clips(tmp_path, "YEARS", "ABOUT", "PEOPLE")
    with pytest.raises(ValueError, match=message):
        LRW(tmp_path, classes=classes).list_items()


def test_two_spellings_of_one_word_are_refused(tmp_path: Path) -> None:
    touch_clips(tmp_path, "PEOPLE", "about", "ABOUT")
    with pytest.raises(ValueError, match="ABOUT and about are two spellings of one word, about"):
        LRW(tmp_path).list_items()


def test_words_without_a_training_clip_are_reported(tmp_path: Path) -> None:
    touch_clips(tmp_path, "ABOUT", "YEARS")
    touch_clips(tmp_path, "PEOPLE", "PHONE", split="test")
    (tmp_path / "PHONE" / "train").mkdir()
    with pytest.raises(ValueError, match=r"no clip train/\*.mp4 of people, phone, so no model"):
        LRW(tmp_path).list_items()
    assert len(LRW(tmp_path, classes=["about", "years"]).list_items()) == 2


def test_words_without_a_split_folder_are_reported(tmp_path: Path) -> None:
    touch_clips(tmp_path, "ABOUT", "YEARS")
    (tmp_path / "PEOPLE").mkdir()
    (tmp_path / "PEOPLE" / "PEOPLE_00001.mp4").touch()
    with pytest.raises(ValueError, match="the folder of people has no folder train, val"):
        LRW(tmp_path).list_items()
    assert len(LRW(tmp_path, classes=1).list_items()) == 1


def test_folders_of_another_layout_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds nothing to read: .*found an empty folder"):
        LRW(tmp_path).list_items()
    touch_clips(tmp_path / "data", "ABOUT")
    (tmp_path / "data" / "notes.txt").touch()
    with pytest.raises(ValueError, match=r"expected <WORD>/.*00001.txt next to it, found train"):
        LRW(tmp_path / "data" / "ABOUT").list_items()
    with pytest.raises(ValueError, match=r"holds the words in data. Set raw_dir=.*data$"):
        LRW(tmp_path).list_items()


def test_links_that_lead_out_are_left_out(tmp_path: Path) -> None:
    touch_clips(tmp_path / "else", "YEARS")
    touch_clips(tmp_path / "raw", "ABOUT")
    (tmp_path / "raw" / "YEARS").symlink_to(tmp_path / "else" / "YEARS")
    link = tmp_path / "raw" / "ABOUT" / "train" / "ABOUT_00002.mp4"
    link.symlink_to(tmp_path / "else" / "YEARS" / "train" / "YEARS_00001.mp4")
    assert [item.id for item in LRW(tmp_path / "raw").list_items()] == [
        "ABOUT/train/ABOUT_00001.mp4"
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop": "mouth"}, "crop=mouth is not valid; expected one of fixed, none"),
        ({"fps": 0}, "reader.fps=0.0 is not valid"),
        ({"height": 2}, "reader.height=2"),
    ],
    ids=["crop", "rate", "height"],
)
def test_impossible_settings(tmp_path: Path, options, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LRW(tmp_path, **options)


# ---- bad clips


def test_bad_clips_are_rejected_one_by_one(tmp_path: Path, clip: Path) -> None:
    folder = tmp_path / "ABOUT" / "train"
    add_clip(clip, tmp_path, number=1)
    add_clip(clip, tmp_path, number=2).with_suffix(".txt").unlink()
    add_clip(clip, tmp_path, number=3, duration="unknown")
    add_clip(clip, tmp_path, number=4, duration="1.2 seconds")
    add_clip(clip, tmp_path, number=5, duration="0 seconds")
    add_clip(clip, tmp_path, number=6).with_suffix(".txt").write_bytes(b"")
    write_video(write_duration(folder / "7.mp4"), paint_lip_images(3), code="mp4v", rate=30)
    write_video(write_duration(folder / "8.mp4"), paint_lip_images(3, (128, 96)), code="mp4v")
    write_duration(folder / "9.mp4").write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    write_duration(folder / "10.mp4").write_text("hello")
    write_duration(folder / "11.mp4").touch()
    write_video(write_duration(folder / "12.mp4", "0.04 seconds"), paint_lip_images(3), code="mp4v")
    samples, rejected = read_image_samples(LRW(tmp_path))
    assert [sample.id for sample in samples] == ["ABOUT/train/ABOUT_00001.mp4"]
    silent = (
        "does not state the duration of the word: expected a line such as 'Duration: 0.53 seconds'"
    )
    text = "Disk reference: 6204509_0 Channel: BBC Duration:"
    result = {row.id.removeprefix("ABOUT/train/"): row.reason for row in rejected}
    assert result == {
        "ABOUT_00002.mp4": "ABOUT_00002.txt is missing, which states the duration of the word: "
        "LRW has it next to the video",
        "ABOUT_00003.mp4": f"ABOUT_00003.txt {silent}, found {text} unknown",
        "ABOUT_00004.mp4": "ABOUT_00004.txt states a word of 1.2 s, but the clip has 1.16 s: one "
        "of the two is damaged. Fetch both again",
        "ABOUT_00005.mp4": f"ABOUT_00005.txt {silent}, found {text} 0 seconds",
        "ABOUT_00006.mp4": f"ABOUT_00006.txt {silent}, found nothing",
        "7.mp4": f"30 fps; LRW's clips have 25. {ADVICE}",
        "8.mp4": f"96x128 pixels; LRW's clips have 256x256. {ADVICE}",
        "9.mp4": "not a video that FFmpeg can decode, or its end is missing",
        "10.mp4": "not a video but a text",
        "11.mp4": "the file is empty",
        "12.mp4": "3 frames long; expected reader.min_frames=4 or more",
    }
    assert {row.label for row in rejected} == {"about"}


def test_a_clip_that_ends_early_says_so(tmp_path: Path, clip: Path) -> None:
    """The video is wrong, not the duration in its metadata."""
    path = add_clip(clip, tmp_path, duration="1.1 seconds")
    path.unlink()
    noise = np.random.default_rng(0).integers(0, 255, (10, 256, 256, 3), np.uint8)
    whole = write_video(tmp_path / "a.mkv", list(noise), code="MJPG")
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert (
        "frames can be decoded: the file is truncated"
        in read_image_outcomes(LRW(tmp_path))[0].reason
    )


def test_durations_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xff\xfe\r\n duration:  0.5 sec\r\n")
    assert read_duration(path) == 0.5
    path.unlink()
    path.mkdir()
    with pytest.raises(ValueError, match="cannot be read: a folder"):
        read_duration(path)


def test_nothing_of_a_text_outside_is_shown(tmp_path: Path, clip: Path) -> None:
    add_clip(clip, tmp_path / "raw", "ABOUT")
    (tmp_path / "secret").write_text("hunter2")
    (path,) = (tmp_path / "raw").rglob("*.txt")
    path.unlink()
    path.symlink_to(tmp_path / "secret")
    (rejected,) = read_image_outcomes(LRW(tmp_path / "raw"))
    assert "leads out of raw_dir" in rejected.reason and "hunter2" not in rejected.reason


def test_the_configuration_builds_the_reader(compose_config, tmp_path: Path, clip: Path) -> None:
    for word in ("ABOUT", "PEOPLE"):
        add_clip(clip, tmp_path, word)
    options = (f"raw_dir={tmp_path}", "reader=lrw", "reader.classes=[about]")
    config = compose_config("task=lipread", "stage=prepare", *options)
    (sample,) = read_image_outcomes(instantiate(config.reader))
    assert isinstance(sample, Sample) and sample.label == "about"
