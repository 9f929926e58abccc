"""Sets of several sizes (benchmark.measure=[scale] with benchmark.samples=)."""

from __future__ import annotations

from collections.abc import Sequence

from omegaconf import DictConfig

from experiments.benchmarks.scale import measure_sizes
from experiments.benchmarks.tables import Table


def measure_tables(config: DictConfig) -> Sequence[Table]:
    """Return speed and memory for each size.

    Raises:
        ValueError: no sizes.
    """
    if not config.benchmark.samples:
        raise ValueError(
            "benchmark.measure=[scale] needs benchmark.samples=<sizes of sets>, such as "
            "benchmark.samples=[1000,10000]"
        )
    return [measure_sizes(config)]
