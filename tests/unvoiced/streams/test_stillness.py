"""A letter counts while the hand keeps its shape; letters that are drawn may move."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.streams import HandNetwork
from unvoiced import Engine, Recognizer
from unvoiced.streams.stillness import measure_changes

FPS, SHAPE = 30, np.random.default_rng(0).uniform(0.2, 0.8, (21, 3)).astype(np.float32)


class OneLetterNetwork(HandNetwork):
    """A network that reads one letter in every hand."""

    def __init__(self, letter: str) -> None:
        super().__init__()
        self.metadata["classes"] = [letter, "nothing"]

    def __call__(self, frames: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, ...]:
        return (np.array([[5.0, 0.0]], np.float32),)


def move_hand(seconds: float, speed: float) -> np.ndarray:
    """Return landmarks (T, 63) of a hand whose fingers bend at a speed, and which sways."""
    hands = np.repeat(SHAPE[None], round(seconds * FPS), 0)
    times = np.arange(len(hands)) / FPS
    beyond_knuckles = [joint for joint in range(5, 21) if joint % 4 != 1]
    hands[:, beyond_knuckles, 1] += speed * times[:, None]
    return (hands + 0.1 * np.sin(times)[:, None, None]).reshape(-1, 63)


def read_letters(hands: np.ndarray, letter: str = "A", **settings: float | None) -> str:
    """Return the text of landmarks (T, 63)."""
    recognizer = Recognizer(OneLetterNetwork(letter))
    engine = Engine(recognizer, is_preprocessed=True, repeat_s=None, **settings)
    for number, hand in enumerate(hands):
        engine.push(hand, number / FPS)
    return engine.text


def test_a_hand_that_keeps_its_shape_signs_a_letter_wherever_it_moves() -> None:
    assert read_letters(move_hand(1.0, 0.0)) == "A"


def test_a_hand_that_changes_signs_nothing_until_it_is_still() -> None:
    hands = move_hand(1.0, 3.0)
    assert read_letters(hands) == ""
    assert read_letters(np.concatenate([hands, hands[-1:].repeat(FPS, 0)])) == "A"


@pytest.mark.parametrize(
    ("letter", "settings"), [("J", {}), ("Z", {}), ("A", {"max_change": None})]
)
def test_drawn_letters_may_change_and_any_letter_without_the_limit(
    letter: str, settings: dict[str, None]
) -> None:
    assert read_letters(move_hand(1.0, 3.0), letter, **settings) == letter


def test_a_fault_of_the_detector_does_not_cost_a_letter() -> None:
    hands = move_hand(0.6, 0.0)
    hands[8] += np.random.default_rng(1).uniform(-0.5, 0.5, 63)
    assert read_letters(hands) == "A"


def test_a_limit_that_is_no_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"live.max_change=-1"):
        read_letters(SHAPE.reshape(1, 63), max_change=-1)


def test_changes_are_measured_in_palm_lengths() -> None:
    hands = move_hand(0.2, 0.0)
    assert np.allclose(measure_changes([*hands, *(2 * hands)], hands[0]), 0, atol=1e-5)
