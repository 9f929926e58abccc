"""Write the confusion matrix: confusion_matrix.csv and .png."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import lightning as L
import numpy as np
import pandas as pd
from lightning.pytorch.trainer.states import TrainerFn

from callbacks.loggers.media import log_confusion_table, log_figure, takes_images
from callbacks.outputs.figure_fonts import create_figure, save_figure
from callbacks.outputs.prediction_figures import is_due
from unvoiced.text import escape_controls, shorten, spreadsheet_cells

if TYPE_CHECKING:  # imported where they are drawn
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

# Layout of the clustered figure, in inches: a square matrix next to the names of its blocks.
FIGURE_WIDTH, FIGURE_HEIGHT, LEFT_MARGIN, BOTTOM_MARGIN, MATRIX_SIDE = 13.5, 11.0, 1.0, 0.9, 9.4
MIN_BLOCK_SHARE = 0.05  # mean share of a class's samples that other classes of its block get
MAX_BLOCKS = 24  # outlined
MAX_NAME = 40  # characters of a class


class ConfusionMatrix(L.Callback):
    """Writes the confusion matrix of the test (or validation) epoch; rows are the true classes.

    During training, loggers of images receive the matrix of the validation.

    Args:
        folder: of the two files.
        numbers_up_to: largest number of classes for which the figure shows counts.
        clustered_above: number of classes above which the figure has a fixed size and orders the
            classes by similarity; the table always has them in their own order.
        every_n_epochs: epochs between validations that loggers receive; the last one is sent too.
    """

    def __init__(
        self,
        folder: str | Path,
        numbers_up_to: int = 30,
        clustered_above: int = 60,
        every_n_epochs: int = 1,
    ) -> None:
        self.folder = Path(folder)
        self.every_n_epochs = every_n_epochs
        self.numbers_up_to, self.clustered_above = numbers_up_to, clustered_above

    def on_test_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Write the matrix of the test."""
        self._write_matrix(trainer, module, "test")

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Write the matrix in stage=validate; during training, send it to the loggers."""
        is_sent = takes_images(trainer.loggers) and is_due(trainer, self.every_n_epochs)
        if trainer.state.fn == TrainerFn.VALIDATING or is_sent:
            self._write_matrix(trainer, module, "val")

    def _write_matrix(self, trainer: L.Trainer, module: L.LightningModule, phase: str) -> None:
        if not module.classes:  # open sentences have no classes
            return
        counts = module.compute_confusion(phase).cpu().numpy()  # sums over all processes
        if not trainer.is_global_zero:
            return
        classes = [escape_controls(str(name)) for name in module.classes]
        if takes_images(trainer.loggers):
            limits = (self.numbers_up_to, self.clustered_above)
            figure = draw_confusion_matrix(counts, classes, *limits)
            loggers, name, step = trainer.loggers, f"{phase}/confusion_matrix", trainer.global_step
            log_figure(loggers, name, figure, step)
            log_confusion_table(loggers, f"{name}_plot", counts, classes, step)
        if trainer.state.fn != TrainerFn.FITTING:
            self._write_files(counts, classes)

    def _write_files(self, counts: np.ndarray, classes: list[str]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        table = pd.DataFrame(counts, index=classes, columns=classes)
        limits = (self.numbers_up_to, self.clustered_above)
        save_confusion_matrix(table, self.folder / "confusion_matrix.csv", *limits)


def save_confusion_matrix(
    table: pd.DataFrame, path: Path, numbers_up_to: int = 30, clustered_above: int = 60
) -> None:
    """Write counts as ``path`` (.csv) and as an image of the same name (.png)."""
    spreadsheet_cells(table).rename_axis("true").to_csv(path)
    classes = [str(name) for name in table]
    figure = draw_confusion_matrix(table.to_numpy(), classes, numbers_up_to, clustered_above)
    save_figure(figure, path.with_suffix(".png"), classes, dpi="figure", bbox_inches="tight")


def draw_confusion_matrix(
    counts: np.ndarray, classes: list[str], numbers_up_to: int = 30, clustered_above: int = 60
) -> Figure:
    """Draw (classes, classes) counts; the colour is the share of the true class.

    Classes without any count are left out.
    """
    present = np.flatnonzero(counts.sum(0) + counts.sum(1))
    counts = counts[np.ix_(present, present)]
    names = [shorten(escape_controls(classes[i]), MAX_NAME) for i in present]
    if len(names) > max(2, clustered_above):
        return _draw_clustered(counts, names)
    shares = _divide_by_class(counts)
    side = max(4.0, 0.32 * len(names))
    figure = create_figure(figsize=(side, side), dpi=120)
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(_format_title(counts))
    if len(names) <= numbers_up_to:
        _draw_counts(axes, counts, shares)
    return figure


def _divide_by_class(counts: np.ndarray) -> np.ndarray:
    """Divide counts by the samples of the true class; rows without samples are 0."""
    return counts / np.maximum(counts.sum(1, keepdims=True), 1)


def _format_title(counts: np.ndarray) -> str:
    return f"{int(np.trace(counts)):,} of {int(counts.sum()):,} right"


def _draw_counts(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    for row, column in np.argwhere(counts):
        colour = "white" if shares[row, column] > 0.5 else "black"
        number = f"{int(counts[row, column])}"
        axes.text(column, row, number, ha="center", va="center", color=colour, fontsize=6)


# ---- many classes


def cluster_classes(counts: np.ndarray) -> tuple[np.ndarray, list[slice]]:
    """Order the classes so that confused ones are next to each other.

    Agglomerative clustering with average linkage, by the mean share of samples that two classes
    lose to each other. Leaves are ordered as in Bar-Joseph, Gifford and Jaakkola, "Fast optimal
    leaf ordering for hierarchical clustering", Bioinformatics 17, 2001.

    Args:
        counts: (classes, classes), two classes or more; rows are the true classes.

    Returns:
        The order (classes,), and blocks of two classes or more as slices of it, those with the most
        errors inside first.
    """
    from scipy.cluster.hierarchy import fcluster, leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    shares = _divide_by_class(counts)
    distance_matrix = 1 - (shares + shares.T) / 2
    np.fill_diagonal(distance_matrix, 0)
    distances = squareform(distance_matrix, checks=False)
    tree = optimal_leaf_ordering(linkage(distances, "average"), distances)
    order = leaves_list(tree)
    clusters = fcluster(tree, 1 - MIN_BLOCK_SHARE, "distance")[order]
    edges = [0, *(np.flatnonzero(np.diff(clusters)) + 1).tolist(), len(order)]
    blocks = [slice(a, b) for a, b in pairwise(edges) if b - a > 1]
    errors = counts[np.ix_(order, order)]
    np.fill_diagonal(errors, 0)
    return order, sorted(blocks, key=lambda block: -errors[block, block].sum())


def _draw_clustered(counts: np.ndarray, names: list[str]) -> Figure:
    from matplotlib.colors import PowerNorm

    order, blocks = cluster_classes(counts)
    names = [shorten(names[i], 16) for i in order]
    figure = create_figure(figsize=(FIGURE_WIDTH, FIGURE_HEIGHT), dpi=160)
    axes = _add_axes(figure, LEFT_MARGIN, BOTTOM_MARGIN, MATRIX_SIDE, MATRIX_SIDE)
    image = axes.imshow(
        _divide_by_class(counts)[np.ix_(order, order)],
        cmap="Blues",
        norm=PowerNorm(0.4, vmin=0, vmax=1),  # makes 1 % visible
        interpolation="nearest",  # a pair may have a single cell
    )
    step = _label_axes(axes, names)
    labels = "" if step == 1 else f"; one class of {step} is named"
    axes.set_title(f"{_format_title(counts)}; confused classes are adjacent{labels}")
    _draw_colour_bar(figure, image)
    _outline_blocks(axes, blocks[:MAX_BLOCKS], names)
    return figure


def _add_axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Add axes at a position in inches."""
    sides = (FIGURE_WIDTH, FIGURE_HEIGHT)
    return figure.add_axes(
        (left / sides[0], bottom / sides[1], width / sides[0], height / sides[1])
    )


