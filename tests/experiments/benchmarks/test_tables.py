"""Tables of a benchmark, and benchmark.json."""

import json
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from experiments.benchmarks.machine import describe_machine
from experiments.benchmarks.measures import list_measures, load_measure
from experiments.benchmarks.report import BenchmarkReport
from experiments.benchmarks.steps import WholeBatches
from experiments.benchmarks.tables import Row, Table, compare_alternately, format_table
from tests.helpers.benchmark_page import read_tables


def test_parts_alternate_and_ratios_are_those_of_a_round() -> None:
    calls, speeds = [], {"ours": cycle([9.0, 10.0, 40.0, 30.0]), "plain": cycle([1.0, 5.0, 10, 20])}

    def measure(name: str) -> float:
        calls.append(name)
        return next(speeds[name])

    parts = {name: lambda name=name: measure(name) for name in speeds}
    rows = compare_alternately(parts, 3, is_first_over_row=True)
    assert calls == ["ours", "plain"] * 4
    assert rows["ours"] == Row("ours", 30, "", 1, (10, 40), (1, 1))
    assert rows["plain"] == Row("plain", 10, "", 2, (5, 20), (1.5, 4))  # without the warm-up


def test_a_table_is_written_and_read_back(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    table = Table("speed", "Speed", (Row("a", 1234.5, "ms", 0.5, (1.0, 2.0), (0.4, 0.6)),), 5)
    config = SimpleNamespace(run_dir=str(tmp_path / "run"), benchmark=SimpleNamespace(clock="wall"))
    path = BenchmarkReport().write(config, [table])
    report = json.loads(path.read_text(encoding="utf-8"))
    assert list(report) == ["command", "commit", "machine", "time", "tables"]
    assert {"cores", "load_before", "load_after", "threads"} < report["machine"].keys()
    [again] = read_tables(report)
    assert format_table(again) == format_table(table) and again.name == "speed"
    assert format_table(table) in capsys.readouterr().out


def test_the_machine_is_described() -> None:
    machine = describe_machine()
    assert machine["cores"] >= 1 and machine["threads"] == torch.get_num_threads()
    assert machine["versions"]["torch"] == torch.__version__ and machine["cpu"]


def test_every_benchmark_can_be_loaded() -> None:
    assert {"steps", "callbacks", "scale"} <= set(list_measures())
    assert all(callable(load_measure(name)) for name in list_measures())


def test_whole_batches_are_an_epoch_of_all_samples() -> None:
    samples = torch.utils.data.TensorDataset(torch.arange(10.0), torch.arange(10))
    batches = list(WholeBatches(samples, 4))
    assert [len(x) for x, _ in batches] == [4, 4, 2]
    assert torch.cat([y for _, y in batches]).sort().values.tolist() == list(range(10))
    assert all(torch.equal(x, y.float()) for x, y in batches)
