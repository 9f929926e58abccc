"""Random damage to each kind of file that stage=prepare and stage=predict read."""

from __future__ import annotations

import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from datamodules.store.prepare import prepare
from tests.helpers.random_trees import make_content
from tests.helpers.readers import READER_FACTORIES

pytestmark = pytest.mark.usefixtures("every_image_shows_a_hand")

# Reader, the file that is damaged, and others that it needs.
FILES = (
    *(("image_folder", "A/a.jpg", ()), ("image_folder", "A/IMG.HEIC", ())),
    *(("landmark_csv", "t.csv", ()), ("landmark_csv", "t.csv.gz", ())),
    *(("landmark_npy", "A/d.npy", ()), ("video_folder", "A/v.mkv", ())),
    *(("frame_folder", "words/01/01/a.jpg", ()), ("lrw", "ABOUT/train/x.mp4", ())),
    *(("video_manifest", "manifest.csv", ("a.mkv", "v.mkv")), ("somach", "q.npz", ())),
    *(
        ("emg_manifest", "manifest.csv", ("1_emg.npy",)),
        ("gaddy", "s/1_emg.npy", ("s/1_info.json",)),
    ),
    *(("gaddy", "s/1_info.json", ("s/1_emg.npy",)), ("emg_input", "1_emg.npy", ())),
    *(("hand_input", "d.npy", ()), ("hand_input", "v.mkv", ()), ("mouth_input", "v.mkv", ())),
)
TEXTS = (b"nan", b"-1", b"1e999", b"99999999999999999999", b"\x1b[31m", b"\0", b"\xff\xfe", b'"')


def damage(content: bytes, rng: random.Random) -> bytes:
    """Cut, swap, overwrite, repeat or replace parts of a file; its beginning more often."""
    result = bytearray(content)
    reach = len(result) if rng.random() < 0.5 else min(len(result), 300)
    place = rng.randrange(reach)
    kind = rng.randrange(6)
    if kind == 0:
        return bytes(result[:place])
    if kind == 1:
        for _ in range(rng.choice([1, 5, 50])):
            result[rng.randrange(reach)] = rng.randrange(256)
    elif kind == 2:
        result[place:place] = rng.choice(TEXTS)
    elif kind == 3:
        other = rng.randrange(reach)
        result[place], result[other] = result[other], result[place]
    elif kind == 4:
        del result[place : place + rng.choice([1, 8, 64])]
    else:
        return make_content(rng.choice(["a.jpg", "v.mkv", "d.npy", "q.npz", "t.csv", "x.txt"]))
    return bytes(result)


def check_damaged(name: str, file: str, needed: tuple[str, ...], number: int) -> None:
    """Prepare a folder with one damaged file: a set, or one printable sentence."""
    rng = random.Random(number)
    with TemporaryDirectory() as folder:
        raw = Path(folder, "raw")
        for path in (file, *needed):
            (raw / path).parent.mkdir(parents=True, exist_ok=True)
            content = make_content(Path(path).name)
            (raw / path).write_bytes(damage(content, rng) if path == file else content)
        try:
            prepare(READER_FACTORIES[name](raw), Path(folder, "set"), {}, 1, lambda line: None)
        except ValueError as error:
            assert str(error).isprintable() and len(str(error)) < 3000, repr(str(error))


@pytest.mark.parametrize(("name", "file", "needed"), FILES)
def test_damaged_files_give_one_error_line(name: str, file: str, needed: tuple[str, ...]) -> None:
    for number in range(8):
        check_damaged(name, file, needed, number)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "file", "needed"), FILES)
def test_many_damaged_files(name: str, file: str, needed: tuple[str, ...]) -> None:
    for number in range(8, 60):
        check_damaged(name, file, needed, number)
