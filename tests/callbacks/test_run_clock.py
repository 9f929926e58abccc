"""RunClock measures a run over its resumptions, and takes only sound values from checkpoints."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from callbacks.run_clock import RunClock, RunTimes
from datamodules.store.fingerprint import hash_set
from tests.helpers.prepared_sets import write_hands
from tests.helpers.runs import read_metrics

pytestmark = pytest.mark.usefixtures("blank_figures")


def test_durations_add_up_over_a_resumption(run, tmp_path: Path) -> None:
    data = write_hands(tmp_path / "set", groups=4, each=4)
    common = ("debug=smoke", f"data_dir={data}", "split=by_group", "scheduler=none")
    common += ("callbacks.confusion_matrix=null", "datamodule.batch_size=8")
    folder = run(*common, "trainer.max_epochs=1")
    before = read_metrics(folder)["run"]
    samples = before["samples_per_second"] * before["training_seconds"]
    assert before["data"] == {str(data): hash_set(data)}
    assert before["resumes"] == 0 and before["peak_memory_mb"] > 50
    assert 0 < before["training_seconds"] < before["seconds_to_best"] < before["seconds"]
    saved = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["callbacks"]
    times = RunTimes.from_plain(saved["RunClock"])
    assert list(times.epoch_ends) == [1] and times.batches > 1
    assert samples == pytest.approx(times.samples, abs=0.1)

    run(*common, "trainer.max_epochs=3", f"resume={folder}")
    after = read_metrics(folder)["run"]
    assert after["resumes"] == 1 and after["started"] == before["started"]
    assert after["seconds"] > times.seconds and after["training_seconds"] > times.training_s
    saved = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["callbacks"]
    ends = saved["RunClock"]["epoch_ends"]
    assert list(ends) == [1, 2, 3] and ends[1] == times.epoch_ends[1] < ends[2] < ends[3]
    assert saved["RunClock"]["batches"] == 3 * times.batches
    assert saved["RunClock"]["samples"] == 3 * times.samples
    report = (folder / "report.md").read_text(encoding="utf-8")
    assert "resumed 1 time" in report and "of it waiting for data" in report


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("seconds", -1.0, "seconds is -1.0; expected a number from 0"),
        ("training_s", float("nan"), "training_s is nan"),
        ("samples", 1.5, "samples is 1.5; expected a whole number"),
        ("epoch_ends", [1.0], "epoch_ends is a list of 1; expected a dict"),
        ("epoch_ends", {"1": 2.0}, "an epoch is '1'"),
        ("epoch_ends", {1: "soon"}, "end of epoch 1 is 'soon'"),
        ("memory_mb", "much", "memory_mb is 'much'; expected a number from 0"),
    ],
)
def test_false_times_in_a_checkpoint_are_refused(name: str, value: Any, problem: str) -> None:
    clock = RunClock()
    clock.setup(None, None, "fit")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=problem):
        clock.load_state_dict(asdict(RunTimes()) | {name: value})


def test_a_test_does_not_take_the_times_of_its_checkpoint() -> None:
    clock = RunClock()
    clock.setup(None, None, "test")  # type: ignore[arg-type]
    clock.load_state_dict(asdict(RunTimes(seconds=1000.0)))
    assert clock.measure().seconds < 100 and clock.measure().resumes == 0


@pytest.mark.slow
def test_a_run_without_a_clock_reports_its_duration_alone(run) -> None:
    folder = run("debug=smoke", "callbacks.clock=null")
    facts = json.loads((folder / "metrics.json").read_text())["run"]
    assert facts["seconds"] > 0 and "training_seconds" not in facts
    assert "| duration" in (folder / "report.md").read_text(encoding="utf-8")
