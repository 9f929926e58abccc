"""Checks of single values, and the one form of their error messages."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from unvoiced.text import escape_controls, shorten

SHOWN_CHARACTERS = 60  # of a value in an error message


def require(name: str, value: Any, is_valid: bool, expected: str) -> None:
    """Refuse a value that is not valid.

    Args:
        name: the setting, as it is written on the command line.
        expected: the values that are valid, such as ``an integer of at least 1``.

    Raises:
        ValueError: ``is_valid`` is false.
    """
    if not is_valid:
        raise ValueError(f"{name}={to_yaml(value)} is not valid; expected {expected}.")


def to_yaml(value: Any) -> str:
    """Return a value as YAML writes it, on one short line without control characters."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return shorten(escape_controls(str(value)[:1000]), SHOWN_CHARACTERS)


@dataclass(frozen=True)
class Rule:
    """The values that a setting may have, and their description.

    Attributes:
        accepts: whether a value is valid.
        expected: the valid values in words.
        is_text: whether a value is read as text, whatever it looks like.
    """

    accepts: Callable[[Any], bool]
    expected: str
    is_text: bool = False

    def __or__(self, other: Rule) -> Rule:
        return Rule(
            lambda value: self.accepts(value) or other.accepts(value),
            f"{self.expected}, or {other.expected}",
            self.is_text and other.is_text,
        )

    def require(self, name: str, value: Any) -> None:
        """Raise a ValueError if the rule does not accept the value."""
        require(name, value, self.accepts(value), self.expected)


NULL = Rule(lambda value: value is None, "null", is_text=True)  # next to a text
FLAG = Rule(lambda value: isinstance(value, bool), "true or false")
ANYTHING = Rule(lambda _: True, "any value")


def integer_rule(low: int, high: int, unit: str = "") -> Rule:
    """Return the rule for integers from ``low`` to ``high``."""
    return Rule(
        lambda value: is_integer(value) and low <= value <= high,
        f"an integer from {low:,} to {high:,}{_format_unit(unit)}",
    )


def number_rule(
    low: float = -math.inf,
    high: float = math.inf,
    unit: str = "",
    *,
    above: bool = False,
    below: bool = False,
) -> Rule:
    """Return the rule for finite numbers from ``low`` to ``high``.

    Args:
        above: exclude ``low`` itself.
        below: exclude ``high`` itself.
    """
    lowest = f"above {low:,g}" if above else f"at least {low:,g}"
    highest = f"below {high:,g}" if below else f"at most {high:,g}"
    return Rule(
        lambda value: (
            is_number(value)
            and (low < value if above else low <= value)
            and (value < high if below else value <= high)
        ),
        f"a number {lowest} and {highest}{_format_unit(unit)}",
    )


def choice_rule(*choices: Any) -> Rule:
    """Return the rule for one of a few values."""
    return Rule(
        lambda value: any(value == item and type(value) is type(item) for item in choices),
        f"one of {', '.join(map(to_yaml, choices))}" if len(choices) > 1 else to_yaml(choices[0]),
    )


def text_rule(meaning: str, low: int = 1, high: int = 4096) -> Rule:
    """Return the rule for texts of ``low`` to ``high`` characters."""
    return Rule(
        lambda value: isinstance(value, str) and low <= len(value) <= high and "\0" not in value,
        meaning,
        is_text=True,
    )


def list_of(rule: Rule, low: int = 1, high: int = 100_000, meaning: str = "") -> Rule:
    """Return the rule for lists in which each item follows ``rule``."""
    count = f"{low}" if low == high else f"at least {low}"
    return Rule(
        lambda value: (
            isinstance(value, list | tuple)
            and low <= len(value) <= high
            and all(map(rule.accepts, value))
        ),
        meaning or f"a list of {count} values, each {rule.expected}",
        rule.is_text,
    )


def is_integer(value: Any) -> bool:
    """Return whether a value is an integer, and not a boolean."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number, and not a boolean."""
    return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)


def find_nearest(wanted: str, known: Iterable[str]) -> str | None:
    """Return the known name that is spelled most like ``wanted``, or None."""
    from difflib import get_close_matches

    names = sorted(known)
    alike = get_close_matches(wanted.lower(), names, 1, 0.6)
    inside = [name for name in names if len(wanted) > 2 and wanted.lower() in name.lower()]
    return next(iter([*alike, *inside, *get_close_matches(wanted, names, 1, 0.5)]), None)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer that no float can hold
        return False


def _format_unit(unit: str) -> str:
    return f" ({unit})" if unit else ""
