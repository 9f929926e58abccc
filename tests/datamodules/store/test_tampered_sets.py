"""Prepared sets that are damaged or edited are read, or refused in one sentence."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.splits import AutoSplit
from datamodules.store.dataset import PreparedSet
from datamodules.store.samples import Description, Frame, Sample
from datamodules.store.writer import PreparedWriter, write_all

COUNT = 200  # tamperings in the default suite
WORDS = ("", "-1", "1e9", "99999999999999999999", "nan", "x", "1.5", "None", "\x1b[31m", "é" * 2000)
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1.5, 1e308, "x", "", [], {}, [[]], [1, "a"], ["a", "a"], "${oc.env:HOME}"),
    *(2**70, [-1], [0], ["63"], [10**9, 10**9], "object", "float128", {"a": None}, "\x1b[31m"),
)
ABOUT = Description("lipread", Frame((2, 3), "float32", "a test", 25.0), {"size": 1})


@pytest.fixture(scope="module")
def sound_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound") / "set"
    frames = np.arange(36, dtype=np.float32).reshape(6, 2, 3)
    write_all(folder, ABOUT, [Sample(f"s{n}", frames, "ab"[n % 2], f"g{n % 3}") for n in range(9)])
    return folder


# ---- ways to tamper


def change_meta(folder: Path, rng: random.Random) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    holder = rng.choice([meta, meta["frame"]])
    key = rng.choice(list(holder))
    if rng.random() < 0.2:
        del holder[key]
    else:
        holder[key] = rng.choice(VALUES)
    (folder / "meta.json").write_text(json.dumps(meta))


def change_field(folder: Path, rng: random.Random) -> None:
    rows = list(csv.reader((folder / "manifest.csv").open(newline="")))
    row = rng.choice(rows)
    row[rng.randrange(len(row))] = rng.choice(WORDS)
    _write_rows(folder, rows)


def change_rows(folder: Path, rng: random.Random) -> None:
    rows = list(csv.reader((folder / "manifest.csv").open(newline="")))
    place = rng.randrange(len(rows))
    change = rng.randrange(5)
    if change == 0:
        rows.insert(place, rows[rng.randrange(len(rows))])
    elif change == 1:
        del rows[place]
    elif change == 2:
        rows[place] = rows[place][: rng.randrange(len(rows[place]))]
    elif change == 3:
        rows[place] = [*rows[place], "more"]
    else:
        rows = [[*row, row[rng.randrange(len(row))]] for row in rows]
    _write_rows(folder, rows)


def _write_rows(folder: Path, rows: list[list[str]]) -> None:
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def change_bytes(folder: Path, rng: random.Random) -> None:
    path = folder / rng.choice(["meta.json", "manifest.csv", "features.npy", "rejected.csv"])
    content = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 3, 30])):
        content[rng.randrange(min(len(content), 400))] = rng.randrange(256)
    path.write_bytes(content)


def cut_file(folder: Path, rng: random.Random) -> None:
    path = folder / rng.choice(["meta.json", "manifest.csv", "features.npy", "rejected.csv"])
    content = path.read_bytes()
    path.write_bytes(content[: rng.randrange(len(content))])


def change_header(folder: Path, rng: random.Random) -> None:
    file = io.BytesIO()
    shape = rng.choice([(54, 2, 3), (54, 6), (10**12, 2, 3), (-1, 2, 3), (), (54,), (2**62, 2, 3)])
    descr = rng.choice(["<f4", ">f4", "<f8", "|u1", "|O", "<U9", "<f2", "<c8"])
    header = {"descr": descr, "fortran_order": rng.random() < 0.3, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    content = (folder / "features.npy").read_bytes()[128:]
    (folder / "features.npy").write_bytes(file.getvalue() + content)


def change_features(folder: Path, rng: random.Random) -> None:
    frames = np.load(folder / "features.npy")
    frames[rng.randrange(54), 0, 1] = rng.choice([np.nan, np.inf, -np.inf])
    np.save(folder / "features.npy", frames)


def replace_file(folder: Path, rng: random.Random) -> None:
    path = folder / rng.choice(["meta.json", "manifest.csv", "features.npy"])
    path.unlink()
    kind = rng.randrange(6)
    if kind == 0:
        os.mkfifo(path)
    elif kind == 1:
        path.mkdir()
    elif kind == 2:
        path.symlink_to("/dev/zero")
    elif kind == 3:
        path.symlink_to(path)
    elif kind == 4:
        path.symlink_to("/etc/passwd")
    else:
        path.write_bytes(b"\xff\xfe\0" * 99)


TAMPERINGS: tuple[Callable[[Path, random.Random], None], ...] = (
    *(change_meta, change_field, change_rows, change_bytes),
    *(cut_file, change_header, change_features, replace_file),
)


def tamper(sound_set: Path, folder: Path, number: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(sound_set, folder)
    TAMPERINGS[number % len(TAMPERINGS)](folder, random.Random(number))


def check_sentence(error: ValueError) -> None:
    text = str(error)
    assert len(text) < 2000 and text.isprintable(), repr(text)
    assert "root:" not in text, "what a link leads to is shown"


def check_set(folder: Path) -> bool:
    """Open a set as fit, test and prepare do; return False if it is refused."""
    try:
        for limit in (1 << 30, 0):
            prepared = PreparedSet(folder, memory_limit=limit)
            AutoSplit()(prepared.manifest)
            for start, length in zip(prepared.starts, prepared.lengths, strict=True):
                part = prepared.features[start : start + length]
                assert part.shape == (length, 2, 3)
                assert limit == 0 or np.isfinite(part).all()
    except ValueError as error:
        check_sentence(error)
        return False
    return True


@pytest.mark.parametrize("first", range(0, COUNT, 50))
def test_a_tampered_set_is_read_or_refused_in_one_sentence(
    sound_set: Path, tmp_path: Path, first: int
) -> None:
    for number in range(first, first + 50):
        tamper(sound_set, tmp_path / "set", number)
        check_set(tmp_path / "set")


def test_most_tamperings_are_noticed(sound_set: Path, tmp_path: Path) -> None:
    refused = 0
    for number in range(80):
        tamper(sound_set, tmp_path / "set", number)
        refused += not check_set(tmp_path / "set")
    assert refused > 40  # another label, group or source is as good as the first


@pytest.mark.slow
def test_many_tampered_sets_are_read_or_refused(sound_set: Path, tmp_path: Path) -> None:
    for number in range(COUNT, 5000):
        tamper(sound_set, tmp_path / "set", number)
        check_set(tmp_path / "set")


def test_a_tampered_set_is_not_written_to(sound_set: Path, tmp_path: Path) -> None:
    for number in range(120):
        tamper(sound_set, tmp_path / "set", number)
        try:
            with PreparedWriter(tmp_path / "set", ABOUT):
                pass
        except ValueError as error:
            check_sentence(error)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("start", "9", "holds 54 frames; expected at least 59, as manifest.csv lists|beyond"),
        ("start", "-1", "row 9 has a start below 0"),
        ("length", "0", "row 9 has a length below 1"),
        ("length", "1.5", "row 9 has a length that is no whole number"),
        ("length", "x", "row 9 has a length that is no whole number"),
        ("start", "99999999999999999999", "start (that is no whole number|beyond)"),
        ("id", "s0", "row 9 has the id of an earlier row"),
        ("id", "", "row 9 has an empty id"),
    ],
)
def test_the_row_is_named(
    sound_set: Path, tmp_path: Path, column: str, value: str, message: str
) -> None:
    folder = tmp_path / "set"
    shutil.copytree(sound_set, folder)
    rows = list(csv.reader((folder / "manifest.csv").open(newline="")))
    rows[9][rows[0].index(column)] = value if column != "start" or value != "9" else "53"
    _write_rows(folder, rows)
    with pytest.raises(ValueError, match=message):
        PreparedSet(folder)


def test_labels_of_an_older_set_are_read_in_one_form(sound_set: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    shutil.copytree(sound_set, folder)
    for name in ("manifest.csv", "meta.json"):
        text = (folder / name).read_text()
        old, new = (",a,", ",e\u0301,") if name == "manifest.csv" else ('"a"', '"e\u0301"')
        (folder / name).write_text(text.replace(old, new))
    prepared = PreparedSet(folder)
    assert set(prepared.manifest["label"]) == {"é", "b"}
    assert prepared.classes == ("é", "b")
