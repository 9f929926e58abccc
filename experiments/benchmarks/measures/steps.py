"""Training steps of this suite and of hand-written loops (benchmark.measure=[steps])."""

from __future__ import annotations

from collections.abc import Sequence

from omegaconf import DictConfig

from experiments.benchmarks.steps import compare_loops
from experiments.benchmarks.tables import Table


def measure_tables(config: DictConfig) -> Sequence[Table]:
    """Return the table of steps, and of clips where the recordings are images."""
    return compare_loops(config)
