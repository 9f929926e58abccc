"""Keys that mark wrong answers, and the set that they fill."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datamodules.store.dataset import PreparedSet
from datamodules.store.feedback import FeedbackSet
from experiments.stages import run_stage
from tests.helpers.paths import ROOT
from unvoiced import Recognizer
from unvoiced.live.feedback import FeedbackKeys
from unvoiced.live.screens import ScreenWindow

MODEL = ROOT / "tests" / "golden" / "models" / "asl.onnx"
Kept = list[tuple[np.ndarray, str, str]]


@pytest.fixture
def recognizer() -> Recognizer:
    return Recognizer(MODEL)


def type_text(keys: FeedbackKeys, text: str) -> None:
    assert all(keys.press(ord(key)) for key in text)


def read_hand(recognizer: Recognizer, keys: FeedbackKeys, seed: int, label: str) -> np.ndarray:
    hand = np.random.default_rng(seed).normal(size=(1, 63)).astype(np.float32)
    recognizer.predict_probabilities(hand)
    keys.note_answers([label])
    return hand


def test_a_typed_label_corrects_the_last_answer(recognizer: Recognizer) -> None:
    kept: Kept = []
    keys = FeedbackKeys(recognizer, lambda *part: kept.append(part))
    assert not keys.press(ord("w")) and not keys.press(ord("q"))  # nothing was read
    first = read_hand(recognizer, keys, 1, "A")
    type_text(keys, "wqx")  # q is a letter now
    read_hand(recognizer, keys, 2, "C")  # later answers do not count
    assert keys.press(8) and keys.press(8) and keys.prompt == "not A but: _"
    type_text(keys, "b\r")
    assert keys.prompt == "" and not keys.press(ord("w"))
    ((frames, answer, label),) = kept
    assert np.array_equal(frames, first) and (answer, label) == ("A", "B")


@pytest.mark.parametrize("last", ["\r", "x\x1b"])
def test_the_right_label_may_stay_open(last: str, recognizer: Recognizer) -> None:
    kept: Kept = []
    keys = FeedbackKeys(recognizer, lambda *part: kept.append(part))
    read_hand(recognizer, keys, 1, "A")
    type_text(keys, "w" + last)
    assert [part[1:] for part in kept] == [("A", "")]


def test_corrections_are_a_prepared_set(recognizer: Recognizer, tmp_path: Path) -> None:
    hands = np.random.default_rng(0).normal(size=(3, 1, 63)).astype(np.float32)
    with FeedbackSet(tmp_path / "set", recognizer.metadata) as wrong:
        for hand, label in zip(hands, ("B", "my name", ""), strict=True):
            wrong.add(hand, "A", label)
    stored = PreparedSet(tmp_path / "set")
    assert stored.manifest["label"].tolist() == ["B", "my name"]
    assert np.array_equal(stored.features[0:1], hands[0])
    rejected = pd.read_csv(tmp_path / "set" / "rejected.csv")
    assert rejected["label"].tolist() == ["A"]
    assert "2 corrected answers, 1 without" in wrong.describe()


def test_without_a_wrong_answer_nothing_is_kept(recognizer: Recognizer, tmp_path: Path) -> None:
    with FeedbackSet(tmp_path / "set", recognizer.metadata) as wrong:
        assert wrong.describe() == ""
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    "setting", ["live.output=a.mp4", "task=emg"], ids=["no window", "no camera"]
)
def test_feedback_needs_a_window(setting: str, compose_config, tmp_path: Path) -> None:
    task = "emg" if setting == "task=emg" else "asl"
    model = MODEL.with_name(f"{task}.onnx")
    np.save(tmp_path / "frames.npy", np.ones((9, 63), np.float32))
    given = (f"task={task}", "stage=live", f"ckpt_path={model}", "live.feedback=true")
    with pytest.raises(ValueError, match=r"live\.feedback=true .*window"):
        run_stage(compose_config(*given, f"input={tmp_path / 'frames.npy'}", setting))


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
