"""The readers of the ASL alphabet, on good and damaged files."""

from __future__ import annotations

import gzip
import pickle
import subprocess
import sys

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.readers.asl import image_folder
from datamodules.readers.asl.image_folder import ImageFolder
from datamodules.readers.asl.landmark_columns import JOINT_NAMES, find_columns
from datamodules.readers.asl.landmark_csv import LandmarkCSV
from datamodules.readers.asl.landmark_npy import LandmarkNPY
from datamodules.readers.asl.letters import ASL_ALPHABET, FRAME, LETTERS, Alphabet
from datamodules.store.samples import Rejection, Sample
from tests.helpers.paths import ROOT, require_shared_data
from tests.helpers.readers import reasons_by_id

POINTS = np.linspace(0.01, 0.63, 63, dtype=np.float32)
NAMES = [f"{axis}{number}" for number in range(21) for axis in "xyz"]


def read_hand_samples(reader):
    outcomes = [outcome for item in reader.list_items() for outcome in reader.read(item)]
    assert len({outcome.id for outcome in outcomes}) == len(outcomes)
    samples = [outcome for outcome in outcomes if isinstance(outcome, Sample)]
    assert all(sample.features.shape[1:] == FRAME.shape for sample in samples)
    return samples, [outcome for outcome in outcomes if isinstance(outcome, Rejection)]


# ---- letters


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        *((letter, letter) for letter in LETTERS),
        *((letter.lower(), letter) for letter in LETTERS),
        *((text, "del") for text in ("Delete", "DEL", "backspace")),
        *((text, "nothing") for text in ("None", "blank", "no_hand", "No Hand", "NOTHING")),
        *((text, "space") for text in ("SPC", " ", "_", "Space")),
        *((text, None) for text in ("", "hello", "AB", "1", "nan")),
    ],
)
def test_spellings_of_letters_are_recognized(text, letter):
    assert ASL_ALPHABET.find_class(text) == letter


def test_there_are_29_classes():
    assert len(LETTERS) == 29


# ---- other signs


@pytest.mark.parametrize(
    ("text", "name"),
    [
        *(("thank you", "Thank-You"), ("THANK_YOU", "Thank-You"), ("ß", "ß"), ("7", "7")),
        *(("none", "nothing"), ("A", None), ("space", None), (" ", None), ("", None)),
    ],
)
def test_other_signs_are_found_by_their_names(text, name):
    assert Alphabet(("Thank-You", "ß", "7", "nothing")).find_class(text) == name


@pytest.mark.parametrize(
    ("classes", "problem"),
    [
        (["hello"], "a class is missing"),
        ([], "a class is missing"),
        (["hello", " "], "a class is missing"),
        (["thank you", "Thank_You"], "thank you, Thank_You are one folder name"),
        (["hello", "hello"], "hello, hello are one folder name"),
    ],
)
def test_classes_that_no_folder_could_tell_apart_are_refused(tmp_path, classes, problem):
    with pytest.raises(ValueError, match=r"^reader\.classes=.* is not valid") as error:
        ImageFolder(tmp_path, classes=classes)
    assert problem in str(error.value)


@given(st.lists(st.text(max_size=5), min_size=2, max_size=6))
def test_every_class_is_found_by_its_own_name(classes):
    try:
        alphabet = Alphabet(tuple(classes))
    except ValueError:
        return
    assert [alphabet.find_class(name) for name in classes] == classes


def test_other_signs_are_read_from_folders(tmp_path, every_image_shows_a_hand):
    for name in ("mia/hello/1.jpg", "thank you/2.jpg", "A/3.jpg", "mia/nothing/4.jpg"):
        write_image(tmp_path / name)
    reader = ImageFolder(tmp_path, classes=["hello", "thank_you"])
    samples, rejected = read_hand_samples(reader)
    assert {(s.label, s.group) for s in samples} == {("hello", "mia"), ("thank_you", "")}
    assert reader.classes == ("hello", "thank_you")
    reason = "unknown label {!r}; expected one of hello, thank_you"
    assert reasons_by_id(rejected) == {
        "A/3.jpg": reason.format("A"),
        "mia/nothing/4.jpg": reason.format("nothing"),
    }


