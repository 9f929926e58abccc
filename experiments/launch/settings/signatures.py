"""Arguments of the configuration's classes, and their types."""

from __future__ import annotations

import importlib
import inspect
import types
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from experiments.launch.allowed import is_allowed
from unvoiced.validation import (
    ANYTHING,
    FLAG,
    NULL,
    Rule,
    choice_rule,
    is_integer,
    is_number,
    to_yaml,
)

SCALARS: dict[Any, Rule] = {
    bool: FLAG,
    int: Rule(is_integer, "an integer"),
    float: Rule(is_number, "a finite number"),
    str: Rule(lambda value: isinstance(value, str), "a text", is_text=True),
    Path: Rule(lambda value: isinstance(value, str), "a path", is_text=True),
    type(None): NULL,
}
SEQUENCES = (list, tuple, Sequence, set, frozenset)


def find_class(target: str) -> Any:
    """Return the class or function that a dotted path names.

    Raises:
        ValueError: there is none.
    """
    package, _, name = target.rpartition(".")
    try:
        return getattr(importlib.import_module(package), name)
    except Exception as error:  # of whatever is imported
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ValueError(
            f"{to_yaml(target)} cannot be imported ({reason}){_advise_path(package, error)}"
        ) from None


def _advise_path(package: str, error: Exception) -> str:
    """Return how to make a user's package known to Python."""
    root = package.partition(".")[0]
    if not is_allowed(package) or not isinstance(error, ModuleNotFoundError) or error.name != root:
        return ""
    return f". Install {root} (pip install -e .), or set PYTHONPATH to the folder that holds it"


@cache
def list_arguments(found: Any) -> tuple[dict[str, Rule], bool]:
    """Return the rule of each argument, and whether any others are accepted."""
    owners = found.__mro__ if isinstance(found, type) else (found,)
    rules: dict[str, Rule] = {}
    for owner in owners:
        function = vars(owner).get("__init__") if isinstance(found, type) else owner
        if function is None or function is object.__init__:
            continue
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            return rules, True
        hints = _hints(function)
        for one in parameters:
            if one.name != "self" and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
                rules.setdefault(one.name, make_annotation_rule(hints.get(one.name, Any)))
        if not any(one.kind is one.VAR_KEYWORD for one in parameters):
            return rules, False
    return rules, not _is_own(found)


def make_annotation_rule(hint: Any) -> Rule:
    """Return the rule of an annotation; any value if it is no plain type."""
    if hint in SCALARS:
        return SCALARS[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return choice_rule(*arguments)
    if origin in (Union, types.UnionType):
        return _any_of([make_annotation_rule(one) for one in arguments])
    if origin in SEQUENCES or hint in SEQUENCES:
        return Rule(lambda value: isinstance(value, list), "a list")
    if origin is dict or hint is dict:
        return Rule(lambda value: isinstance(value, dict), "a dict")
    return ANYTHING


def _any_of(rules: list[Rule]) -> Rule:
    if ANYTHING in rules:
        return ANYTHING
    first, *others = rules
    for one in others:
        first = first | one
    return first


def _hints(function: Any) -> dict[str, Any]:
    try:
        return get_type_hints(function)
    except (NameError, TypeError, AttributeError):  # names that only type checkers import
        return {}


def _is_own(found: Any) -> bool:
    """Return whether all passed-on arguments end in a class without others."""
    if not isinstance(found, type):
        return False
    return found.__module__.startswith(("modules.", "datamodules.")) or is_allowed(found.__module__)
