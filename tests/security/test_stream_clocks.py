"""A stream whose clock is wrong takes no more memory than one whose clock is right."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import cycle, repeat

import numpy as np
import pytest

from tests.helpers.streams import HandNetwork, LipNetwork, ScriptedRecognizer
from unvoiced import Engine, Recognizer
from unvoiced.streams.base import MAX_GAP_S, StreamClock
from unvoiced.streams.decisions import MAX_CHARACTERS, TextBuffer

FRAMES = 300  # of which each may hold 6 kB
GROWTH = 600_000  # bytes; a third of what that many frames are


def count_frames(step_s: float, start_s: float = 0.0) -> Iterator[float]:
    number = 0
    while True:
        yield start_s + number * step_s
        number += 1


CLOCKS: dict[str, Callable[[], Iterator[float]]] = {
    "right": lambda: count_frames(1 / 25),
    "still": lambda: repeat(5.0),
    "backwards": lambda: count_frames(-1 / 25),
    "crawling": lambda: count_frames(1e-9, 100.0),
    "looping": lambda: cycle(n / 25 for n in range(30)),
    "jumping": lambda: count_frames(1e6),
    "there and back": lambda: cycle((1e10, -1e10)),
    "of today": lambda: count_frames(1 / 25, 1.8e9),
}


def make_letters() -> Callable[[float], object]:
    engine, hand = Engine(Recognizer(HandNetwork()), is_preprocessed=True), np.ones(63, np.float32)
    return lambda seconds: engine.push(hand, seconds)


def make_words() -> Callable[[float], object]:
    engine, rng = Engine(Recognizer(LipNetwork()), is_preprocessed=True), np.random.default_rng(0)
    return lambda seconds: engine.push(rng.integers(0, 255, (64, 96), np.uint8), seconds)


def make_phrases() -> Callable[[float], object]:
    script = ScriptedRecognizer([("yes", 0.9), ("no", 0.9)] * 5 * FRAMES)
    engine, rng = Engine(script, window_s=0.2, hop_s=0.2), np.random.default_rng(0)
    return lambda seconds: engine.push(rng.normal(size=(20, 2)), seconds)


CASES = [(make_words, clock) for clock in CLOCKS]
CASES += [(make_letters, "still"), (make_letters, "there and back"), (make_phrases, "still")]


@pytest.mark.slow
@pytest.mark.parametrize(("make", "clock"), CASES)
def test_memory_does_not_grow_with_the_number_of_frames(make: Callable, clock: str) -> None:
    push, times = make(), CLOCKS[clock]()
    held = []
    tracemalloc.start()
    try:
        for _ in range(2):
            for _ in range(FRAMES):
                push(next(times))
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert held[1] - held[0] < GROWTH


def test_a_looping_clock_still_writes() -> None:
    engine, hand = (
        Engine(Recognizer(HandNetwork()), is_preprocessed=True, repeat_s=0.5),
        np.ones(63, np.float32),
    )
    times = CLOCKS["looping"]()
    for _ in range(90):
        engine.push(hand, next(times))
    assert 4 <= len(engine.text) <= 7 and set(engine.text) == {"A"}


def test_time_never_goes_backwards_nor_far_ahead() -> None:
    time = StreamClock()
    given = [5.0, 5.5, 5.5, 2.0, 2.5, 1e9, 1e9 + 1]
    made = [time.advance(seconds) for seconds in given]
    assert made == [5.0, 5.5, 5.5, 5.5, 6.0, 6 + MAX_GAP_S, 7 + MAX_GAP_S]
    for wrong in (math.nan, math.inf, -math.inf, 1e11):
        with pytest.raises(ValueError, match="a frame at .* seconds; expected a number"):
            time.advance(wrong)


def test_the_text_has_a_bounded_length() -> None:
    text = TextBuffer("x" * MAX_CHARACTERS)
    text.add("A")
    assert len(text.text) == MAX_CHARACTERS and text.text.endswith("xA")