def test_other_signs_are_read_from_tables(tmp_path):
    table = pd.DataFrame([POINTS, POINTS, POINTS], columns=NAMES)
    table.insert(0, "label", ["hello", "HELLO", "A"])
    table.to_csv(tmp_path / "table.csv", index=False)
    samples, rejected = read_hand_samples(LandmarkCSV(tmp_path, classes=["hello", "bye"]))
    assert [sample.label for sample in samples] == ["hello", "hello"]
    assert list(reasons_by_id(rejected).values()) == [
        "line 4: unknown label 'A'; expected one of hello, bye"
    ]


def test_folders_of_other_signs_are_named_with_the_setting_that_reads_them(tmp_path):
    for name in ("hello/1.jpg", "world/2.jpg"):
        write_image(tmp_path / name)
    with pytest.raises(ValueError, match=r"reader\.classes=\[hello, world\]"):
        ImageFolder(tmp_path).list_items()


# ---- images


def write_image(path, content=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = cv2.imencode(".jpg", np.full((9, 9, 3), 99, np.uint8))[1].tobytes()
    path.write_bytes(grey if content is None else content)


@pytest.mark.parametrize(
    ("name", "label", "group", "split"),
    [
        ("A/1.jpg", "A", "", ""),
        ("b/1.PNG", "B", "", ""),
        ("SPACE/1.webp", "space", "", ""),
        ("asl_alphabet_train/asl_alphabet_train/A/A1.jpg", "A", "", ""),
        ("asl_alphabet_test/A_test.jpg", "A", "", ""),
        ("anna/A/1.jpg", "A", "anna", ""),
        ("anna/images/A/1.jpg", "A", "anna", ""),
        ("anna/A/session1/1.jpg", "A", "anna", ""),
        ("A/b/1.jpg", "B", "A", ""),
        ("s01/A_000.jpg", "A", "s01", ""),
        ("s01/space_12.jpg", "space", "s01", ""),
        ("no_hand_3.jpg", "nothing", "", ""),
        ("train/A/1.jpg", "A", "", "train"),
        ("valid/anna/A/1.jpg", "A", "anna", "val"),
        ("test/s01/A_1.bmp", "A", "s01", "test"),
    ],
)
def test_folder_layouts_are_recognized(
    tmp_path, every_image_shows_a_hand, name, label, group, split
):
    write_image(tmp_path / name)
    (sample,), rejected = read_hand_samples(ImageFolder(tmp_path))
    assert (sample.id, sample.source) == (name, name)
    assert (sample.label, sample.group, sample.split) == (label, group, split)
    assert not rejected


def test_unknown_folder_beside_known_ones_is_rejected(tmp_path, every_image_shows_a_hand):
    for name in ("A/1.jpg", "hello/c_1.jpg", "hello/2.jpg"):
        write_image(tmp_path / name)
    samples, rejected = read_hand_samples(ImageFolder(tmp_path))
    assert [sample.id for sample in samples] == ["A/1.jpg"]
    reason = "unknown label 'hello'; expected one of A-Z, del, nothing, space"
    assert reasons_by_id(rejected) == {"hello/c_1.jpg": reason, "hello/2.jpg": reason}


def test_unknown_folders_only_are_an_error(tmp_path):
    for name in ("hello/1.jpg", "world/2.jpg"):
        write_image(tmp_path / name)
    with pytest.raises(ValueError, match=r"named like a class.*found hello, world"):
        ImageFolder(tmp_path).list_items()


def test_the_class_nothing_needs_no_hand_model(tmp_path, monkeypatch):
    monkeypatch.setenv("UNVOICED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    write_image(tmp_path / "raw" / "nothing" / "1.jpg")
    (sample,), _ = read_hand_samples(ImageFolder(tmp_path / "raw"))
    np.testing.assert_array_equal(sample.features, np.zeros((1, 63), np.float32))


def test_bad_images_are_rejected(tmp_path, every_image_shows_a_hand):
    write_image(tmp_path / "A" / "0.jpg")
    whole = (tmp_path / "A" / "0.jpg").read_bytes()
    bad = {"1": b"", "2": b"text", "3": whole[: len(whole) // 2]}
    for name, content in bad.items():
        write_image(tmp_path / "A" / f"{name}.jpg", content)
        write_image(tmp_path / "nothing" / f"{name}.jpg", content)
    samples, rejected = read_hand_samples(ImageFolder(tmp_path))
    assert [sample.id for sample in samples] == ["A/0.jpg"]
    assert len(rejected) == 6
    assert {row.reason for row in rejected} == {
        "the file is empty",
        "not an image that can be decoded, or a damaged one",
        "the image is truncated",
    }


def test_an_image_without_a_hand_is_rejected(tmp_path, every_image_shows_a_hand, monkeypatch):
    monkeypatch.setattr(type(image_folder.shared_hand_landmarker()), "read", lambda *_: None)
    write_image(tmp_path / "A" / "1.jpg")
    assert reasons_by_id(read_hand_samples(ImageFolder(tmp_path))[1]) == {
        "A/1.jpg": "no hand found (the image is grey, and hands are found more often in colour)"
    }


def test_links_out_of_raw_dir_and_hidden_files_are_left_out(tmp_path, every_image_shows_a_hand):
    write_image(tmp_path / "outside" / "A" / "1.jpg")
    write_image(tmp_path / "raw" / "A" / "1.jpg")
    write_image(tmp_path / "raw" / "A" / "._1.jpg")
    (tmp_path / "raw" / "A" / "link.jpg").symlink_to(tmp_path / "outside" / "A" / "1.jpg")
    (tmp_path / "raw" / "B").symlink_to(tmp_path / "outside" / "A")
    assert [item.id for item in ImageFolder(tmp_path / "raw").list_items()] == ["A/1.jpg"]
    (tmp_path / "raw" / "train").symlink_to(tmp_path / "outside")
    reader = ImageFolder(tmp_path / "raw")
    leftover = reader.list_leftover(reader.list_items())
    assert sorted(row.id for row in leftover.rejected) == ["A/link.jpg", "B", "train"]
    assert all("leads out of raw_dir" in row.reason for row in leftover.rejected)
    assert leftover.unread == {"hidden": 1}


def test_readers_are_small_when_pickled(tmp_path, every_image_shows_a_hand):
    for number in range(20):
        write_image(tmp_path / "A" / f"{number}.jpg")
    reader = ImageFolder(tmp_path)
    names = [item.path.stem for item in reader.list_items()]
    assert names == [str(number) for number in range(20)]
    assert len(pickle.dumps(reader)) < 1000


@pytest.mark.parametrize("reader", [ImageFolder, LandmarkCSV, LandmarkNPY])
def test_an_empty_folder_is_refused(tmp_path, reader):
    with pytest.raises(ValueError, match="needs raw_dir"):
        reader(None)
    with pytest.raises(ValueError, match="is not a folder"):
        reader(tmp_path / "absent")
    (tmp_path / "readme.md").touch()
    with pytest.raises(ValueError, match=r"nothing to read: expected .*found readme\.md"):
        reader(tmp_path).list_items()


# ---- tables


def make_table(rows=1, names=NAMES, **columns):
    """Return a table of POINTS, each row shifted slightly, after these columns."""
    values = POINTS + np.arange(rows)[:, None]
    frame = pd.DataFrame(values, columns=names)
    for place, (name, value) in enumerate(columns.items()):
        frame.insert(place, name, value)
    return frame


def write_frame(path, frame, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False, **options)
    return path


MEDIAPIPE_NAMES = [joint.upper().replace("INDEX_", "INDEX_FINGER_") for joint in JOINT_NAMES]
NAMINGS = {
    "x0": lambda n, a: f"{a}{n}",
    "x1 based": lambda n, a: f"{a}{n + 1}",
    "0_x": lambda n, a: f"{n}_{a}",
    "x_0": lambda n, a: f"{a}_{n}",
    "X0": lambda n, a: f"{a.upper()}{n}",
    "landmark_0_x": lambda n, a: f"landmark_{n}_{a}",
    "lm0_x": lambda n, a: f"lm{n}_{a}",
    "WRIST_x": lambda n, a: f"{MEDIAPIPE_NAMES[n]}_{a}",
    "WRIST.x": lambda n, a: f"{MEDIAPIPE_NAMES[n]}.{a}",
    "wrist_X": lambda n, a: f"{JOINT_NAMES[n]}_{a.upper()}",
    "f0": lambda n, a: f"f{3 * n + 'xyz'.index(a)}",
    "0": lambda n, a: f"{3 * n + 'xyz'.index(a)}",
    "1 based": lambda n, a: f"{3 * n + 'xyz'.index(a) + 1}",
}


@settings(max_examples=60)
@given(
    naming=st.sampled_from(sorted(NAMINGS)),
    order=st.permutations(range(64)),
    label=st.sampled_from(["label", "Letter", "CLASS", "target", "sign", "Gesture", "anything"]),
)
def test_any_naming_and_order_finds_the_same_columns(naming, order, label):
    names = [NAMINGS[naming](number, axis) for number in range(21) for axis in "xyz"] + [label]
    row = [str(value) for value in POINTS] + ["a"]
    columns = find_columns([[names[i] for i in order], [row[i] for i in order]])
    assert [order[place] for place in columns.coordinates] == list(range(63))
    assert order[columns.label] == 63


@pytest.mark.parametrize("naming", NAMINGS)
def test_every_column_naming_is_read_from_a_file(tmp_path, naming):
    names = [NAMINGS[naming](number, axis) for number in range(21) for axis in "xyz"]
    write_frame(tmp_path / "t.csv", make_table(2, names, label=["a", "Space"]))
    samples, rejected = read_hand_samples(LandmarkCSV(tmp_path))
    assert not rejected
    assert [sample.label for sample in samples] == ["A", "space"]
    np.testing.assert_allclose(samples[1].features, POINTS[None] + 1, rtol=1e-6)
    assert samples[0].features.dtype == np.float32


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "T.CSV", "t.tsv"])
@pytest.mark.parametrize("first", [True, False], ids=["label first", "label last"])
def test_tables_without_a_header_are_read(tmp_path, name, first):
    frame = make_table(2, label="b")
    frame = frame if first else frame[[*NAMES, "label"]]
    write_frame(tmp_path / name, frame, header=False, sep="\t" if name == "t.tsv" else ",")
    samples, rejected = read_hand_samples(LandmarkCSV(tmp_path))
    assert not rejected
    assert [(s.id, s.label) for s in samples] == [(f"{name}#1", "B"), (f"{name}#2", "B")]
    np.testing.assert_allclose(samples[0].features[0], POINTS, rtol=1e-6)


def test_csv_dialects_are_read(tmp_path):
    write_frame(tmp_path / "a.csv", make_table(label="x"), sep=";", encoding="utf-8-sig")
    write_frame(tmp_path / "b.csv", make_table(label="x"), quoting=1, lineterminator="\r\n")
    write_frame(tmp_path / "c.csv", make_table(label="x", signer="Zoë"), encoding="latin-1")
    write_frame(tmp_path / "d.csv", make_table(label="x", signer="Zoë"), encoding="utf-16")
    samples, rejected = read_hand_samples(LandmarkCSV(tmp_path))
    assert not rejected
    assert [sample.group for sample in samples] == ["a", "b", "Zoë", "Zoë"]


def test_group_split_and_other_columns(tmp_path):
    frame = make_table(
        3, Participant_ID=["01", "1", "zoe"], Split=["train", "VALID", ""], handedness="Left",
        score=0.9, frame=[3, 2, 1], letter=["a", "None", "delete"],
    )  # fmt: skip
    write_frame(tmp_path / "test" / "only.csv", frame)
    samples, rejected = read_hand_samples(LandmarkCSV(tmp_path))
    assert not rejected
    assert [sample.group for sample in samples] == ["01", "1", "zoe"]
    assert [sample.split for sample in samples] == ["train", "val", "test"]
    assert [sample.label for sample in samples] == ["A", "nothing", "del"]
    assert samples[0].id == "test/only.csv#2"


def test_a_single_file_is_no_group(tmp_path):
    write_frame(tmp_path / "only.csv", make_table(label="a"))
    assert read_hand_samples(LandmarkCSV(tmp_path))[0][0].group == ""


def test_class_name_goes_before_class_id(tmp_path):
    write_frame(tmp_path / "t.csv", make_table(class_id=0, class_name="q"))
    assert read_hand_samples(LandmarkCSV(tmp_path))[0][0].label == "Q"


def test_rows_of_a_sequence_are_one_sample(tmp_path):
    frame = make_table(
        5, signer=list("ppppq"), label="j", clip=[1, 1, 2, 1, 1], frame=[10, 9, 0, 2, 0]
    )
    write_frame(tmp_path / "t.csv", frame)
    samples, rejected = read_hand_samples(LandmarkCSV(tmp_path, use_sequences=True))
    assert not rejected
    names = ["t.csv/p/J/1", "t.csv/p/J/2", "t.csv/q/J/1"]
    assert [(s.id, len(s.features)) for s in samples] == list(zip(names, (3, 1, 1), strict=True))
    frames, _ = read_hand_samples(LandmarkCSV(tmp_path))
    assert [s.sequence for s in frames] == [names[n] for n in (0, 0, 1, 0, 2)]
    np.testing.assert_allclose(samples[0].features[:, 0], POINTS[0] + [3, 1, 0], rtol=1e-6)


def test_sequences_need_their_column(tmp_path):
    write_frame(tmp_path / "t.csv", make_table(label="j"))
    _, rejected = read_hand_samples(LandmarkCSV(tmp_path, use_sequences=True))
    assert "use_sequences=true needs a column" in rejected[0].reason
    assert {sample.sequence for sample in read_hand_samples(LandmarkCSV(tmp_path))[0]} == {""}


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (make_table(label="a").drop(columns="z20"), "found 62 coordinate columns, without z20"),
        (make_table(label="a", x21=0.5), "found 64 coordinate columns, with extra x21"),
        (
            make_table(label="a").drop(columns=[n for n in NAMES if n[0] == "z"]),
            "found 42 coordinate columns, without z0, z1, z2, z3, z4, z5",
        ),
        (make_table(label="a", x_0=0.5), "found 64 coordinate columns, with two of x0"),
        (make_table(label="a").rename(columns={"x0": "nose"}), "found 62 coordinate columns"),
        (make_table(names=[f"f{i}" for i in range(63)], label="a").drop(columns="f7"), "found 62"),
        (make_table(), "no label column"),
        (make_table(one="a", two="b"), "found 2 columns of text"),
        (make_table(0, label="a"), "a header and no row"),
    ],
)
def test_tables_with_other_columns_are_rejected_whole(tmp_path, frame, reason):
    write_frame(tmp_path / "bad.csv", frame)
    write_frame(tmp_path / "good.csv", make_table(label="a"))
    samples, (rejected,) = read_hand_samples(LandmarkCSV(tmp_path))
    assert [sample.source for sample in samples] == ["good.csv"]
    assert rejected.id == "bad.csv"
    assert reason in rejected.reason


