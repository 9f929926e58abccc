"""Suggestions of stage=live and stage=serve, and the keys and programs that they meet."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig

from experiments.launch.console import logger
from experiments.launch.instantiate import resolve_node
from unvoiced import Engine, Recognizer
from unvoiced.live.keyboard import KeyboardTyper
from unvoiced.live.writing_keys import WritingKeys
from unvoiced.text import make_printable
from unvoiced.validation import to_yaml
from unvoiced.writing.build import build_composer, explain_missing_suggestions
from unvoiced.writing.personal import check_phrases, check_words, read_lines


def read_own_lists(config: DictConfig) -> tuple[list[str], list[str]]:
    """Return the words of ``live.words`` and the phrases of ``live.phrases``.

    Raises:
        ValueError: a file cannot be read, or an entry is not valid.
    """
    live = resolve_node(config.get("live") or {})
    words, phrases = (
        read_lines(live[name], f"live.{name}") if live.get(name) else []
        for name in ("words", "phrases")
    )
    check_words(words, f"live.words={to_yaml(live.get('words'))}")
    check_phrases(phrases, f"live.phrases={to_yaml(live.get('phrases'))}")
    return words, phrases


def writing_settings(config: DictConfig, recognizer: Recognizer) -> dict[str, Any]:
    """Return the arguments ``composer`` and ``accept_label`` of an engine.

    Raises:
        ValueError: a list is not valid, or the model has no sign ``live.accept``.
    """
    live = resolve_node(config.get("live") or {})
    if not live.get("suggest"):
        return {}
    words, phrases = read_own_lists(config)
    reason = explain_missing_suggestions(recognizer)
    if reason:
        logger.info(reason)
        return {}
    return {
        "composer": build_composer(recognizer, words, phrases),
        "accept_label": require_sign(live.get("accept"), recognizer),
    }


def require_sign(name: str | None, recognizer: Recognizer) -> str:
    """Return the sign that accepts suggestions; empty for None.

    Raises:
        ValueError: the model does not read it.
    """
    if name is not None and name not in recognizer.classes:
        raise ValueError(
            f"live.accept={to_yaml(name)} is no class of the model; expected a sign of your "
            "profile. Teach the model one with stage=adapt, and give profile=."
        )
    return name or ""


class LiveWriting:
    """Shows the suggestions of an engine in the terminal, and types its text into other programs.

    Args:
        engine: reads the stream.
        has_keys: whether a window takes keys.
        typer: types into other programs; None for none.
    """

    def __init__(self, engine: Engine, has_keys: bool, typer: KeyboardTyper | None) -> None:
        self.engine, self.typer = engine, typer
        self._keys, self._has_keys = WritingKeys(engine), has_keys
        self._shown: tuple[str, ...] = ()

    def describe_keys(self) -> str:
        """Return the keys as a line; empty if there are none."""
        is_used = self._has_keys and self.engine.composer is not None
        return f"{self._keys.describe()}\n" if is_used else ""

    def press(self, key: int) -> bool:
        """Take a key of the window; return whether it was one that writes, or was typed."""
        if self.typer is not None and self.typer.has_just_typed:
            return True
        return self._keys.press(key)

    def update(self) -> None:
        """Print new suggestions, and type written text."""
        if self.typer is not None:
            self.typer.follow_text(self.engine.text)
        suggestions = self.engine.suggestions
        if suggestions and suggestions != self._shown:
            numbered = "   ".join(f"{n} {text}" for n, text in enumerate(suggestions, 1))
            logger.info(make_printable(f"{self.engine.spelled:>12}   {numbered}"))
        self._shown = suggestions


def open_typer(config: DictConfig) -> KeyboardTyper | None:
    """Return the typist into other programs with ``live.type=true``; None without it.

    Raises:
        ValueError: pynput is not installed, or there is no screen.
    """
    return KeyboardTyper() if resolve_node(config.get("live") or {}).get("type") else None
