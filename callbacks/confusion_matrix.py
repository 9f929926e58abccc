"""Who is taken for whom: confusion_matrix.csv and .png."""

from __future__ import annotations

from pathlib import Path

import lightning as L
import numpy as np
import pandas as pd
from lightning.pytorch.trainer.states import TrainerFn
from matplotlib.axes import Axes
from matplotlib.figure import Figure


class ConfusionMatrix(L.Callback):
    """Writes the confusion matrix of the test (or validation) epoch; rows are the truth.

    Args:
        folder: where the two files go.
        numbers_up_to: classes up to which the picture shows the counts.
    """

    def __init__(self, folder: str | Path, numbers_up_to: int = 30) -> None:
        self.folder, self.numbers_up_to = Path(folder), numbers_up_to

    def on_test_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._write(trainer, module, "test")

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if trainer.state.fn == TrainerFn.VALIDATING:  # not after each epoch of training
            self._write(trainer, module, "val")

    def _write(self, trainer: L.Trainer, module: L.LightningModule, phase: str) -> None:
        if not module.classes:  # of open sentences there is no matrix
            return
        counts = module.confusion(phase).cpu().numpy()  # every process takes part in the sum
        if not trainer.is_global_zero:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        table = pd.DataFrame(counts, index=module.classes, columns=module.classes)
        table.rename_axis("true").to_csv(self.folder / "confusion_matrix.csv")
        figure = draw_confusion(counts, module.classes, self.numbers_up_to)
        figure.savefig(self.folder / "confusion_matrix.png", dpi=120, bbox_inches="tight")


def draw_confusion(counts: np.ndarray, classes: list[str], numbers_up_to: int = 30) -> Figure:
    """(classes, classes) counts as a picture: colour is the share of the true class.

    Classes that the data does not hold are left out.
    """
    present = np.flatnonzero(counts.sum(0) + counts.sum(1))
    counts, names = counts[np.ix_(present, present)], [classes[i] for i in present]
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = max(4.0, 0.32 * len(names))
    figure = Figure(figsize=(side, side))
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(f"{int(np.trace(counts)):,} of {int(counts.sum()):,} right")
    if len(names) <= numbers_up_to:
        _write_counts(axes, counts, shares)
    return figure


def _write_counts(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    for row, column in np.argwhere(counts):
        colour = "white" if shares[row, column] > 0.5 else "black"
        number = f"{int(counts[row, column])}"
        axes.text(column, row, number, ha="center", va="center", color=colour, fontsize=6)
