"""Pool the tests of several folds, in which each person is tested by a model of the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from experiments.reports.markdown import format_number
from experiments.reports.results import read_predictions
from experiments.runs.run_folder import Run
from modules.metrics import GroupInterval

SHOWN_GROUPS = 4  # names of left-out groups in a table
POOLED_METRICS = ("test/acc", "test/wer")  # a share of samples, or of words


@dataclass(frozen=True)
class Fold:
    """The test of one fold.

    Attributes:
        run: its run.
        rows: its predictions.csv; empty if nothing was tested.
    """

    run: Run
    rows: pd.DataFrame

    @property
    def left_out(self) -> str:
        """The tested groups, such as ``s01``; empty if they have no names."""
        names = sorted(set(self.rows["group"]) - {""})
        more = f" and {len(names) - SHOWN_GROUPS} more" if len(names) > SHOWN_GROUPS else ""
        return ", ".join(names[:SHOWN_GROUPS]) + more


@dataclass(frozen=True)
class PooledScore:
    """The test score over all folds together.

    Attributes:
        metric: ``test/acc`` or ``test/wer``.
        value: of all samples of all folds.
        low, high: 95 % interval over people.
        samples, groups: numbers of tested samples and groups.
        mean: of the folds' own scores.
        worst: the lowest accuracy, or the highest error rate, of a fold.
        worst_fold: the groups that this fold left out.
    """

    metric: str
    value: float
    low: float
    high: float
    samples: int
    groups: int
    mean: float
    worst: float
    worst_fold: str

    def describe(self) -> str:
        """Return the score, its interval and the worst fold in two sentences."""
        place = f" ({self.worst_fold})" if self.worst_fold else ""
        value, low, high, mean, worst = map(
            format_number, (self.value, self.low, self.high, self.mean, self.worst)
        )
        return (
            f"{self.metric} {value} of {self.samples:,} samples of {self.groups} people or "
            "sessions, each tested by a model that was not trained on them; 95 % interval over "
            f"people {low} to {high}. Mean of the folds {mean}, worst fold {worst}{place}."
        )


def read_folds(runs: list[Run]) -> list[Fold]:
    """Return the folds that were tested."""
    folds = [Fold(run, read_predictions(run.folder)) for run in runs if run.test_metric]
    return [fold for fold in folds if len(fold.rows)]


def pool_scores(folds: list[Fold]) -> PooledScore | None:
    """Return the score over all folds; None if they have no common metric."""
    metrics = {fold.run.test_metric for fold in folds}
    if len(folds) < 2 or len(metrics) > 1 or not metrics <= set(POOLED_METRICS):
        return None
    metric = metrics.pop()
    counts = [count_scores(fold.rows, metric) for fold in folds]
    scores = np.array([counted.sum() / total.sum() for counted, total in counts])
    worst = int(scores.argmax() if metric.endswith("wer") else scores.argmin())
    counted, total = (np.concatenate(parts) for parts in zip(*counts, strict=True))
    groups = pd.factorize(pd.concat([fold.rows["group"] for fold in folds]))[0]
    interval = GroupInterval()
    interval.update(*(torch.from_numpy(a) for a in (counted, groups, total)))
    low, high = interval.compute().tolist()
    return PooledScore(
        *(metric, float(counted.sum() / total.sum()), low, high),
        *(len(groups), int(groups.max()) + 1, float(scores.mean())),
        *(float(scores[worst]), folds[worst].left_out),
    )


def count_scores(rows: pd.DataFrame, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the counts of ``metric`` and their totals, of each row: (rows,), (rows,)."""
    if metric == "test/wer":
        return rows["errors"].to_numpy(float), rows["words"].to_numpy(np.int64)
    is_correct = (rows["label"] == rows["prediction"]).to_numpy(float)
    return is_correct, np.ones(len(rows), np.int64)


def pool_confusions(folds: list[Fold]) -> pd.DataFrame | None:
    """Return the sum of the folds' confusion matrices; None if one has none."""
    paths = [fold.run.folder / "confusion_matrix.csv" for fold in folds]
    if len(paths) < 2 or not all(path.is_file() for path in paths):
        return None
    text = {"index_col": 0, "keep_default_na": False, "dtype": {0: str}}
    tables = [pd.read_csv(path, **text) for path in paths]
    names = list(dict.fromkeys(name for table in tables for name in table))
    return sum(table.reindex(index=names, columns=names, fill_value=0) for table in tables)
