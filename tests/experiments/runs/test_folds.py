"""Folds: the groups left out, the pooled score and confusion matrix."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from callbacks.outputs.confusion_matrix import save_confusion_matrix
from experiments.runs.compare import summarize_runs
from experiments.runs.folds import pool_confusions, pool_scores, read_folds
from experiments.runs.run_folder import read_run, read_runs
from tests.helpers.runs import make_epoch_table, make_metrics, write_run_folder

CLASSES = ["A", "B", "NA"]


def write_folds(folder: Path, sizes: tuple[int, ...] = (10, 20, 70)) -> pd.DataFrame:
    """Write runs that each left out one person, and return all predictions."""
    rng, tables = np.random.default_rng(0), []
    for number, size in enumerate(sizes):
        label, prediction = (rng.choice(CLASSES, size) for _ in range(2))
        prediction = np.where(rng.random(size) < 0.2 + 0.3 * number, label, prediction)
        table = pd.DataFrame({"id": range(size), "group": f"s{number:02}", "label": label})
        table["prediction"] = prediction
        value = float((label == prediction).mean())
        about = {"fold": number, "split": {"fold": number}}
        where = write_run_folder(
            folder / str(number), make_epoch_table([0.5]), make_metrics(value), **about
        )
        table.to_csv(where / "predictions.csv", index=False)
        counts = pd.crosstab(table["label"], table["prediction"])
        counts = counts.reindex(index=CLASSES, columns=CLASSES, fill_value=0)
        counts.rename_axis("true").to_csv(where / "confusion_matrix.csv")
        tables.append(table)
    return pd.concat(tables)


def test_the_pooled_score_is_that_of_all_predictions(tmp_path: Path) -> None:
    rows = write_folds(tmp_path)
    folds = read_folds([read_run(tmp_path / str(n)) for n in range(3)])
    assert [fold.left_out for fold in folds] == ["s00", "s01", "s02"]
    pooled, right = pool_scores(folds), rows["label"] == rows["prediction"]
    assert pooled.value == pytest.approx(right.mean())
    assert (pooled.samples, pooled.groups) == (100, 3)
    each = right.groupby(rows["group"]).mean()
    assert pooled.mean == pytest.approx(each.mean()) and pooled.worst == pytest.approx(each.min())
    assert pooled.worst_fold == each.idxmin() and pooled.low <= pooled.value <= pooled.high


def test_the_pooled_confusion_matrix_counts_every_prediction(tmp_path: Path) -> None:
    rows = write_folds(tmp_path)
    counts = pool_confusions(read_folds([read_run(tmp_path / str(n)) for n in range(3)]))
    expected = pd.crosstab(rows["label"], rows["prediction"])
    expected = expected.reindex(index=CLASSES, columns=CLASSES, fill_value=0)
    np.testing.assert_array_equal(counts.loc[CLASSES, CLASSES], expected)
    save_confusion_matrix(counts, tmp_path / "confusion_matrix.csv")
    assert (tmp_path / "confusion_matrix.png").stat().st_size > 1000


def test_a_summary_names_who_was_left_out(tmp_path: Path) -> None:
    write_folds(tmp_path)
    text, _ = summarize_runs(read_runs(str(tmp_path)))
    folds = text.partition("## Folds")[2]
    assert all(f"| s{number:02}" in folds for number in range(3))
    assert "All folds together: test/acc" in folds