def _label_axes(axes: Axes, names: list[str]) -> int:
    """Label classes as large as fits; if too small, label every n-th. Return n."""
    points = 72 * MATRIX_SIDE / len(names)  # per class
    size = float(np.clip(0.85 * points, 5, 9))
    step = int(np.ceil(size / 0.85 / points - 1e-6))
    ticks = range(0, len(names), step)
    axes.set_xticks(ticks, names[::step], rotation=90, fontsize=size)
    axes.set_yticks(ticks, names[::step], fontsize=size)
    axes.tick_params(length=2, pad=1)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    return step


def _draw_colour_bar(figure: Figure, image: AxesImage) -> None:
    axes = _add_axes(figure, LEFT_MARGIN + MATRIX_SIDE + 0.3, 0.4, 2.5, 0.15)
    ticks = [0.01, 0.1, 0.25, 0.5, 1]
    bar = figure.colorbar(image, cax=axes, orientation="horizontal", ticks=ticks)
    bar.ax.set_xticklabels([f"{tick:.0%}" for tick in ticks], fontsize=7)
    bar.ax.set_title("share of the true class", fontsize=8)


def _outline_blocks(axes: Axes, blocks: Sequence[slice], names: list[str]) -> None:
    """Outline the blocks, and write their classes next to the matrix."""
    from matplotlib.patches import Rectangle

    count = len(names)
    blocks = sorted(blocks, key=lambda block: block.start)
    middles = np.array([(block.start + block.stop - 1) / 2 for block in blocks])
    lines = _spread_lines(middles, gap=0.03 * count, last=count - 1)
    for block, middle, line in zip(blocks, middles, lines, strict=True):
        size, first = block.stop - block.start, block.start - 0.5
        axes.add_patch(Rectangle((first, first), size, size, fill=False, ec="tab:red", lw=0.8))
        axes.annotate(
            shorten(", ".join(names[block]), 44),
            xy=(block.stop - 0.5, middle),
            xytext=(1.02 * count, line),
            va="center",
            fontsize=8,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "lw": 0.4, "color": "grey", "relpos": (0, 0.5)},
        )


def _spread_lines(positions: np.ndarray, gap: float, last: float) -> np.ndarray:
    """Move rising ``positions`` as little as needed to be ``gap`` apart, up to ``last``."""
    steps = gap * np.arange(len(positions))
    down = np.maximum.accumulate(positions - steps) + steps
    ends = last - steps[::-1]
    return np.minimum(down, ends)
