"""Compare a promised coverage with the real one, and draw the risk–coverage curve."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torchmetrics.functional.classification import binary_calibration_error

from callbacks.outputs.figure_fonts import create_figure
from unvoiced.confidence import ConfidenceTable, measure_confidence, weigh_recordings

PROMISES = (0.8, 0.9, 0.95, 0.99)
SCORED_PROMISE = 0.9  # in metrics.json; the table has all
MAX_FOLDS = 10
MAX_CURVES = 30  # most people with separate curves
OWN, OTHERS = "the model's own", "the other people of this set"


def score_answers(answers: pd.DataFrame) -> dict[str, float]:
    """Return the calibration error ``ece``, and ``aurc``, the area under the risk–coverage curve.

    Args:
        answers: ``probability``, ``is_correct``, ``person`` and ``recording`` of each row.
    """
    probability = torch.tensor(answers["probability"].to_numpy()).clamp(0, 1)
    correct = torch.tensor(answers["is_correct"].to_numpy()).long()
    error = binary_calibration_error(probability, correct, n_bins=15)
    return {"ece": float(error), "aurc": float(trace_risk(answers)[1].mean())}


def trace_risk(answers: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the share answered (N,) and the error rate among these (N,), surest answers first."""
    order = np.argsort(-answers["probability"].to_numpy(), kind="stable")
    counts = np.arange(1, len(answers) + 1)
    wrong = ~answers["is_correct"].to_numpy()[order]
    return counts / len(answers), wrong.cumsum() / counts


def compare_promises(answers: pd.DataFrame, table: ConfidenceTable | None) -> pd.DataFrame:
    """Compare each promise of each calibration with the measured coverage.

    Columns: ``calibration``, ``promised``, ``coverage`` (the share of recordings without a wrong
    answer), ``worst`` (of one person), ``answered``, ``acc_answered`` (NaN without an answer) and
    ``people``. A promise that the calibration does not allow answers nothing.

    Args:
        answers: as of ``score_answers``.
        table: of the model; None for none.
    """
    rows = []
    for promised in PROMISES:
        if table is not None:
            own = np.full(len(answers), _find_threshold(table, promised))
            rows.append({"calibration": OWN, "promised": promised} | _measure(answers, own))
        if answers["person"].nunique() > 1:
            others = np.empty(len(answers))
            for is_tested, fold_table in _list_folds(answers):
                others[is_tested] = _find_threshold(fold_table, promised)
            rows.append({"calibration": OTHERS, "promised": promised} | _measure(answers, others))
    return pd.DataFrame(rows)


def list_scores(comparison: pd.DataFrame) -> dict[str, float]:
    """Return the scores of ``SCORED_PROMISE``, such as ``coverage_0.9`` and ``answered_0.9``."""
    scores: dict[str, float] = {}
    if comparison.empty:
        return scores
    for row in comparison[comparison["promised"] == SCORED_PROMISE].itertuples():
        ending = "" if row.calibration == OWN else "_others"
        name = f"coverage_{SCORED_PROMISE}{ending}"
        scores |= {name: row.coverage, f"{name}_worst": row.worst}
        for kind in ("answered", "acc_answered"):
            scores[f"{kind}_{SCORED_PROMISE}{ending}"] = getattr(row, kind)
    return scores


def _find_threshold(table: ConfidenceTable, promised: float) -> float:
    """Return the threshold of a promise; infinity where it cannot be given."""
    return table.find_threshold(promised) if promised <= table.highest_coverage else np.inf


def _measure(answers: pd.DataFrame, thresholds: np.ndarray) -> dict[str, float]:
    """Measure the answers of rows with a threshold each; each person counts equally."""
    people, person = np.unique(answers["person"].to_numpy(str), return_inverse=True)
    weights = weigh_recordings(person, answers["recording"].to_numpy()) * len(people)
    is_answered = answers["probability"].to_numpy() >= thresholds
    is_wrong = is_answered & ~answers["is_correct"].to_numpy()
    wrong, answered = (np.bincount(person, weights * rows) for rows in (is_wrong, is_answered))
    total = float(answered.mean())
    return {
        "coverage": 1 - float(wrong.mean()),
        "worst": 1 - float(wrong.max()),
        "answered": total,
        "acc_answered": (total - float(wrong.mean())) / total if total else np.nan,
        "people": len(people),
    }


def _list_folds(answers: pd.DataFrame) -> Iterator[tuple[np.ndarray, ConfidenceTable]]:
    """Yield rows of some people (N,), and the table of all others."""
    people, person = np.unique(answers["person"].to_numpy(str), return_inverse=True)
    folds = person % min(len(people), MAX_FOLDS)
    for fold in np.unique(folds):
        yield folds == fold, tabulate_confidence(answers[folds != fold])


def tabulate_confidence(answers: pd.DataFrame, **facts: bool) -> ConfidenceTable:
    """Return the confidence table of answers, as of ``score_answers``.

    Args:
        answers: of the recordings.
        facts: ``simulated`` and ``has_trained_people``, as of ``ConfidenceTable``.
    """
    names = ("probability", "is_correct", "person", "recording")
    probability, correct, person, recording = (answers[name].to_numpy() for name in names)
    return measure_confidence(probability, correct, person.astype(str), recording, **facts)


def draw_risk_coverage(answers: pd.DataFrame, comparison: pd.DataFrame, path: Path) -> None:
    """Draw the error rate over the share answered: of all, of each person, and of the promises."""
    figure = create_figure(figsize=(6, 4))
    axes = figure.subplots()
    people = answers.groupby("person", sort=False)
    if 1 < people.ngroups <= MAX_CURVES:
        for _, rows in people:
            axes.plot(*trace_risk(rows), color="grey", linewidth=0.6, alpha=0.6)
    axes.plot(*trace_risk(answers), color="C0", label="all recordings")
    groups = comparison.groupby("calibration", sort=False) if len(comparison) else ()
    for colour, (name, rows) in enumerate(groups, 1):
        share, risk = rows["answered"], 1 - rows["acc_answered"]
        axes.scatter(share, risk, color=f"C{colour}", s=18, zorder=3, label=f"promised by {name}")
        for x, y, promised in zip(share, risk, rows["promised"], strict=True):
            if np.isfinite(y):
                axes.annotate(f"{promised:g}", (x, y), (3, 3), textcoords="offset points", size=7)
    axes.set_xlabel("share answered")
    axes.set_ylabel("error rate where an answer is given")
    axes.set_xlim(0, 1.02)
    share, risk = trace_risk(answers)
    axes.set_ylim(0, min(1.0, 1.5 * risk[share > 0.1].max() + 0.02))  # the surest few vary most
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
