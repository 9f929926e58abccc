"""stage=benchmark: measure training steps, callbacks, large sets, suggestions or silence."""

from __future__ import annotations

from collections.abc import Sequence

from omegaconf import DictConfig

from experiments.benchmarks.measures import load_measure
from experiments.benchmarks.report import BenchmarkReport
from experiments.benchmarks.tables import Table


def run(config: DictConfig) -> float:
    """Run the benchmark that ``benchmark`` asks for; return its main figure.

    The data is the set that ``ckpt_path``, if given, was trained with.
    """
    if config.benchmark.false_activations:
        from experiments.benchmarks.false_activations.measure import measure_false_activations

        return measure_false_activations(config)
    if config.ckpt_path:
        config = _select_data(config)
    if config.benchmark.phrases:
        from experiments.benchmarks.spelling import measure_spelling  # of letters alone

        return measure_spelling(config)
    report = BenchmarkReport()
    tables = measure_tables(config)
    report.write(config, tables)
    return find_main_figure(tables)


def measure_tables(config: DictConfig) -> Sequence[Table]:
    """Return the tables of the chosen benchmarks; imports only those."""
    if config.benchmark.samples and "scale" not in config.benchmark.measure:
        names = ["scale"]
    elif config.benchmark.callbacks:
        names = ["callbacks"]
    else:
        names = list(config.benchmark.measure)
    return [table for name in names for table in load_measure(name)(config)]


def find_main_figure(tables: Sequence[Table]) -> float:
    """Return the figure of the first table, else its second row's ratio or its first value."""
    if tables[0].figure is not None:
        return tables[0].figure
    rows = tables[0].rows
    ratio = rows[1].ratio if len(rows) > 1 else None
    return rows[0].value if ratio is None else ratio


def _select_data(config: DictConfig) -> DictConfig:
    from experiments.checkpoints.load import require_model
    from experiments.checkpoints.training_data import select_training_data

    return select_training_data(config, require_model(config).card)