def test_bad_rows_are_rejected_one_by_one(tmp_path):
    frame = make_table(8, label=[*"abcdefg", "hello"], split="train").astype({"x3": object})
    for row, value in enumerate(("abc", np.nan, "inf", 1e300, "")):
        frame.loc[row, "x3"] = value
    frame.loc[5, NAMES] = 0
    frame.loc[6, "split"] = "holdout"
    write_frame(tmp_path / "t.csv", frame)
    samples, rejected = read_hand_samples(LandmarkCSV(tmp_path))
    assert samples == []
    assert reasons_by_id(rejected) == {
        "t.csv#2": "line 2: x3 is 'abc', not a finite number",
        "t.csv#3": "line 3: x3 is '', not a finite number",
        "t.csv#4": "line 4: x3 is 'inf', not a finite number",
        "t.csv#5": "line 5: x3 is '1e+300', not a finite number",
        "t.csv#6": "line 6: x3 is '', not a finite number",
        "t.csv#7": "line 7: all numbers are zero: no hand was found",
        "t.csv#8": "line 8: unknown split 'holdout'; expected train, val or test",
        "t.csv#9": "line 9: unknown label 'hello'; expected one of A-Z, del, nothing, space",
    }


def test_rows_of_the_class_nothing_keep_their_values(tmp_path):
    frame = make_table(2, label="nothing")
    frame.loc[0, NAMES] = 0
    write_frame(tmp_path / "t.csv", frame)
    samples, rejected = read_hand_samples(LandmarkCSV(tmp_path))
    assert not rejected
    assert not samples[0].features.any()
    assert samples[1].features.any()


