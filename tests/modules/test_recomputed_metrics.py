"""Metrics recomputed from predictions.csv equal the reported ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torchmetrics.functional.text import char_error_rate

from modules.classification import ClassificationModule
from tests.helpers.command_line import run_command
from tests.helpers.paths import FIRST_TASK
from tests.helpers.prepared_sets import write_hands

pytestmark = pytest.mark.usefixtures("blank_figures")

Run = Callable[..., Path]
# Those of tests/callbacks/test_coverage.py, and of holds: their frames are in no table.
OF_OTHERS = tuple(
    f"test/{name}" for name in ("ece", "aurc", "coverage_", "answered_", "acc_a", "hold_")
)


def check_reported(folder: Path) -> set[str]:
    """Compare all of metrics.json's test scores with predictions.csv; return their names."""
    numbers = json.loads((folder / "metrics.json").read_text())
    rows = pd.read_csv(folder / "predictions.csv", keep_default_na=False)
    reported = {name: value for name, value in numbers.items() if name.startswith("test/")}
    result = recompute_text(rows) if "errors" in rows else recompute_labels(rows)
    bounds = {name for name in reported if name.endswith(("_low", "_high"))}
    bounds |= {name for name in reported if name.startswith(OF_OTHERS)}
    assert set(reported) - bounds - {"test/seen_n", "test/seen_groups"} <= set(result)
    for name in set(reported) & set(result):
        assert reported[name] == pytest.approx(result[name], abs=2e-5), name
    return set(reported)


def recompute_labels(rows: pd.DataFrame) -> dict[str, float]:
    label, predicted = rows["label"], rows["prediction"]
    scores = []
    for name in sorted({*label, *predicted}):
        hits = ((label == name) & (predicted == name)).sum()
        scores.append(2 * hits / ((label == name).sum() + (predicted == name).sum()))
    result = {
        "test/acc": (label == predicted).mean(),
        "test/f1": float(np.mean(scores)),
        "test/loss": rows["loss"].mean(),
        "test/n": len(rows),
    }
    is_drawn = label.isin(["J", "Z"])
    for name, kind in (("drawn", rows[is_drawn]), ("held", rows[~is_drawn])):
        if len(kind):
            result[f"test/{name}_n"] = len(kind)
            result[f"test/{name}_acc"] = (kind["label"] == kind["prediction"]).mean()
    return result | {f"test/acc_top{k}": (rows["label_rank"] <= k).mean() for k in (2, 3, 4, 5)}


def recompute_text(rows: pd.DataFrame) -> dict[str, float]:
    predicted, true = rows["prediction"].tolist(), rows["reference"].tolist()
    result = {
        "test/wer": rows["errors"].sum() / rows["words"].sum(),
        "test/cer": float(char_error_rate(predicted, true)),
        "test/exact": (rows["prediction"] == rows["reference"]).mean(),
        "test/token_acc": rows["tokens_right"].sum() / rows["tokens"].sum(),
        "test/loss": rows["loss"].mean(),
        "test/n": len(rows),
    }
    if "nearest" in rows:
        result["test/closed_acc"] = (rows["nearest"] == rows["reference"]).mean()
    return result


@pytest.mark.parametrize("task", FIRST_TASK)
def test_every_metric_is_what_the_predictions_give(task: str, smoke_run: Run, run: Run) -> None:
    folder = smoke_run(task)
    first = check_reported(folder)
    assert {"test/loss", "test/n"} < first
    checkpoint = f"ckpt_path={folder / 'checkpoints' / 'best.ckpt'}"
    scores = []
    for size in (1, 5):
        again = run(
            *(f"task={task}", "stage=test", "size=tiny", "trainer=cpu", checkpoint),
            f"datamodule.eval_batch_size={size}",
            run_dir=f"by {size}",
        )
        assert check_reported(again) == first
        numbers = json.loads((again / "metrics.json").read_text())
        scores.append({name: numbers[name] for name in first})
    assert scores[0] == pytest.approx(scores[1], abs=2e-5)


