"""Former names of functions, arguments and attributes, accepted with a warning for one version."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any


def rename_arguments(**renamed: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a function accept keyword arguments under their former names, as ``old="new"``."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            for old in renamed.keys() & kwargs.keys():
                _warn_renamed(f"the argument {old}", renamed[old])
                kwargs[renamed[old]] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call

    return decorate


def former_function(old: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls ``function``, and warns that it was called ``old``."""

    @wraps(function)
    def call_renamed(*args: Any, **kwargs: Any) -> Any:
        _warn_renamed(f"the function {old}", function.__name__)
        return function(*args, **kwargs)

    return call_renamed


def former_name(new: str) -> Any:
    """Return a property that reads the attribute ``new``, and warns."""

    def read_renamed(self: Any) -> Any:
        _warn_renamed(f"this attribute of {type(self).__name__}", new)
        return getattr(self, new)

    return property(read_renamed)


def _warn_renamed(old: str, new: str) -> None:
    warnings.warn(f"{old} is called {new} now", DeprecationWarning, stacklevel=3)
