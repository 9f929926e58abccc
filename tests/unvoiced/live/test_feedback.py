"""Keys that mark wrong answers, and the set that they fill."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from datamodules.store.dataset import PreparedSet
from datamodules.store.feedback import FeedbackSet
from experiments.export.live_feedback import start_keys
from experiments.stages import run_stage
from tests.helpers.paths import ROOT
from unvoiced import Engine, Recognizer
from unvoiced.emg.preprocessing import fit_recording
from unvoiced.live.feedback import FeedbackKeys
from unvoiced.live.screens import ScreenWindow
from unvoiced.readings import NO_READING, Answer, Reading
from unvoiced.streams.speech import WordPeakPicker

MODEL = ROOT / "tests" / "golden" / "models" / "asl.onnx"
Kept = list[tuple[Answer, str]]


@pytest.fixture
def engine() -> Engine:
    return Engine(Recognizer(MODEL), is_preprocessed=True)


def type_text(keys: FeedbackKeys, text: str) -> None:
    assert all(keys.press(ord(key)) for key in text)


def make_answer(seed: int, label: str) -> Answer:
    hand = np.random.default_rng(seed).normal(size=(1, 63)).astype(np.float32)
    return Answer(label, hand, hand)


def test_a_typed_label_corrects_the_last_answer(engine: Engine) -> None:
    kept: Kept = []
    keys = FeedbackKeys(engine, lambda *part: kept.append(part))
    assert not keys.press(ord("w")) and not keys.press(ord("q"))  # nothing was read
    engine.last_answer = first = make_answer(1, "A")
    type_text(keys, "wqx")  # q is a letter now
    engine.last_answer = make_answer(2, "C")  # later answers do not count
    assert keys.press(8) and keys.press(8) and keys.prompt == "not A but: _"
    type_text(keys, "b\r")
    assert keys.prompt == "" and kept == [(first, "B")]
    engine.last_answer = first
    assert not keys.press(ord("w"))  # it is corrected


@pytest.mark.parametrize("last", ["\r", "x\x1b"])
def test_the_right_label_may_stay_open(last: str, engine: Engine) -> None:
    kept: Kept = []
    keys = FeedbackKeys(engine, lambda *part: kept.append(part))
    engine.last_answer = make_answer(1, "A")
    type_text(keys, "w" + last)
    assert [(answer.label, label) for answer, label in kept] == [("A", "")]


def test_corrections_are_a_prepared_set(engine: Engine, tmp_path: Path) -> None:
    answers = [make_answer(seed, "A") for seed in range(3)]
    with FeedbackSet(tmp_path / "set", engine.recognizer.metadata) as wrong:
        for answer, label in zip(answers, ("B", "my name", ""), strict=True):
            wrong.add(answer, label)
    stored = PreparedSet(tmp_path / "set")
    assert stored.manifest["label"].tolist() == ["B", "my name"]
    assert np.array_equal(stored.features[0:1], answers[0].frames)
    rejected = pd.read_csv(tmp_path / "set" / "rejected.csv")
    assert rejected["label"].tolist() == ["A"]
    assert "2 corrected answers, 1 without" in wrong.describe()


def test_answers_of_another_model_are_refused_before_the_first(
    engine: Engine, tmp_path: Path
) -> None:
    metadata = engine.recognizer.metadata
    with FeedbackSet(tmp_path / "set", metadata) as wrong:
        wrong.add(make_answer(1, "A"), "B")
    FeedbackSet(tmp_path / "set", metadata).require_usable()
    other = metadata | {"frame": metadata["frame"] | {"shape": [21]}}
    with pytest.raises(ValueError, match=r"other settings \(frame.shape differ\)"):
        FeedbackSet(tmp_path / "set", other).require_usable()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    with pytest.raises(ValueError, match="is not a prepared set"):
        FeedbackSet(tmp_path / "full", metadata).require_usable()


def test_without_a_wrong_answer_nothing_is_kept(engine: Engine, tmp_path: Path) -> None:
    with FeedbackSet(tmp_path / "set", engine.recognizer.metadata) as wrong:
        assert wrong.describe() == ""
    assert not (tmp_path / "set").exists()


def test_feedback_needs_a_window(compose_config, tmp_path: Path) -> None:
    np.save(tmp_path / "frames.npy", np.ones((9, 63), np.float32))
    given = ("stage=live", f"ckpt_path={MODEL}", "live.feedback=true", "live.output=a.mp4")
    with pytest.raises(ValueError, match=r"live\.feedback=true .*window"):
        run_stage(compose_config(*given, f"input={tmp_path / 'frames.npy'}"))


@pytest.fixture
def typed() -> Iterator[Any]:
    """Return a pipe whose written bytes are the keys of the terminal."""
    ends = os.pipe()
    with os.fdopen(ends[0]) as reader, os.fdopen(ends[1], "wb", buffering=0) as writer:
        yield reader, writer


def test_signals_are_corrected_from_the_terminal(
    typed: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reader, writer = typed
    monkeypatch.setattr("sys.stdin", reader)
    engine = Engine(Recognizer(MODEL.with_name("emg.onnx")), min_probability=0.0)
    rng = np.random.default_rng(0)
    shape = round(engine.stream.sample_rate), engine.stream.channels
    wrong = FeedbackSet(tmp_path / "set", engine.recognizer.metadata)
    with wrong, start_keys(engine, wrong):
        for second in range(30):
            engine.push(rng.normal(0, 40, shape), second)
            if engine.last_answer is not None:
                break
        writer.write(b"wplease call\n")
    assert engine.last_answer is not None, "the model read nothing in noise"
    stored = PreparedSet(tmp_path / "set")
    assert stored.manifest["label"].tolist() == ["please call"]
    frames = engine.last_answer.frames
    np.testing.assert_allclose(stored.features[0 : len(frames)], frames, rtol=1e-6)
    assert stored.meta["settings"]["reader"] == engine.recognizer.metadata["reader"]


def test_the_window_gives_its_keys_away(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("namedWindow", "imshow"):
        monkeypatch.setattr(f"cv2.{name}", lambda *_: None)
    monkeypatch.setattr("cv2.getWindowProperty", lambda *_: 0)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("cv2.waitKey", lambda _: ord("q"))
    window, image = ScreenWindow(), np.zeros((4, 4, 3), np.uint8)
    assert not window.show(image)
    window.take_key = lambda key: key == ord("q")
    assert window.show(image)


def test_an_answer_holds_the_frames_of_its_own_window() -> None:
    peaks, events = WordPeakPicker(apart_s=0.2, min_probability=0.4, next_s=1.0), []
    for number, probability in enumerate((0.5, 0.9, 0.6, 0.1, 0.1, 0.1)):
        frames = np.full((2, 4, 4), number, np.uint8)
        events += peaks.push(Reading("hello", probability, frames=frames), 0.1)
    (word,) = [event for event in events if event.kind == "released"]
    assert word.frames is not None and (word.frames == 1).all()


def test_a_recording_is_kept_as_a_prepared_set_stores_it() -> None:
    recognizer = Recognizer(MODEL.with_name("emg.onnx"))
    rate, channels = recognizer.metadata["frame"]["rate"], recognizer.metadata["frame"]["shape"][0]
    counts = np.random.default_rng(0).normal(0, 40, (round(rate), channels))
    answer = recognizer.read(counts).to_answer()
    assert answer is not None and len(answer.frames) == len(counts)
    expected = fit_recording(answer.frames, recognizer.metadata)
    np.testing.assert_array_equal(answer.inputs, expected)
    assert NO_READING.to_answer() is None
