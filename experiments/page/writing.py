"""HTTP routes of the text: suggestions, undo, and the visitor's words and phrases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import FastAPI
from pydantic import BaseModel, Field

from experiments.page import markup
from experiments.page.profiles import ProfileStore
from experiments.page.sessions import SessionPool
from unvoiced import Engine, Recognizer
from unvoiced.writing.base import Composer
from unvoiced.writing.build import build_composer, explain_missing_suggestions
from unvoiced.writing.personal import (
    MAX_PHRASE_CHARACTERS,
    MAX_WORD_CHARACTERS,
    check_phrases,
    check_words,
)

MAX_WORDS, MAX_PHRASES = 500, 100  # of a visitor; files of the program may hold more
TYPED_LABELS = {"space": "space", "backspace": "del"}  # button → the sign that does the same
NOT_OFFERED = "This suggestion is not offered any more. Choose another one."

Word = Annotated[str, Field(max_length=MAX_WORD_CHARACTERS)]
Phrase = Annotated[str, Field(max_length=MAX_PHRASE_CHARACTERS)]


class OwnTexts(BaseModel):
    """Words and phrases that a visitor's browser keeps.

    Attributes:
        words: names and other words, which are suggested before those of the dictionary.
        phrases: quick phrases, suggested while their beginning is spelled.
    """

    words: Annotated[list[Word], Field(max_length=MAX_WORDS)] = []
    phrases: Annotated[list[Phrase], Field(max_length=MAX_PHRASES)] = []

    def require_spellable(self) -> None:
        """Refuse words and phrases that cannot be spelled.

        Raises:
            ValueError: one of them cannot.
        """
        check_words(self.words, "Words of your own")
        check_phrases(self.phrases, "Quick phrases")


class AcceptRequest(BaseModel):
    """A suggestion that a visitor accepts.

    Attributes:
        text: of the button.
    """

    text: Annotated[str, Field(max_length=10 * MAX_PHRASE_CHARACTERS)]


def describe_text(engine: Engine) -> dict[str, Any]:
    """Return the text of a session and the suggestions for its end, as plain data."""
    suggestions = [markup.format_label(text) for text in engine.suggestions]
    return {"text": markup.format_label(engine.text), "suggestions": suggestions}


@dataclass(frozen=True)
class PageWriting:
    """How the page suggests words.

    Attributes:
        is_enabled: words are suggested, if the model reads letters or words.
        words: of all visitors, which come before those of the dictionary.
        phrases: quick phrases of all visitors.
        accept_label: a sign that accepts the first suggestion; empty for none.
    """

    is_enabled: bool = True
    words: Sequence[str] = ()
    phrases: Sequence[str] = ()
    accept_label: str = ""

    def make_composer(
        self, recognizer: Recognizer, texts: OwnTexts | None = None
    ) -> Composer | None:
        """Return the composer of a session; None where the model has no suggestions.

        Raises:
            ValueError: a word or phrase cannot be spelled.
        """
        texts = texts or OwnTexts()
        texts.require_spellable()
        if not self.is_enabled or explain_missing_suggestions(recognizer):
            return None
        if not recognizer.spec.has_joined_labels:  # phrases are buttons there
            return build_composer(recognizer)
        words, phrases = [*self.words, *texts.words], [*self.phrases, *texts.phrases]
        return build_composer(recognizer, words, phrases)

    def make_engine(
        self, recognizer: Recognizer, texts: OwnTexts | None, settings: dict[str, Any]
    ) -> partial[Engine]:
        """Return the constructor of a session's engine, with a separate composer.

        Raises:
            ValueError: a word or phrase cannot be spelled.
        """
        label = self.accept_label if self.accept_label in recognizer.classes else ""
        composer = self.make_composer(recognizer, texts)
        return partial(Engine, recognizer, composer=composer, accept_label=label, **settings)


def add_session_route(
    app: FastAPI, pool: SessionPool, profiles: ProfileStore, writing: PageWriting
) -> None:
    """Add the route /camera/enter, which opens a session."""

    @app.post("/camera/enter")
    def open_session(profile: str = "", texts: OwnTexts | None = None) -> dict[str, str]:
        recognizer = profiles.make_recognizer(profile) if profile else profiles.recognizer
        settings = pool.make_engine.keywords
        return {"session": pool.open_session(writing.make_engine(recognizer, texts, settings))}


def add_writing_routes(app: FastAPI, pool: SessionPool, writing: PageWriting) -> None:
    """Add the routes below /camera that change the text: type, clear, accept, undo and texts."""

    def change_text(key: str, change: Callable[[Engine], Any]) -> dict[str, Any]:
        with pool.get_session(key).lock_engine(Engine) as engine:
            change(engine)
            return describe_text(engine)

    @app.post("/camera/type/{key}")
    def type_label(key: str, name: Literal["space", "backspace"]) -> dict[str, Any]:
        return change_text(key, lambda engine: engine.type(TYPED_LABELS[name]))

    @app.post("/camera/clear/{key}")
    def clear_text(key: str) -> dict[str, Any]:
        return change_text(key, Engine.clear)

    @app.post("/camera/accept/{key}")
    def accept_suggestion(key: str, wanted: AcceptRequest) -> dict[str, Any]:
        return change_text(key, partial(_accept_suggestion, text=wanted.text))

    @app.post("/camera/undo/{key}")
    def undo_step(key: str) -> dict[str, Any]:
        return change_text(key, Engine.undo)

    @app.post("/camera/texts")
    def change_texts(texts: OwnTexts, session: str = "") -> dict[str, Any]:
        texts.require_spellable()
        if not session:
            return {"text": "", "suggestions": []}
        return change_text(session, partial(_replace_composer, writing=writing, texts=texts))


def _accept_suggestion(engine: Engine, text: str) -> None:
    offered = {markup.format_label(suggestion): suggestion for suggestion in engine.suggestions}
    if text not in offered or not engine.accept(offered[text]):
        raise ValueError(NOT_OFFERED)


def _replace_composer(engine: Engine, writing: PageWriting, texts: OwnTexts) -> None:
    engine.composer = writing.make_composer(engine.recognizer, texts)
