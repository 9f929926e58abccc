"""stage=benchmark: measure training steps, callbacks, large sets, suggestions or silence."""

from __future__ import annotations

from omegaconf import DictConfig

from experiments.benchmarks.callback_costs import measure_callbacks
from experiments.benchmarks.false_activations.measure import measure_false_activations
from experiments.benchmarks.scale import measure_sizes
from experiments.benchmarks.steps import compare_loops
from experiments.checkpoints.load import require_model
from experiments.checkpoints.training_data import select_training_data


def run(config: DictConfig) -> float:
    """Run the benchmark that ``benchmark`` asks for; return its main figure.

    The data is the set that ``ckpt_path``, if given, was trained with.
    """
    if config.benchmark.false_activations:
        return measure_false_activations(config)
    if config.ckpt_path:
        config = select_training_data(config, require_model(config).card)
    if config.benchmark.phrases:
        from experiments.benchmarks.spelling import measure_spelling  # of letters alone

        return measure_spelling(config)
    if config.benchmark.samples:
        return measure_sizes(config)
    if config.benchmark.callbacks:
        return measure_callbacks(config)
    return compare_loops(config)
