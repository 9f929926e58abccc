"""Checks of data from files that anyone may have written: metadata, cards, training states.

A value that passes is plain data of bounded size. No key or text of it is ever interpolated, built
or run.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from unvoiced.text import escape_controls
from unvoiced.validation import is_number

MAX_DEPTH = 10  # levels of dicts and lists
MAX_NODES = 200_000  # values in all
MAX_TEXT = 100_000  # characters
MAX_TOKENIZER = 8_000_000  # characters of a SentencePiece model in base64
MAX_INT = 2**53
MAX_CLASSES = 10_000  # the confusion matrix has their square
MAX_NAME = 1_000  # characters of a class or phrase
IDENTIFIER_PATTERN = re.compile(r"[A-Za-z]\w{0,63}", re.ASCII)

Check = Callable[[str, Any], None]


def show_value(value: Any) -> str:
    """Return a short description of any value, safe to print."""
    if isinstance(value, dict | list | tuple | set):
        return f"a {type(value).__name__} of {len(value):,}"
    if isinstance(value, str):
        return escape_controls(repr(value if len(value) <= 60 else f"{value[:60]}…"))
    is_short = value is None or isinstance(value, bool | float)
    is_short |= isinstance(value, int) and abs(value) < 10**20
    return str(value) if is_short else f"a {type(value).__name__}"


def require_fact(place: str, value: Any, is_valid: bool, expected: str) -> None:
    """Refuse a value of a file that is not valid; see ``validation.require`` for settings.

    Args:
        place: the file and the key.
        expected: the values that are valid.

    Raises:
        ValueError: ``is_valid`` is false.
    """
    if not is_valid:
        raise ValueError(f"{escape_controls(place)} is {show_value(value)}; expected {expected}")


def check_plain(place: str, value: Any, max_depth: int = MAX_DEPTH) -> None:
    """Accept bounded dicts, lists, texts and numbers without interpolations.

    Raises:
        ValueError: another type, or more, deeper or larger values than any model has.
    """
    nodes, stack = 0, [(place, value, 0)]
    while stack:
        where, part, depth = stack.pop()
        nodes += 1
        require_fact(place, value, nodes <= MAX_NODES, f"at most {MAX_NODES:,} values in all")
        require_fact(place, value, depth <= max_depth, f"at most {max_depth} levels")
        if isinstance(part, dict | list | tuple):
            require_fact(where, part, len(part) <= MAX_NODES, f"at most {MAX_NODES:,} values")
        if isinstance(part, dict):
            for key in part:
                _check_key(where, key)
            stack += [(f"{where}.{key}", item, depth + 1) for key, item in part.items()]
        elif isinstance(part, list | tuple):
            stack += [(where, item, depth + 1) for item in part]
        else:
            _check_leaf(where, part)


def _check_key(place: str, key: Any) -> None:
    is_name = type(key) in (str, int) and len(str(key)) <= 200
    require_fact(place, key, is_name, "keys that are names")
    _refuse_interpolation(f"a key of {place}", str(key))


def _check_leaf(place: str, value: Any) -> None:
    is_plain = value is None or type(value) in (bool, int, float, str)
    require_fact(place, value, is_plain, "a number, a text, or null")
    if type(value) is int:
        require_fact(place, value, abs(value) <= MAX_INT, f"a number up to {MAX_INT:,}")
    elif type(value) is str:
        limit = MAX_TOKENIZER if place.endswith("tokenizer.model") else MAX_TEXT
        expected = f"a text of at most {limit:,} characters"
        require_fact(place, value, len(value) <= limit, expected)
        _refuse_interpolation(place, value)


def _refuse_interpolation(place: str, text: str) -> None:
    require_fact(place, text, "${" not in text, "a text without ${")


# ---- one kind each


def check_flag(place: str, value: Any) -> None:
    """Accept true and false."""
    require_fact(place, value, isinstance(value, bool), "true or false")


def check_number(
    place: str, value: Any, least: float, most: float, whole: bool = False, optional: bool = False
) -> None:
    """Accept a finite number of a range; ``None`` if it is optional."""
    if value is None and optional:
        return
    is_kind = is_number(value) and (isinstance(value, int) or not whole)
    expected = f"a {'whole ' if whole else ''}number from {least:g} to {most:g}"
    expected += " or null" * optional
    require_fact(place, value, is_kind and least <= value <= most, expected)


def check_choice(place: str, value: Any, choices: tuple[str, ...]) -> None:
    """Accept one of the choices."""
    is_choice = isinstance(value, str) and value in choices
    require_fact(place, value, is_choice, " or ".join(choices))


def check_text(place: str, value: Any, most: int = MAX_TEXT) -> None:
    """Accept a text without control characters."""
    is_short = isinstance(value, str) and len(value) <= most
    require_fact(place, value, is_short, f"a text of at most {most:,} characters")
    is_printable = escape_controls(value) == value
    require_fact(place, value, is_printable, "a text without control characters")
    _refuse_interpolation(place, value)


def check_identifier(place: str, value: Any) -> None:
    """Accept a word such as a task's name."""
    is_word = isinstance(value, str) and IDENTIFIER_PATTERN.fullmatch(value) is not None
    require_fact(place, value, is_word, "a word of letters, digits and _")


def check_names(place: str, value: Any, most: int = MAX_CLASSES) -> None:
    """Accept a list of distinct names."""
    is_list = isinstance(value, list | tuple) and len(value) <= most
    require_fact(place, value, is_list, f"a list of at most {most:,} names")
    for name in value:
        check_text(place, name, MAX_NAME)
    require_fact(place, value, len(set(value)) == len(value), "names that differ")


def check_table(place: str, value: Any, table: dict[str, Check]) -> None:
    """Accept a dict if the table has all of its keys and their checks accept its values."""
    require_fact(place, value, isinstance(value, dict), "a dict")
    for key, part in value.items():
        is_known = isinstance(key, str) and key in table
        require_fact(f"a key of {place}", key, is_known, f"one of {', '.join(table)}")
        table[key](f"{place}.{key}", part)
