"""stage=benchmark: training steps of each task, in this suite and in loops by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.stages import benchmark
from tests.helpers.benchmark_page import read_tables


@pytest.mark.slow
@pytest.mark.parametrize("task", ["emg", "vsr"])
def test_steps_of_each_loop_are_counted(task: str, compose_config) -> None:
    config = compose_config(
        *(f"task={task}", "stage=benchmark", "trainer=cpu", "size=tiny"),
        *("datamodule.batch_size=4", "benchmark.steps=2", "benchmark.rounds=1"),
    )
    benchmark.run(config)
    steps = read_tables(json.loads(Path(config.run_dir, "benchmark.json").read_text()))[0]
    assert steps.name == "steps" and len(steps.rows) == 5
    assert all(row.value > 0 for row in steps.rows)
