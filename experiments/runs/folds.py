"""Pool the tests of several folds: every person is tested by a model that never saw them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from callbacks.outputs.confusion_matrix import draw_confusion_matrix
from callbacks.outputs.figure_fonts import save_figure
from experiments.reports.markdown import score
from experiments.reports.results import read_predictions
from experiments.runs.run_folder import Run
from modules.metrics import GroupInterval
from unvoiced.text import spreadsheet_cells

SHOWN_GROUPS = 4  # names of left-out groups in a table
RATES = ("test/acc", "test/wer")  # metrics that are a share of samples, or of words


@dataclass(frozen=True)
class Fold:
    """The test of one fold.

    Attributes:
        run: its run.
        rows: its predictions.csv; empty where nothing was tested.
    """

    run: Run
    rows: pd.DataFrame

    @property
    def left_out(self) -> str:
        """The groups that were tested, such as ``s01``; empty where none has a name."""
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
        samples, groups: how many were tested.
        mean: of the folds' own scores.
        worst: the lowest accuracy, or the highest error rate, of a fold.
        worst_fold: the groups that it left out.
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
        """Return two sentences with all of it."""
        where = f" ({self.worst_fold})" if self.worst_fold else ""
        return (
            f"{self.metric} {score(self.value)} of {self.samples:,} samples of {self.groups} "
            f"people or sessions, each tested by a model that was not trained on them; 95 % "
            f"interval over people {score(self.low)} to {score(self.high)}. Mean of the folds "
            f"{score(self.mean)}, worst fold {score(self.worst)}{where}."
        )


def read_folds(runs: list[Run]) -> list[Fold]:
    """Return the folds that were tested."""
    folds = [Fold(run, read_predictions(run.folder)) for run in runs if run.primary_metric]
    return [fold for fold in folds if len(fold.rows)]


def pool_scores(folds: list[Fold]) -> PooledScore | None:
    """Return the score over all folds; None where they have no common rate."""
    metrics = {fold.run.primary_metric for fold in folds}
    if len(folds) < 2 or len(metrics) > 1 or not metrics <= set(RATES):
        return None
    metric = metrics.pop()
    counts = [count_of(fold.rows, metric) for fold in folds]
    each = np.array([counted.sum() / out_of.sum() for counted, out_of in counts])
    worst = int(each.argmax() if metric.endswith("wer") else each.argmin())
    counted, out_of = (np.concatenate(parts) for parts in zip(*counts, strict=True))
    groups = pd.factorize(pd.concat([fold.rows["group"] for fold in folds]))[0]
    interval = GroupInterval()
    interval.update(*(torch.from_numpy(a) for a in (counted, groups, out_of)))
    low, high = interval.compute().tolist()
    return PooledScore(
        *(metric, float(counted.sum() / out_of.sum()), low, high),
        *(len(groups), int(groups.max()) + 1, float(each.mean())),
        *(float(each[worst]), folds[worst].left_out),
    )


def count_of(rows: pd.DataFrame, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Return what ``metric`` counts of each row, and out of how many: two (rows,)."""
    if metric == "test/wer":
        return rows["errors"].to_numpy(float), rows["words"].to_numpy(np.int64)
    right = (rows["label"] == rows["prediction"]).to_numpy(float)
    return right, np.ones(len(rows), np.int64)


def pool_confusions(folds: list[Fold]) -> pd.DataFrame | None:
    """Return the sum of the folds' confusion matrices; None where one has none."""
    paths = [fold.run.folder / "confusion_matrix.csv" for fold in folds]
    if len(paths) < 2 or not all(path.is_file() for path in paths):
        return None
    text = {"index_col": 0, "keep_default_na": False, "dtype": {0: str}}
    tables = [pd.read_csv(path, **text) for path in paths]
    names = list(dict.fromkeys(name for table in tables for name in table))
    return sum(table.reindex(index=names, columns=names, fill_value=0) for table in tables)


def write_confusions(counts: pd.DataFrame, path: Path) -> None:
    """Write pooled counts as ``path`` (.csv) and as a picture of the same name (.png)."""
    spreadsheet_cells(counts).rename_axis("true").to_csv(path)
    figure = draw_confusion_matrix(counts.to_numpy(), list(counts))
    save_figure(figure, path.with_suffix(".png"), list(counts), dpi="figure", bbox_inches="tight")