@pytest.mark.slow
def test_f1_is_not_made_of_the_first_batch_s_agreement(run: Run, tmp_path: Path) -> None:
    """The first batches are correct, so that top-1 and top-3 hits agree in them."""
    data = write_hands(tmp_path / "easy", groups=3, each=6, letters="ABCDEF")
    folder = run("trainer=cpu", f"data_dir={data}", "epochs=3", "datamodule.steps_per_epoch=10")
    mixed = write_hands(tmp_path / "mixed", groups=3, each=6, letters="ABCDEF")
    manifest = pd.read_csv(mixed / "manifest.csv", keep_default_na=False)
    manifest.loc[60:, "label"] = np.roll(manifest["label"][60:], 7)  # wrong labels at the end
    manifest.to_csv(mixed / "manifest.csv", index=False)
    checkpoint = f"ckpt_path={folder / 'checkpoints' / 'best.ckpt'}"
    result = []
    for size in (4, 1000):
        tested = run(
            *("stage=test", "trainer=cpu", checkpoint, f"data_dir={mixed}", "split=test_only"),
            f"datamodule.eval_batch_size={size}",
            run_dir=f"tested by {size}",
        )
        check_reported(tested)
        result.append(json.loads((tested / "metrics.json").read_text()))
    assert result[0]["test/f1"] == pytest.approx(result[1]["test/f1"], abs=1e-6)
    assert result[0]["test/f1"] < result[0]["test/acc_top3"]


@pytest.mark.long
def test_two_processes_report_what_their_predictions_give(tmp_path: Path) -> None:
    done = run_command(
        *("task=emg", "size=tiny", "trainer=ddp", "trainer.accelerator=cpu"),
        *("trainer.devices=2", "trainer.max_epochs=1", "datamodule.steps_per_epoch=2"),
        *("datamodule.eval_batch_size=5", f"hydra.run.dir={tmp_path / 'run'}"),
        fresh=True,
    )
    assert done.returncode == 0, done.stderr
    assert check_reported(tmp_path / "run")


@pytest.mark.slow
def test_a_resumed_run_reports_what_its_predictions_give(run: Run, tmp_path: Path) -> None:
    data = f"data_dir={write_hands(tmp_path / 'set', each=6, letters='ABCDEF')}"
    common = ("debug=smoke", data, "scheduler=none")
    run(*common, "trainer.max_epochs=1", run_dir="resumed")
    folder = tmp_path / "resumed"
    run(*common, "trainer.max_epochs=3", f"resume={folder}", run_dir="resumed")
    whole = run(*common, "trainer.max_epochs=3", run_dir="whole")
    check_reported(folder)
    tables = [pd.read_csv(part / "metrics.csv") for part in (folder, whole)]
    assert "val/f1" in tables[0]
    pd.testing.assert_frame_equal(*tables, check_exact=True, check_like=True)


def test_equal_logits_are_counted_as_they_are_listed() -> None:
    module = ClassificationModule(nn.Identity(), list("abcde"))
    x = torch.tensor([[1.0, 1, 1, 1, 0], [2, 3, 3, 3, 3], [0, 0, 0, 0, 0], [1e-9, 0, 2e-9, 0, 0]])
    y = torch.tensor([3, 4, 0, 2])
    unknown = torch.full((4,), -1)
    batch = {"x": x, "y": y, "index": torch.arange(4), "group": unknown, "sequence": unknown}

    outcome = module.test_step(batch, 0)
    rates = module.label_scores["test"].compute()

    assert outcome["label_rank"].tolist() == [4, 4, 1, 1]
    assert outcome["codes"][:, 0].tolist() == [0, 1, 0, 2]
    assert rates["test/acc"] == (outcome["codes"][:, 0] == y).float().mean() == 0.5
    assert rates["test/acc_top3"] == (outcome["label_rank"] <= 3).float().mean() == 0.5
