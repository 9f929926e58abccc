"""Early stopping in resumed runs."""

import math
from pathlib import Path

import pandas as pd
import pytest
import torch

from callbacks.early_stopping import EarlyStopping, describe_stop
from tests.helpers.prepared_sets import write_hands


@pytest.mark.parametrize("changes", [{"wait_count": math.nan}, {"stopped_epoch": -7}])
def test_counts_that_are_none_are_refused(changes: dict[str, float]) -> None:
    callback = EarlyStopping("val/acc")
    with pytest.raises(ValueError, match="early stopping; expected a whole number"):
        callback.load_state_dict(callback.state_dict() | changes)


def test_the_report_names_the_reason() -> None:
    callback = EarlyStopping("val/acc", mode="max", stopping_threshold=0.9, patience=3)
    assert describe_stop(callback) == "val/acc did not improve (patience 3)"
    callback._evaluate_stopping_criteria(torch.tensor(0.95))
    assert describe_stop(callback) == "val/acc reached 0.9"


@pytest.mark.usefixtures("blank_figures")
def test_a_stopped_run_trains_on_with_more_patience_alone(run, tmp_path: Path, capsys) -> None:
    data = write_hands(tmp_path / "set", groups=4, each=4)
    common = ("debug=smoke", f"data_dir={data}", "split=by_group", "trainer.max_epochs=9")
    common += ("scheduler=none", "optimizer.lr=1e-12", "callbacks=default")

    def count_epochs(*changes: str) -> int:
        folder = run(*common, *changes)
        return len(pd.read_csv(folder / "metrics.csv"))

    resumed = f"resume={tmp_path / 'run'}"
    assert count_epochs("callbacks.early_stopping.patience=1") == 2
    assert count_epochs("callbacks.early_stopping.patience=1", resumed) == 2
    assert "ended this run after epoch 2" in capsys.readouterr().out
    assert count_epochs("callbacks.early_stopping.patience=3", resumed) == 4
    report = (tmp_path / "run" / "report.md").read_text()
    assert "after epoch 4 of at most 9: val/acc did not improve (patience 3)." in report
