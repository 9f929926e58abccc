"""Keys that accept suggestions and edit the text, with an engine that reads letters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from experiments.export.live_writing import LiveWriting
from tests.helpers.spelling import FRAME_S, FRAMES_PER_LETTER, LetterNetwork
from tests.helpers.teaching import make_hand
from unvoiced import Engine, Recognizer
from unvoiced.live.keyboard import KeyboardTyper
from unvoiced.live.screens import draw_screen
from unvoiced.live.writing_keys import WritingKeys, chain_keys
from unvoiced.writing.build import build_composer


@pytest.fixture
def engine() -> Iterator[Engine]:
    """Return an engine of landmarks, to whom WATER was shown."""
    recognizer = Recognizer(LetterNetwork())
    composer = build_composer(recognizer, ["Zoë"], ["Water, please."])
    engine = Engine(recognizer, composer, is_preprocessed=True)
    for number in range(5 * FRAMES_PER_LETTER):
        engine.push(make_hand("WATER"[number // FRAMES_PER_LETTER]), FRAME_S * number)
    yield engine
    engine.close()


def press(taker: WritingKeys | LiveWriting, keys: str) -> list[bool]:
    return [taker.press(ord(key)) for key in keys]


def test_keys_accept_and_take_back(engine: Engine) -> None:
    keys = WritingKeys(engine)
    assert engine.text == "WATER" and engine.suggestions[0] == "water"
    assert press(keys, "1") == [True] and engine.text == "water "
    assert press(keys, "z") == [True] and engine.text == "WATER"
    assert press(keys, "9x3") == [False, False, True]
    number = engine.text  # the third suggestion
    press(keys, "\x7f\b ")
    assert engine.text == f"{number[:-2]} "
    while any(press(keys, "z")):
        pass
    assert engine.text == "" and press(keys, "1") == [False]


def test_the_screen_shows_the_suggestions(engine: Engine) -> None:
    shown = draw_screen(engine, "O", 5.0)
    engine.accept()
    assert (shown != draw_screen(engine, "O", 5.0)).any()


def test_suggestions_are_printed_and_the_text_is_typed(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    class Program:
        text = ""

        def type(self, text: str) -> None:
            self.text += text

        def tap(self, _: str) -> None:
            self.text = self.text[:-1]

    program = Program()
    writing = LiveWriting(engine, True, KeyboardTyper(program))
    assert "1 2 3 accept" in writing.describe_keys()
    writing.update()
    assert program.text == "WATER" and "1 water   2 " in capsys.readouterr().out
    assert writing.press(ord("1")) and engine.text == "WATER"  # perhaps the key that was just typed
    engine.accept()
    writing.update()
    assert program.text == "water "


def test_the_first_taker_of_a_key_has_it() -> None:
    taken: list[int] = []
    take_key = chain_keys(lambda key: key == 1, lambda key: bool(taken.append(key)))
    assert take_key(1) and not take_key(2) and taken == [2]


def test_events_of_letters_hold_the_mean_of_their_hold() -> None:
    engine = Engine(Recognizer(LetterNetwork()), is_preprocessed=True, repeat_s=None)
    events = [e for n in range(9) for e in engine.push(make_hand("B"), FRAME_S * n)]
    (event,) = events
    assert event.probabilities is not None and event.probabilities.shape == (27,)
    assert event.probabilities.argmax() == 1 and event.probabilities.sum() == pytest.approx(1)
