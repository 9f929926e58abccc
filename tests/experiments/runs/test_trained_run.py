"""The run that stage=serve chooses by default, and its description."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from experiments.runs.trained_run import describe_model, find_newest_checkpoint


def write_run(name: str, age: float, task: str = "asl", **settings: Any) -> Path:
    """Write what such a run leaves in outputs/asl and return its best checkpoint."""
    folder = Path("outputs", "asl", name)
    best = folder / "checkpoints" / "best.ckpt"
    best.parent.mkdir(parents=True)
    best.touch()
    os.utime(best, (1e9 - age, 1e9 - age))
    trainer = settings.pop("trainer", {})
    content = {"task": task, "monitor": {"metric": "val/acc", "mode": "max"}, "trainer": trainer}
    (folder / "config.yaml").write_text(json.dumps(content | settings))
    (folder / "metrics.csv").write_text("epoch,val/acc\n1,0.5\n")
    scores = {"test/acc": 0.8125, "test/acc_low": 0.75, "test/acc_high": 0.9, "test/n": 320}
    (folder / "metrics.json").write_text(json.dumps({"task": task, "simulated": False} | scores))
    return best


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_newest_suitable_run_is_served(capsys) -> None:
    assert find_newest_checkpoint("asl") is None
    write_run("smoke", 0, size="tiny")
    write_run("fast", 1, trainer={"fast_dev_run": True})
    write_run("part", 2, trainer={"limit_train_batches": 4})
    write_run("overfit", 3, trainer={"overfit_batches": 2})
    write_run("lips", 4, task="lipread")
    for name, missing in (("crashed", "metrics.json"), ("benchmark", "config.yaml")):
        (write_run(name, 4.5).parents[1] / missing).unlink()
    good = write_run("good", 5, size="full", trainer={"limit_train_batches": 1.0})
    write_run("old", 6)
    assert find_newest_checkpoint("asl") == good
    lines = capsys.readouterr().out.splitlines()
    reasons = ("smoke or debug", "debug run", "a part of its data", "debug run", "task lipread")
    assert any("its training has not finished" in line for line in lines)
    assert any("no config.yaml, as the folder of a benchmark" in line for line in lines)
    assert all(reason in line for reason, line in zip(reasons, lines, strict=False))
    assert lines[-1] == (
        f"Using the newest run of task asl: ckpt_path={good} "
        "(test/acc 0.8125 (0.7500 to 0.9000) of 320)"
    )


def test_visitors_see_training_data_and_scores() -> None:
    best = write_run("good", 0)
    assert describe_model("asl", False, False, best) == (
        "This program learned on recordings of people. In its test, on 320 recordings, it read "
        "81 of 100 letters correctly."
    )
    drawn = describe_model("lipread", True, False, best)
    assert "on mouths that a computer drew, not on people" in drawn
    assert "same people" in describe_model("asl", False, True, best)
    other = best.with_name("last.ckpt")
    assert "same people" not in describe_model("asl", False, True, other)
    assert describe_model("asl", False, False, other).endswith("was not measured.")
    text = {"task": "emg", "test/wer": 0.25, "test/n": 40}
    (best.parents[1] / "metrics.json").write_text(json.dumps(text))
    assert "it read 75 of 100 words correctly" in describe_model("emg", False, False, best)


@pytest.mark.parametrize("numbers", ["[]", "{", '{"test/acc": "\\u001b[2J", "test/n": 1}', "{}"])
def test_damaged_scores_are_not_shown(numbers: str) -> None:
    best = write_run("good", 0)
    (best.parents[1] / "metrics.json").write_text(numbers)
    assert describe_model("asl", False, False, best).endswith("was not measured.")
