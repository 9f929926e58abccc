"""A model of several frames reads those of the same time, whatever the camera's frame rate."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.streams import HandNetwork
from unvoiced import Engine, Recognizer


class WindowNetwork(HandNetwork):
    """A network of 16 frames at 30 Hz that notes how many frames it gets."""

    def __init__(self, frames: int = 16) -> None:
        super().__init__()
        self.metadata["input"] = {"frames": frames}
        self.lengths: list[int] = []

    def __call__(self, frames: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, ...]:
        self.lengths.append(frames.shape[1])
        return (np.array([[2.0, 0.0]], np.float32),)


@pytest.mark.parametrize(("fps", "expected"), [(10, 6), (30, 16), (60, 31)])
def test_a_window_has_the_same_duration_at_any_frame_rate(fps: int, expected: int) -> None:
    network = WindowNetwork()
    engine = Engine(Recognizer(network), is_preprocessed=True)
    for n in range(2 * fps):
        engine.push(np.full(63, 0.5, np.float32), n / fps)
    assert network.lengths[0] == 1
    assert max(network.lengths) == network.lengths[-1] == expected


def test_a_hand_that_was_away_starts_a_new_window() -> None:
    network = WindowNetwork()
    engine = Engine(Recognizer(network), is_preprocessed=True)
    for n in range(20):
        engine.push(np.full(63, 0.5 * (n != 15), np.float32), n / 30)
    assert network.lengths[-4:] == [1, 2, 3, 4]


def test_a_model_of_one_frame_reads_each_frame_alone() -> None:
    network = WindowNetwork(frames=1)
    engine = Engine(Recognizer(network), is_preprocessed=True)
    for n in range(10):
        engine.push(np.full(63, 0.5, np.float32), n / 30)
    assert network.lengths == [1] * 10
