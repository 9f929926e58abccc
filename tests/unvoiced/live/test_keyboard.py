"""Typing the text of a stream into other programs."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unvoiced.live.keyboard import MAX_KEYS, KeyboardTyper


class Typewriter:
    """A program with one line of text."""

    def __init__(self) -> None:
        self.text = ""

    def type(self, text: str) -> None:
        self.text += text

    def tap(self, key: str) -> None:
        assert key == "backspace"
        self.text = self.text[:-1]


@given(st.lists(st.text("aAb ", max_size=8), max_size=6))
def test_the_other_program_has_the_same_text(texts: list[str]) -> None:
    program = Typewriter()
    typer = KeyboardTyper(program)
    for text in texts:
        typer.follow_text(text)
        assert program.text == text


def test_a_suggestion_replaces_the_letters() -> None:
    program = Typewriter()
    typer = KeyboardTyper(program)
    assert not typer.has_just_typed
    for text in ("HELO", "hello ", "hello W"):
        typer.follow_text(text)
    assert program.text == "hello W" and typer.has_just_typed
    typer.follow_text("x" * (MAX_KEYS + 1))  # never a flood of keys
    assert program.text == "hello W"


def test_errors_of_the_system_are_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    class Locked(Typewriter):
        def type(self, text: str) -> None:
            raise OSError("not permitted")

    with pytest.raises(ValueError, match=r"types no keys \(OSError: not permitted\)"):
        KeyboardTyper(Locked()).follow_text("A")
    monkeypatch.setitem(sys.modules, "pynput", None)
    with pytest.raises(ValueError, match=r'pip install "unvoiced\[type\]"'):
        KeyboardTyper()
