"""Random folders of recordings, damaged and special files among them."""

from __future__ import annotations

import gzip
import io
import os
import socket
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from hypothesis import strategies as st

FOLDERS = (
    *("train", "test", "dev", "Training", "holdout", "A", "b", "del", "hello", "words", "phrases"),
    *("01", "s01", "été", "e\u0301te\u0301", "silent_data", ".hidden", "__MACOSX", "x.jpg"),
)
FILES = (
    *("a.jpg", "b.PNG", "IMG.HEIC", "c.tif", "A_1.jpg", "color_1.jpg", "depth_1.jpg", "d.npy"),
    *("t.csv", "t.csv.gz", "u.tsv", "v.mkv", "w.wmv", "x.mp4", "x.txt", "1_emg.npy"),
    *("1_info.json", "q.npz", "z.zip", "notes.docx", "ending", ".DS_Store", "manifest.csv"),
    *("bad\udcff.npy", "two\nlines.jpg", "bell\x07.mkv"),
)
KINDS = ("good", "good", "good", "text", "empty", "fifo", "socket", "away", "nowhere", "loop", "in")

branches = st.tuples(
    st.lists(st.sampled_from(FOLDERS), max_size=4), st.sampled_from(FILES), st.sampled_from(KINDS)
)
trees = st.lists(branches, min_size=1, max_size=14)


def make_tree(root: Path, tree: list[tuple[list[str], str, str]]) -> None:
    """Write the files of a tree, except those whose folder is already a file."""
    made: list[Path] = []
    for folders, name, kind in tree:
        path = root.joinpath(*folders, name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not (path.exists() or path.is_symlink()):
                _make_file(root, path, kind, made)
                made.append(path)
        except (FileExistsError, NotADirectoryError):
            continue


def _make_file(root: Path, path: Path, kind: str, made: list[Path]) -> None:
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        _make_socket(path)
    elif kind == "away":
        path.symlink_to(Path(__file__).parent if len(path.name) % 2 else Path(__file__))
    elif kind == "nowhere":
        path.symlink_to(path.parent / "not there")
    elif kind == "loop":
        path.symlink_to(path.parent)
    elif kind == "in" and made:
        path.symlink_to(made[0] if len(made) % 2 else made[0].parent)
    else:
        content = {"text": b"path,label,text\na,b", "empty": b""}
        path.write_bytes(content.get(kind, make_content(path.name)))


def _make_socket(path: Path) -> None:
    """Make a socket in a short path, as socket paths are limited to 100 characters, and move it."""
    with TemporaryDirectory(dir=path.parents[1]) as folder:
        with socket.socket(socket.AF_UNIX) as server:
            at = os.open(folder, os.O_RDONLY)
            server.bind(f"/proc/self/fd/{at}/s")
            os.close(at)
        Path(folder, "s").rename(path)


def make_content(name: str) -> bytes:
    """Return readable content for a file name."""
    lower = name.lower()
    if lower.endswith("_info.json"):
        return b'{"text": "a word", "sentence_index": 1, "book": "b"}'
    if lower == "manifest.csv":
        return b"path,label,text\na.mkv,x,x\nA/d.npy,y,y\nv.mkv,z,z\n../out,x,x\nloop,x,x\n"
    if lower.endswith((".csv", ".csv.gz", ".tsv")):
        return _table(lower)
    if lower.endswith(".npy"):
        return _array(np.random.default_rng(0).normal(size=(400, 2) if "emg" in lower else 63))
    return _other_content(lower)


@cache
def _other_content(name: str) -> bytes:
    if name.endswith((".mkv", ".wmv", ".mp4")):
        return _video()
    if name.endswith((".jpg", ".png", ".heic", ".tif")):
        return cv2.imencode(".png", np.full((9, 9, 3), 99, np.uint8))[1].tobytes()
    if name.endswith(".npz"):
        return _archive()
    return b"Duration: 0.1 seconds"


def _table(name: str) -> bytes:
    names = [f"{axis}{number}" for number in range(21) for axis in "xyz"]
    row = ",".join(["A", *(str(0.01 * n) for n in range(1, 64))])
    text = "\n".join([",".join(["label", *names]), row, row.replace("0.01", "bad"), ""])
    return gzip.compress(text.encode()) if name.endswith(".gz") else text.encode()


def _array(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def _archive() -> bytes:
    file, rng = io.BytesIO(), np.random.default_rng(0)
    np.savez(
        file,
        adc=rng.normal(size=(400, 2)),
        t_ms=np.arange(400) * 4,
        offset=np.array([0, 200, 400]),
        label=np.array([0, 1]),
        classes=np.array(["yes", "no"]),
        phase=np.array([0, 0]),
        phases=np.array(["overt"]),
    )
    return file.getvalue()


def _video() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.mkv")
        size = (32, 16)
        writer = cv2.VideoWriter(
            str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"FFV1"), 25.0, size
        )
        for number in range(6):
            writer.write(np.full((16, 32, 3), 20 * number, np.uint8))
        writer.release()
        return path.read_bytes()
