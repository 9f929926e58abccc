"""Draw curves.png: losses and scores by epoch."""

from __future__ import annotations

from pathlib import Path

from callbacks.outputs.figure_fonts import create_figure
from experiments.reports.training_curve import TrainingCurve

SCORES = ("train/acc", "val/acc", "train/token_acc", "val/token_acc", "val/wer", "val/closed_acc")


def draw_curves(curve: TrainingCurve, path: Path) -> None:
    """Draw losses on the left, scores and the monitored metric on the right."""
    from matplotlib.ticker import MaxNLocator

    figure = create_figure(figsize=(9, 3.2))
    losses, scores = figure.subplots(1, 2)
    names = [name for name in dict.fromkeys((*SCORES, curve.metric)) if not name.endswith("/loss")]
    panels = ((losses, "loss", ["train/loss", "val/loss"]), (scores, "score", names))
    for axes, label, columns in panels:
        for name in columns:
            if name in curve.epochs:
                axes.plot(curve.epochs.index, curve.epochs[name], label=name)
        axes.axvline(curve.best, color="grey", linestyle=":", label=f"best epoch {curve.best}")
        axes.set_xlabel("epoch")
        axes.set_ylabel(label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
