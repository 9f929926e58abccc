"""stage=doctor: sentences, doctor.json, doctor.png and the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from experiments.export.examined_sources import examine_frames, load_signal
from tests.helpers.hands import paint_hand
from unvoiced.live.cameras import Camera, CameraGoneError, FrameSequence
from unvoiced.streams.trackers import TrackerSettings


def write_image(path: Path, image: np.ndarray) -> Path:
    cv2.imwrite(str(path), image[..., ::-1])
    return path


def write_signal(path: Path, gain: float = 10.0) -> Path:
    np.save(path, np.random.default_rng(0).normal(0, gain, (1000, 2)))
    return path


def read_findings(folder: Path) -> dict:
    content = json.loads((folder / "doctor.json").read_text(encoding="utf-8"))
    return {finding["check"]: finding for finding in content["findings"]}


def test_a_signal_without_faults_ends_the_stage_well(run, tmp_path, capsys) -> None:
    path = write_signal(tmp_path / "word.npy")
    settings = ("input_reader.sample_rate=250", "input_reader.channels=2")
    folder = run("stage=doctor", "task=emg", f"input={path}", *settings)
    assert capsys.readouterr().out.rstrip().endswith("Nothing is wrong.")
    assert read_findings(folder)["channels"]["measured"] == "2"


def test_a_signal_in_volts_is_named_with_the_factor(run, tmp_path, capsys) -> None:
    path = write_signal(tmp_path / "word.npy", 1e-5)
    with pytest.raises(SystemExit) as ended:
        run("stage=doctor", "task=emg", f"input={path}", "input_reader.sample_rate=250")
    assert ended.value.code == 1
    printed = capsys.readouterr().out
    assert "set input_reader.uv_per_count=1e+06" in printed
    assert printed.rstrip().endswith(
        "1 thing is wrong: The unit is wrong: the numbers may be volts."
    )


@pytest.mark.slow
def test_a_dark_image_is_named_and_drawn(run, tmp_path, capsys, hand_model_file) -> None:
    path = write_image(tmp_path / "hand.png", paint_hand() // 6)
    reader = f"input_reader.model={hand_model_file}"
    with pytest.raises(SystemExit):
        run("stage=doctor", "task=asl", f"input={path}", reader)
    assert "switch on a lamp in front of you" in capsys.readouterr().out
    assert cv2.imread(str(tmp_path / "run" / "doctor.png")).shape == (320, 320, 3)
    assert read_findings(tmp_path / "run")["brightness"]["is_ok"] is False


def test_a_missing_camera_is_a_finding(run, tmp_path, capsys) -> None:
    with pytest.raises(SystemExit):
        run("stage=doctor", "task=asl", "input=camera:97")
    assert capsys.readouterr().out.rstrip().endswith("1 thing is wrong: No camera.")


def test_a_camera_that_is_unplugged_is_a_finding(run, monkeypatch, capsys) -> None:
    def give_frames(self):
        yield from ((n / 25, np.full((48, 64, 3), 90 + n, np.uint8)) for n in range(30))
        raise CameraGoneError("input=camera:0 gives no more images after 1.2 s")

    monkeypatch.setattr(Camera, "__init__", lambda self, number: None)
    monkeypatch.setattr(Camera, "timed_frames", give_frames)
    with pytest.raises(SystemExit):
        run("stage=doctor", "task=lipread", "crop=none", "input=camera:0")
    assert "The camera stopped" in capsys.readouterr().out


@pytest.mark.parametrize("setting", ["crop=none", "doctor.hand=left"])
def test_settings_of_images_are_refused_for_signals(run, tmp_path, setting) -> None:
    path = write_signal(tmp_path / "word.npy")
    with pytest.raises(ValueError, match=f"{setting} has no effect here"):
        run("stage=doctor", "task=emg", f"input={path}", setting)


def test_the_side_of_a_hand_is_refused_for_faces(run, tmp_path) -> None:
    with pytest.raises(ValueError, match="doctor.hand=left has no effect here; it is for tasks"):
        run("stage=doctor", "task=vsr", f"input={tmp_path}", "doctor.hand=left")


def test_a_damaged_image_is_named(tmp_path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"input=.*a\.png: the file is empty"):
        next(iter(FrameSequence([tmp_path / "a.png"], 30.0).timed_frames()))


def test_a_folder_is_no_recording(tmp_path) -> None:
    with pytest.raises(ValueError, match="is a folder; expected one recording"):
        load_signal(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("clip.mp4", b"hello\n", "not a video but a text"),
        ("clip.mp4", b"", "the file is empty"),
        ("word.csv", b"", "is empty"),
        ("word.csv", b"a,b\n", "holds no samples"),
        ("word.npy", b"damaged", "is damaged"),
        ("word.doc", b"text", "cannot be read; expected"),
    ],
)
def test_unreadable_files_give_sentences(tmp_path, name, content, sentence) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        if name.endswith(".mp4"):
            examine_frames(str(path), TrackerSettings(None, 0.5, {}, task="lipread"), [], 5.0, 0.0)
        else:
            load_signal(path)
