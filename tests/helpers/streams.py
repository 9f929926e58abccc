"""Networks and recognizers with known outputs, for streams."""

from __future__ import annotations

import time

import numpy as np


class ScriptedRecognizer:
    """A recognizer that returns given texts."""

    task, classes = "emg", ()

    def __init__(self, predicted: list[tuple[str, float]], takes_s: float = 0.0) -> None:
        frame = {"shape": [2], "rate": 100.0}
        self.metadata = {"frame": frame, "input": {"scale": "none"}, "reader": {"low_hz": 2.0}}
        self.said, self.takes_s = iter([("", 0.0), *predicted]), takes_s  # the first is of silence

    def transcribe(self, window: np.ndarray) -> tuple[str, float]:
        time.sleep(self.takes_s)
        return next(self.said)


class HandNetwork:
    """A network that reads every hand as A."""

    def __init__(self) -> None:
        frame = {"shape": [63], "dtype": "float32", "rate": None}
        self.metadata = {
            "task": "asl",
            "classes": ["A", "B"],
            "frame": frame,
            "training_data_note": "",
        }
        self.metadata["input"] = {"frames": 1}

    def __call__(self, frames: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, ...]:
        assert frames.shape == (1, 1, 63) and frames.dtype == np.float32
        return (np.array([[2.0, 0.0]], np.float32),)


class LipNetwork:
    """A network that reads the first word if the mouth changes much, else the second."""

    def __init__(self, rate: float = 25.0) -> None:
        frame = {"shape": [64, 96], "dtype": "uint8", "rate": rate}
        self.metadata = {
            "task": "lipread",
            "classes": ["yes", "no"],
            "frame": frame,
            "training_data_note": "",
        }
        self.metadata |= {"input": {"frames": 12}, "reader": {"zoom": 1.0}, "clip_s": 1.0}

    def __call__(self, frames: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, ...]:
        assert frames.shape[0] == 1 and frames.shape[2:] == (64, 96) and frames.dtype == np.uint8
        change = frames[0].astype(float).std(0).mean()
        return (np.array([[change - 2.0, 0.0]], np.float32),)
