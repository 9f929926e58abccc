"""The epochs of a run as a table with notes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.reports.checkpoints import find_epoch, list_checkpoints
from experiments.reports.markdown import format_list, format_number, format_table
from experiments.reports.training_curve import (
    DROP_SHARE,
    LOSS_RISE,
    OVERFITTING_EPOCHS,
    TrainingCurve,
)
from experiments.runs.run_folder import Run

MAX_ROWS = 40  # of the table in summary.md; summary.csv has all epochs
NOTES = {
    "initial": "the first epoch",
    "best": "the epoch with the best score; of several, the last",
    "drop": f"the score is worse than the best so far by more than {DROP_SHARE:.0%} of it, or of "
    "the way from the worst so far to it, whichever is more",
    "recovery": "after a drop, the score is back within half of that",
    "overfitting": f"the first of {OVERFITTING_EPOCHS} epochs after the best with a lower training "
    f"loss, and a score worse by a drop or a validation loss {LOSS_RISE - 1:.0%} above its lowest",
    "NaN": "the training loss is not a finite number; metrics.csv may show it as an empty cell",
    "cut short": "the last epoch has no training values: the run ended within it",
    "last": "the last epoch",
}


def tabulate_epochs(run: Run) -> pd.DataFrame:
    """Return score, best so far, losses, learning rate, checkpoints and notes of every epoch."""
    curve, sign = run.curve, 1 if run.mode == "max" else -1
    table = pd.DataFrame(
        {
            f"best {curve.metric}": sign * curve.gains.cummax().ffill(),
            curve.metric: curve.scores,
            "train/loss": curve.losses,
            "val/loss": curve.get_column("val/loss"),
            "learning rate": curve.learning_rates,
        }
    )
    files = [(find_epoch(file, curve), file.name) for file in list_checkpoints(run.folder)]
    notes = find_notes(curve)
    table["checkpoint"] = [", ".join(f for at, f in files if at == e) for e in table.index]
    table["notes"] = [", ".join(notes.get(int(e), [])) for e in table.index]
    return table


def find_notes(curve: TrainingCurve) -> dict[int, list[str]]:
    """Return the notes of each epoch that has any, by the rules in NOTES."""
    drops, recoveries = curve.find_drops()
    last = [curve.epochs.index[-1]]
    epochs = {
        "initial": [curve.epochs.index[0]],
        "best": [curve.best],
        "drop": drops,
        "recovery": recoveries,
        "overfitting": curve.find_overfitting()[:1],
        "NaN": curve.nan_epochs,
        "cut short": last if curve.is_cut_short else [],
        "last": last,
    }
    notes = pd.Series(epochs).explode().dropna().astype(int)
    return {epoch: list(names.index) for epoch, names in notes.groupby(notes)}


def choose_epochs(table: pd.DataFrame, limit: int = MAX_ROWS) -> list[int]:
    """Return the epochs to show: first, best, last, those with notes, and those with checkpoints.

    If they are too many, drops and recoveries come before epochs noted for NaN alone, and these
    before epochs with only a checkpoint; the rest of a kind is spread evenly.
    """
    notes, nan = table["notes"], table["notes"].str.contains("NaN")
    kinds = [
        notes.str.contains("initial|best|overfitting|last|cut short") | (nan & (nan.cumsum() == 1)),
        notes.str.contains("drop|recovery"),
        nan,
        table["checkpoint"] != "",
    ]
    chosen = table.index[:0]
    for kind in kinds:
        more = table.index[kind].difference(chosen)
        spread = np.linspace(0, len(more) - 1, min(len(more), limit - len(chosen)))
        chosen = chosen.union(more[spread.round().astype(int)])
    return [int(epoch) for epoch in chosen]


def label_nan_losses(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table for summary.csv: a training loss that is not a number is called NaN."""
    is_nan = table["notes"].str.contains("NaN") & table["train/loss"].isna()
    losses = table["train/loss"].astype(object).where(table["train/loss"].notna(), "")
    return table.assign(**{"train/loss": losses.mask(is_nan, "NaN")})


def format_epochs(table: pd.DataFrame, run: Run) -> str:
    """Return a Markdown section: the table of chosen epochs, and the rules of its notes."""
    rows = label_nan_losses(table.loc[choose_epochs(table)])
    for name in (f"best {run.metric}", run.metric, "val/loss"):
        rows[name] = table.loc[rows.index, name].map(format_number)
    losses = rows["train/loss"]
    rows["train/loss"] = [x if isinstance(x, str) else format_number(x) for x in losses]
    rows["learning rate"] = rows["learning rate"].map(lambda rate: format_number(rate, ".4g"))
    names = [name for name in NOTES if rows["notes"].str.contains(name).any()]
    rules = format_list([f"{name}: {NOTES[name]}" for name in names])
    title = f"## Epochs\n\n{run.metric} ({run.mode}): {len(rows)} of {len(table):,} epochs; "
    return f"{title}summary.csv has all.\n\n{format_table(rows.reset_index())}\n{rules}"