def test_lines_of_another_length_are_rejected(tmp_path):
    path = write_frame(tmp_path / "t.csv", make_table(3, label="a"))
    lines = path.read_text().splitlines()
    lines[1] += ",0.5"
    lines[2] = lines[2].replace("a,", '"a,', 1)
    path.write_text("\n\n".join(lines)[:-30])
    samples, rejected = read_hand_samples(LandmarkCSV(tmp_path))
    assert samples == []
    assert reasons_by_id(rejected) == {
        "t.csv#3": "line 3: found 65 fields, expected 64",
        "t.csv#5": "line 5: a quote is not closed",
        "t.csv#7": "line 7: found 63 fields, expected 64",
    }


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("t.csv", b"", "the file is empty"),
        ("t.csv", b"\n \n", "the file is empty"),
        ("t.csv", b"\x89PNG\0\0", "not a text table"),
        ("t.csv", b"hello", "no label column"),
        ("t.csv", b'"' + b"a" * 200_000, "not a table"),
        ("t.csv.gz", b"label,x0", "damaged or truncated"),
        ("t.csv.gz", b"", "the file is empty"),
        ("t.csv.gz", gzip.compress(b"label,x0\n" * 99, mtime=0)[:-12], "damaged or truncated"),
    ],
)
def test_files_that_are_not_tables_are_refused(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    samples, (rejected,) = read_hand_samples(LandmarkCSV(tmp_path))
    assert samples == []
    assert reason in rejected.reason


def test_tables_need_neither_mediapipe_nor_torch():
    code = (
        "import sys, datamodules.readers.asl.landmark_csv, datamodules.readers.asl.landmark_npy\n"
        "print([name for name in ('mediapipe', 'cv2', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("[]\n", "")


# ---- arrays


def save_array(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)


def test_frames_of_a_sequence_in_numeric_order(tmp_path):
    for number in range(11):
        save_array(tmp_path / "anna" / "J" / "0" / f"{number}.npy", POINTS + number)
    samples, _ = read_hand_samples(LandmarkNPY(tmp_path))
    assert [sample.id for sample in samples] == [f"anna/J/0/{n}.npy" for n in range(11)]
    assert {(s.label, s.group, s.sequence) for s in samples} == {("J", "anna", "anna/J/0")}
    (sequence,), _ = read_hand_samples(LandmarkNPY(tmp_path, use_sequences=True))
    assert sequence.id == "anna/J/0"
    np.testing.assert_allclose(sequence.features[:, 0], POINTS[0] + np.arange(11), rtol=1e-6)


def test_files_directly_in_their_letter(tmp_path):
    shapes = {"flat": (63,), "points": (21, 3), "many": (2, 63), "both": (2, 21, 3)}
    for name, shape in shapes.items():
        save_array(tmp_path / "train" / "a" / f"{name}.npy", np.resize(POINTS.astype(float), shape))
    samples, rejected = read_hand_samples(LandmarkNPY(tmp_path))
    assert not rejected
    assert len(samples) == 6
    assert {(sample.label, sample.split) for sample in samples} == {("A", "train")}
    assert {"train/a/flat.npy", "train/a/many.npy#0"} < {sample.id for sample in samples}
    assert {s.sequence for s in samples} == {"", "train/a/many.npy", "train/a/both.npy"}
    for sample in samples:
        np.testing.assert_array_equal(sample.features, POINTS[None])
    samples, _ = read_hand_samples(LandmarkNPY(tmp_path, use_sequences=True))
    assert sorted(len(sample.features) for sample in samples) == [1, 1, 2, 2]


def test_bad_frames_are_rejected_and_the_rest_is_kept(tmp_path):
    nan, inf = POINTS.copy(), POINTS.copy()
    nan[4], inf[62] = np.nan, np.inf
    bad = [nan, inf, POINTS[:62], np.zeros(63), np.array(["a"] * 63), np.zeros((0, 63))]
    bad.append(np.array([{}] * 63, object))
    for number, array in enumerate([POINTS, *bad]):
        save_array(tmp_path / "A" / "0" / f"{number}.npy", array)
    (tmp_path / "A" / "0" / "8.npy").write_bytes(b"")
    whole = (tmp_path / "A" / "0" / "0.npy").read_bytes()
    (tmp_path / "A" / "0" / "9.npy").write_bytes(whole[:-5])
    for sequences in (False, True):
        (sample,), rejected = read_hand_samples(LandmarkNPY(tmp_path, use_sequences=sequences))
        assert sample.features.shape == (1, 63)
        shown = [row.reason for row in rejected]
        expected = (
            "number 4 of 63 is nan", "number 62 of 63 is inf", "found shape (62,); expected (63,)",
            "all numbers are zero", "no array of real numbers", "found shape (0, 63)",
            *["not a readable .npy file"] * 3,
        )  # fmt: skip
        assert all(want in reason for reason, want in zip(shown, expected, strict=True))


def test_unknown_letters_of_arrays(tmp_path):
    save_array(tmp_path / "hello" / "0" / "0.npy", POINTS)
    with pytest.raises(ValueError, match="found hello"):
        LandmarkNPY(tmp_path).list_items()
    save_array(tmp_path / "nothing" / "0" / "0.npy", np.zeros(63))
    (sample,), (rejected,) = read_hand_samples(LandmarkNPY(tmp_path))
    assert sample.label == "nothing"
    assert (rejected.id, rejected.reason[:21]) == ("hello/0", "unknown label 'hello'")


# ---- real recordings


@pytest.mark.shared_data
def test_real_landmarks_are_read():
    samples, rejected = read_hand_samples(LandmarkCSV(require_shared_data("asl/landmarks")))
    assert (len(samples), len(rejected)) == (27_718, 0)
    assert {sample.group for sample in samples} == {"s01", "s02", "s03", "s04", "s06", "s07"}
    sequences, _ = read_hand_samples(
        LandmarkCSV(require_shared_data("asl/landmarks"), use_sequences=True)
    )
    assert sum(len(sample.features) for sample in sequences) == 27_718


@pytest.mark.shared_data
def test_real_tables_are_read():
    samples, rejected = read_hand_samples(LandmarkCSV(require_shared_data("asl/landmark_csv")))
    assert (len(samples), len(rejected)) == (2_600 + 1_220 + 1_123, 0)
    assert {sample.group for sample in samples} == {"annu", "kamil", "sharmili"}
    assert {sample.label for sample in samples} == set(LETTERS)


@pytest.mark.shared_data
@pytest.mark.parametrize(("name", "classes"), [("images", 26), ("image_folders", 28)])
def test_real_images_are_read(every_image_shows_a_hand, name, classes):
    items = ImageFolder(require_shared_data(f"asl/{name}")).list_items()
    assert len({ASL_ALPHABET.find_class(item.label) for item in items}) == classes
    assert {item.group for item in items} == (
        {"s01", "s02", "s03", "s04"} if name == "images" else {""}
    )


@pytest.mark.parametrize("height", [30, 20, 71])
def test_hands_are_stored_as_an_image_of_4_to_3_has_them(
    tmp_path, every_image_shows_a_hand, height
):
    image = cv2.imencode(".png", np.zeros((height, 40, 3), np.uint8))[1].tobytes()
    write_image(tmp_path / "A" / "1.png", image)
    (sample,), _ = read_hand_samples(ImageFolder(tmp_path, standard_ratio=True))
    scale = np.tile(np.float32([30 / height, 1, 30 / height]), 21)
    np.testing.assert_allclose(sample.features[0], every_image_shows_a_hand * scale, rtol=1e-6)
    (kept,), _ = read_hand_samples(ImageFolder(tmp_path))
    np.testing.assert_array_equal(kept.features[0], every_image_shows_a_hand)


def test_tables_state_the_aspect_ratio_of_their_images(tmp_path):
    table = pd.DataFrame([POINTS], columns=NAMES).assign(label="A")
    table.to_csv(tmp_path / "table.csv", index=False)
    (tmp_path / "A").mkdir()
    np.save(tmp_path / "A" / "1.npy", POINTS)
    expected = POINTS * np.tile(np.float32([0.75, 1, 0.75]), 21)
    for reader in (LandmarkCSV, LandmarkNPY):
        (sample,), _ = read_hand_samples(reader(tmp_path, aspect_ratio=1))
        np.testing.assert_allclose(sample.features[0], expected, rtol=1e-6)
