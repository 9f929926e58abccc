"""curves.png: losses and scores, epoch by epoch."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

CURVES = ("train/acc", "val/acc", "train/token_acc", "val/token_acc", "val/wer", "val/closed_acc")


def draw_curves(table: pd.DataFrame, metric: str, best: int, path: Path) -> None:
    """Draw the epochs of ``table``: losses on the left, scores and ``metric`` on the right."""
    figure = Figure(figsize=(9, 3.2))
    losses, scores = figure.subplots(1, 2)
    for name in ("train/loss", "val/loss"):
        if name in table:
            losses.plot(table.index, table[name], label=name)
    shown = dict.fromkeys((*CURVES, metric))
    for name in shown:
        if name in table and not name.endswith("/loss"):
            scores.plot(table.index, table[name], label=name)
    for axes, label in ((losses, "loss"), (scores, "score")):
        axes.axvline(best, color="grey", linestyle=":", label=f"best epoch {best}")
        axes.set_xlabel("epoch")
        axes.set_ylabel(label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
