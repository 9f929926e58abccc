"""Exported .onnx files are validated, tested and predict like the checkpoint they came from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.checkpoints.init_from import load_initial_weights
from tests.helpers.paths import ROOT, TASKS

pytestmark = pytest.mark.usefixtures("blank_figures")

# An exported file does not state the label smoothing and the k of top-k accuracy of its training,
# and is not tested on holds.
UNKNOWN = ("test/loss", "test/acc_top", "test/hold_")


@pytest.fixture(params=["asl", *(pytest.param(t, marks=pytest.mark.slow) for t in TASKS[1:])])
def models(request) -> tuple[str, Path, Path]:
    """Return a task, a checkpoint, and the file that was exported from it."""
    folder = ROOT / "tests" / "golden" / "models"
    name = request.param
    return f"task={name}", folder / f"{name}.ckpt", folder / f"{name}.onnx"


def test_an_exported_file_is_tested_as_its_checkpoint(models, run) -> None:
    task, *files = models
    scores, tables = [], []
    for place, path in enumerate(files):
        test = (task, "stage=test", f"ckpt_path={path}", "size=tiny", "trainer.accelerator=cpu")
        folder = run(*test, run_dir=f"tested{place}")
        numbers = json.loads((folder / "metrics.json").read_text())
        scores.append(
            {
                k: v
                for k, v in numbers.items()
                if k.startswith("test/") and not k.startswith(UNKNOWN) and v is not None
            }
            | {"parameters": numbers["parameters"]}
        )
        tables.append(pd.read_csv(folder / "predictions.csv", keep_default_na=False))

    # Probabilities that are nearly the same may lie in another order, or in another bin.
    for name in ("test/ece", "test/aurc"):
        assert scores[1].pop(name) == pytest.approx(scores[0].pop(name), abs=0.1)
    assert scores[1] == pytest.approx(scores[0], rel=1e-4, nan_ok=True)
    assert scores[0]["parameters"] > 1000
    assert tables[0]["prediction"].tolist() == tables[1]["prediction"].tolist()
    assert np.allclose(tables[0]["probability"], tables[1]["probability"], atol=2e-4)


def test_a_file_without_training_state_is_refused_where_it_is_needed(models, run) -> None:
    task, _, exported = models
    with pytest.raises(ValueError, match=r"exported network without training state"):
        run(task, "stage=export", f"ckpt_path={exported}", run_dir="again")
    with pytest.raises(ValueError, match="^init_from=.* is an exported network"):
        load_initial_weights(None, exported)
    with pytest.raises(ValueError, match=r"is a model of task .*, not .*\. Set task="):
        other = "task=lipread" if task == "task=asl" else "task=asl"
        run(other, "stage=predict", f"ckpt_path={exported}", "input=x", run_dir="other")
