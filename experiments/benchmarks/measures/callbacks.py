"""The cost of each callback (benchmark.measure=[callbacks])."""

from __future__ import annotations

from collections.abc import Sequence

from omegaconf import DictConfig

from experiments.benchmarks.callback_costs import measure_callbacks
from experiments.benchmarks.tables import Table


def measure_tables(config: DictConfig) -> Sequence[Table]:
    """Return the time of each callback per step and per epoch."""
    return [measure_callbacks(config)]
