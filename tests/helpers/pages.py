"""Serve the page in this process, with a network that reads where hands point."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from starlette.testclient import TestClient

from experiments.page.app import create_app
from experiments.page.server import make_server, open_socket
from experiments.page.storage import temporary_folder
from tests.helpers.hands import paint_hand
from unvoiced import Engine, Recognizer

SETTINGS = {"visitors": 2, "idle_s": 60.0, "max_upload_mb": 1.0, "max_upload_s": 4.0} | {
    "readers": 1,
    "queue": 4,
    "suggest": True,
    "auth_file": None,
    "allowed_hosts": [],
}


POINTING_LETTERS = "ABCL"  # what a hand says that points up, to its right, down, to its left


class PointingNetwork:
    """A network that reads in which direction a hand points."""

    def __init__(self) -> None:
        self.metadata: dict[str, Any] = {
            **{
                "task": "asl",
                "classes": list(POINTING_LETTERS),
                "simulated": True,
                "training_data_note": "Made for tests: it reads which way a <hand> points.",
            },
            **{"frame": {"shape": [63], "rate": None, "dtype": "float32"}, "input": {"frames": 1}},
        }

    def __call__(self, frames: np.ndarray, *_: np.ndarray) -> tuple[np.ndarray, ...]:
        points = frames[:, -1].reshape(-1, 21, 3)
        x, y = (points[:, 9] - points[:, 0])[:, :2].T
        quarters = np.rint(np.arctan2(y, x) / (np.pi / 2)).astype(int)  # from the right, clockwise
        return (12 * np.eye(4, dtype=np.float32)[(-quarters - 1) % 4],)


class TeachableNetwork(PointingNetwork):
    """A pointing network that gives an embedding, as profiles need it."""

    def __init__(self) -> None:
        super().__init__()
        self.metadata["fingerprint"] = "n0"

    def __call__(self, frames: np.ndarray, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return logits, and the landmarks of the last frame as the embedding."""
        return *super().__call__(frames, *inputs), frames[:, -1]


class LoudNetwork:
    """A network of two channels that writes "a" where the signal is loud."""

    def __init__(self) -> None:
        self.metadata: dict[str, Any] = {
            **{"task": "emg", "classes": [], "simulated": True, "training_data_note": ""},
            **{"frame": {"shape": [2], "rate": 250.0, "dtype": "float32"}},
            **{"input": {"scale": "none", "segment_s": None}, "reader": {"low_hz": 20.0}},
            **{"tokenizer": {"kind": "char", "lower": True, "characters": ["a", "b"]}},
            **{"objective": "ctc", "beam_width": 1},
        }

    def __call__(self, signal: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, ...]:
        token = 2 if np.abs(signal).mean() > 1 else 0  # the first letter, or CTC's blank
        logits = np.zeros((1, 4, 4), np.float32)
        logits[:, :, token] = 9
        return logits, np.array([4])


def paint_pointing_hand(letter: str) -> np.ndarray:
    """Return a hand, (480, 640, 3) uint8, that points in the direction of a letter."""
    turned = np.rot90(paint_hand(), POINTING_LETTERS.index(letter))
    return np.pad(turned, ((80, 80), (160, 160), (0, 0)), constant_values=210)


def encode_jpeg(image: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


def write_hand_video(
    path: Path, letters: str, fps: float = 10, each_s: float = 1.0, size: tuple | None = None
) -> Path:
    """Write a video of hands, one letter after the other."""
    size = size or (640, 480)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, size)
    for letter in letters:
        frame = cv2.cvtColor(cv2.resize(paint_pointing_hand(letter), size), cv2.COLOR_RGB2BGR)
        for _ in range(max(1, round(each_s * fps))):
            writer.write(frame)
    writer.release()
    return path


@contextmanager
def open_client(recognizer: Recognizer, auth: str | None = None, **changes) -> Iterator[TestClient]:
    make = partial(Engine, recognizer)
    with temporary_folder() as folder:
        settings = SETTINGS | changes
        app, pool = create_app(recognizer, make, auth, settings, "127.0.0.1", folder)
        yield TestClient(app, base_url="http://127.0.0.1")
        pool.close()


def write_file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@contextmanager
def serve_page(
    recognizer: Recognizer, folder: Path, auth: str | None = None, **changes
) -> Iterator[str]:
    """Serve a page in this process at a free port and yield its address."""
    before = os.environ.get("GRADIO_TEMP_DIR")
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    make = partial(Engine, recognizer)
    folder.mkdir(parents=True, exist_ok=True)
    settings = SETTINGS | changes
    app, pool = create_app(recognizer, make, auth, settings, "127.0.0.1", folder)
    sock = open_socket("127.0.0.1", 0)
    running = make_server(app, sock)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [sock]})
    thread.start()
    try:
        while not running.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join()
        pool.close()
        os.environ.pop("GRADIO_TEMP_DIR")
        if before is not None:
            os.environ["GRADIO_TEMP_DIR"] = before
