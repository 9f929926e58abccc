"""The section of report.md on answers and silence: promised against real coverage."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from callbacks.outputs.confidence import FIGURE_NAME, TABLE_NAME
from experiments.reports.markdown import format_table

COLUMNS = {
    "calibration": "calibrated on",
    "promised": "promised",
    "coverage": "real coverage",
    "worst": "worst person",
    "answered": "share answered",
    "acc_answered": "accuracy where answered",
}
VALIDATION_NOTE = (
    "The validation samples of a training are those that the model's own promise was calibrated "
    "on, so that it is kept by construction.\n"
)


def format_coverage(folder: Path, was_tested: bool) -> str:
    """Return the section on coverage; empty where it was not measured.

    Args:
        folder: of the run.
        was_tested: whether samples of the test were measured, not of the validation.
    """
    if not (folder / FIGURE_NAME).exists():
        return ""
    parts = [
        "## Answer or none\n",
        "A promised coverage of 0.9 allows at most 10 % wrong answers: the model answers from the "
        "probability on that kept this promise on the recordings of the first column, and is "
        "silent below it. Real coverage is the share of the tested recordings without a wrong "
        "answer; each person counts equally.\n",
        *([] if was_tested else [VALIDATION_NOTE]),
        _format_comparison(folder / TABLE_NAME),
        f"![risk–coverage curve]({FIGURE_NAME})\n",
    ]
    return "\n".join(parts)


def _format_comparison(path: Path) -> str:
    try:
        table = pd.read_csv(path)
    except pd.errors.EmptyDataError:  # no table of the model, and one person
        return "The model states no confidence, and one person alone is tested: nothing to compare."
    for name in ("coverage", "worst", "answered", "acc_answered"):
        table[name] = table[name].map("{:.3f}".format).replace("nan", "no answer")
    return format_table(table.rename(columns=COLUMNS)[list(COLUMNS.values())])
