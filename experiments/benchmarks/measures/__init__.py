"""Benchmarks of ``benchmark.measure``: each file has ``measure_tables(config)``.

A file's name is the value of the setting. It is imported only when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the names of all benchmarks are listed without NumPy
    from omegaconf import DictConfig

    from experiments.benchmarks.tables import Table


@cache
def list_measures() -> tuple[str, ...]:
    """Return the names of all benchmarks."""
    files = Path(__file__).parent.glob("*.py")
    return tuple(sorted(path.stem for path in files if path.stem != "__init__"))


def load_measure(name: str) -> Callable[[DictConfig], Sequence[Table]]:
    """Return the function that measures the tables of a benchmark."""
    return import_module(f"{__name__}.{name}").measure_tables
