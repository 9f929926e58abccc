"""Packages outside this project that a command permits with ``allow=``.

Only the command line (and your own configuration files) allow a package. Names in checkpoints and
run folders are data: a class that they ask for is imported only if this command allows it.
"""

from __future__ import annotations

import re
import sys
from typing import Any

from unvoiced.validation import NULL, Rule, list_of

MAX_PACKAGES = 100
DOTTED_NAME = re.compile(r"[A-Za-z_]\w{0,63}(\.[A-Za-z_]\w{0,63}){0,15}", re.ASCII)
# Packages with classes that are listed one by one, or that run code on request.
CLOSED_PACKAGES = frozenset(
    [
        *("modules", "datamodules", "callbacks", "experiments", "unvoiced", "conf", "run", "tests"),
        *("torch", "torchvision", "torchaudio", "torchmetrics", "lightning", "pytorch_lightning"),
        *("hydra", "hydra_plugins", "omegaconf", "numpy", "scipy", "pandas", "sklearn", "joblib"),
        *("pip", "setuptools", "pkg_resources", "pytest", "_pytest", "builtins"),
    ]
)
_ALLOWED_PACKAGES: list[str] = []  # of this command


def is_allowable(name: Any) -> bool:
    """Return whether a name can be that of a user's package or class."""
    is_name = isinstance(name, str) and DOTTED_NAME.fullmatch(name) is not None
    return is_name and name.partition(".")[0] not in CLOSED_PACKAGES | sys.stdlib_module_names


ALLOW_RULE = (
    list_of(
        Rule(is_allowable, "the name of a package", is_text=True),
        1,
        MAX_PACKAGES,
        "a list of your packages, such as [mylab.nets], outside of Python, PyTorch and this "
        "project",
    )
    | NULL
)


def allow_packages(names: Any) -> None:
    """Allow the classes of these packages, modules or classes, and of no others.

    Args:
        names: the value of ``allow``; None for none.

    Raises:
        ValueError: it is no list of names that users' packages can have.
    """
    names = None if names is None else list(names) if not isinstance(names, str) else names
    ALLOW_RULE.require("allow", names)
    _ALLOWED_PACKAGES[:] = names or []


def is_allowed(target: Any) -> bool:
    """Return whether this command allows a dotted path."""
    return isinstance(target, str) and any(
        target == name or target.startswith(f"{name}.") for name in _ALLOWED_PACKAGES
    )


def list_allowed_patterns() -> list[str]:
    """Return patterns of the dotted paths that this command allows."""
    return [pattern for name in _ALLOWED_PACKAGES for pattern in (name, f"{name}.*")]


def refuse_foreign_class(target: str, found: Any) -> None:
    """Refuse classes that an allowed package has only imported from elsewhere.

    Raises:
        ValueError: ``found`` is defined outside of the allowed packages.
    """
    place = f"{getattr(found, '__module__', None)}.{getattr(found, '__qualname__', None)}"
    if is_allowed(target) and not is_allowed(place):
        raise ValueError(
            f"{target} is defined outside of allow=[{','.join(_ALLOWED_PACKAGES)}] (as {place}); "
            "expected a class of these packages"
        )


def advise_allow(target: str) -> str:
    """Return the ``allow=`` that would permit a class; empty if no value can."""
    package = target.rpartition(".")[0]
    if not is_allowable(package) or not is_allowable(target):
        return ""
    return ",".join([*_ALLOWED_PACKAGES, package])
