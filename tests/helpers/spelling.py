"""A model of all letters, and visitors who spell with images that hold the landmarks."""

from __future__ import annotations

import string
from typing import Any

import cv2
import numpy as np
from starlette.testclient import TestClient

from tests.helpers.pages import PointingNetwork
from tests.helpers.teaching import make_hand, show_hand

LETTERS = string.ascii_uppercase
FRAME_S, FRAMES_PER_LETTER = 0.15, 8


class LetterNetwork:
    """A network that reads the letters A to Z from ``make_hand``, with a probability of 0.69."""

    def __init__(self) -> None:
        self.metadata: dict[str, Any] = PointingNetwork().metadata | {"classes": list(LETTERS)}
        self.hands = np.stack([make_hand(letter) for letter in LETTERS])

    def __call__(self, frames: np.ndarray, *_: np.ndarray) -> tuple[np.ndarray, ...]:
        distances = np.square(frames[:, -1, None] - self.hands).sum(-1)
        return (4 * np.eye(26, dtype=np.float32)[distances.argmin(-1)],)


def paint_letter(letter: str) -> np.ndarray:
    """Return an image (48, 64, 3) uint8 whose brightness stands for a letter; white for none."""
    value = 9 * LETTERS.index(letter) + 9 if letter else 255
    return np.full((48, 64, 3), value, np.uint8)


class BrightnessTracker:
    """Reads the letter of ``paint_letter`` in an image, also after compression and scaling."""

    annotated_image: np.ndarray | None = None

    def __init__(self, recognizer: Any) -> None:
        pass

    def push(self, image: np.ndarray) -> np.ndarray | None:
        number = round(image.mean() / 9) - 1
        return make_hand(LETTERS[number]) if 0 <= number < len(LETTERS) else None


def spell(client: TestClient, key: str, letters: str, start_s: float = 0.0) -> dict[str, Any]:
    """Hold one sign after the other, and return the last answer."""
    answer: dict[str, Any] = {}
    for number in range(FRAMES_PER_LETTER * len(letters)):
        hand = make_hand(letters[number // FRAMES_PER_LETTER])
        content = cv2.imencode(".png", show_hand(hand)[..., ::-1])[1].tobytes()
        seconds = start_s + FRAME_S * number
        response = client.post(f"/camera/frame/{key}?seconds={seconds}", content=content)
        assert response.status_code == 200, response.text
        answer = response.json()
    return answer
