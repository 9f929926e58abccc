"""Who is taken for whom: confusion_matrix.csv and .png."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import lightning as L
import numpy as np
import pandas as pd
from lightning.pytorch.trainer.states import TrainerFn
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from scipy.cluster.hierarchy import fcluster, leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import squareform

from callbacks.figure_fonts import save_figure
from unvoiced.text import spreadsheet_cells

DPI, FINE_DPI = 120, 160  # of few classes; of many
# The clustered picture, in inches: the matrix is a square, the words of its blocks stand beside it.
WIDTH, HEIGHT, LEFT, BOTTOM, SIDE = 13.5, 11.0, 1.0, 0.9, 9.4
BLOCK_SHARE = 0.05  # of a class's samples that another class of its block gets, on average
BLOCKS, BLOCK_LETTERS, NAME_LETTERS = 24, 44, 16  # marked at most; shown of their words; of a name
LINE = 0.03  # height of a line of words by the matrix's
GAMMA = 0.4  # of the colours: 1 % is seen


class ConfusionMatrix(L.Callback):
    """Writes the confusion matrix of the test (or validation) epoch; rows are the truth.

    Args:
        folder: where the two files go.
        numbers_up_to: classes up to which the picture shows the counts.
        clustered_above: classes above which the picture stays of one size and puts those that
            are mixed up beside each other; the table is always in the order of the classes.
    """

    def __init__(
        self, folder: str | Path, numbers_up_to: int = 30, clustered_above: int = 60
    ) -> None:
        self.folder = Path(folder)
        self.numbers_up_to, self.clustered_above = numbers_up_to, clustered_above

    def on_test_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._write(trainer, module, "test")

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if trainer.state.fn == TrainerFn.VALIDATING:  # not after each epoch of training
            self._write(trainer, module, "val")

    def _write(self, trainer: L.Trainer, module: L.LightningModule, phase: str) -> None:
        if not module.classes:  # of open sentences there is no matrix
            return
        counts = (
            module.compute_confusion(phase).cpu().numpy()
        )  # every process takes part in the sum
        if not trainer.is_global_zero:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        table = pd.DataFrame(counts, index=module.classes, columns=module.classes)
        spreadsheet_cells(table).rename_axis("true").to_csv(self.folder / "confusion_matrix.csv")
        limits = (self.numbers_up_to, self.clustered_above)
        figure = draw_confusion(counts, module.classes, *limits)
        path = self.folder / "confusion_matrix.png"
        save_figure(figure, path, module.classes, dpi="figure", bbox_inches="tight")


def draw_confusion(
    counts: np.ndarray, classes: list[str], numbers_up_to: int = 30, clustered_above: int = 60
) -> Figure:
    """(classes, classes) counts as a picture: colour is the share of the true class.

    Classes that the data does not hold are left out.
    """
    present = np.flatnonzero(counts.sum(0) + counts.sum(1))
    counts, names = counts[np.ix_(present, present)], [classes[i] for i in present]
    if len(names) > max(2, clustered_above):
        return _draw_clustered(counts, names)
    shares = _shares(counts)
    side = max(4.0, 0.32 * len(names))
    figure = Figure(figsize=(side, side), dpi=DPI)
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(_title(counts))
    if len(names) <= numbers_up_to:
        _write_counts(axes, counts, shares)
    return figure


def _shares(counts: np.ndarray) -> np.ndarray:
    """Counts by the samples of the true class; rows without a sample are 0."""
    return counts / np.maximum(counts.sum(1, keepdims=True), 1)


def _title(counts: np.ndarray) -> str:
    return f"{int(np.trace(counts)):,} of {int(counts.sum()):,} right"


def _write_counts(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    for row, column in np.argwhere(counts):
        colour = "white" if shares[row, column] > 0.5 else "black"
        number = f"{int(counts[row, column])}"
        axes.text(column, row, number, ha="center", va="center", color=colour, fontsize=6)


# ---- many classes


def clustered(counts: np.ndarray) -> tuple[np.ndarray, list[slice]]:
    """An order of the classes that puts those that are mixed up beside each other.

    Agglomerative clustering, average linkage, of the mean share that two classes get of each
    other's samples; leaves are ordered as in Bar-Joseph, Gifford and Jaakkola, "Fast optimal leaf
    ordering for hierarchical clustering", Bioinformatics 17, 2001.

    Args:
        counts: (classes, classes), two classes or more; rows are the truth.

    Returns:
        The order (classes,), and blocks of two classes and more as slices of it, those with the
        most errors among themselves first.
    """
    shares = _shares(counts)
    apart = 1 - (shares + shares.T) / 2
    np.fill_diagonal(apart, 0)
    distances = squareform(apart, checks=False)
    tree = optimal_leaf_ordering(linkage(distances, "average"), distances)
    order = leaves_list(tree)
    members = fcluster(tree, 1 - BLOCK_SHARE, "distance")[order]
    edges = [0, *(np.flatnonzero(np.diff(members)) + 1).tolist(), len(order)]
    blocks = [slice(a, b) for a, b in pairwise(edges) if b - a > 1]
    ordered = counts[np.ix_(order, order)]
    return order, sorted(blocks, key=lambda block: -_errors(ordered[block, block]))


def _errors(counts: np.ndarray) -> int:
    return int(counts.sum() - np.trace(counts))


def _draw_clustered(counts: np.ndarray, names: list[str]) -> Figure:
    order, blocks = clustered(counts)
    names = [_shortened(names[i], NAME_LETTERS) for i in order]
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=FINE_DPI)
    axes = figure.add_axes((LEFT / WIDTH, BOTTOM / HEIGHT, SIDE / WIDTH, SIDE / HEIGHT))
    image = axes.imshow(
        _shares(counts)[np.ix_(order, order)],
        cmap="Blues",
        norm=PowerNorm(GAMMA, vmin=0, vmax=1),
        interpolation="nearest",  # one cell may be the whole story of a pair
    )
    step = _name_axes(axes, names)
    each = "" if step == 1 else f"; one class of {step} is named"
    axes.set_title(f"{_title(counts)}; classes that are mixed up stand together{each}")
    _draw_scale(figure, image)
    _mark_blocks(axes, blocks[:BLOCKS], names)
    return figure


def _shortened(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


def _name_axes(axes: Axes, names: list[str]) -> int:
    """Names as large as there is room; where there is none, each n-th one: returns n."""
    points = 72 * SIDE / len(names)  # of a class
    size = float(np.clip(0.85 * points, 5, 9))
    step = int(np.ceil(size / 0.85 / points - 1e-6))
    places = range(0, len(names), step)
    axes.set_xticks(places, names[::step], rotation=90, fontsize=size)
    axes.set_yticks(places, names[::step], fontsize=size)
    axes.tick_params(length=2, pad=1)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    return step


def _draw_scale(figure: Figure, image: AxesImage) -> None:
    place = figure.add_axes(((LEFT + SIDE + 0.3) / WIDTH, 0.4 / HEIGHT, 2.5 / WIDTH, 0.15 / HEIGHT))
    ticks = [0.01, 0.1, 0.25, 0.5, 1]
    scale = figure.colorbar(image, cax=place, orientation="horizontal", ticks=ticks)
    scale.ax.set_xticklabels([f"{tick:.0%}" for tick in ticks], fontsize=7)
    scale.ax.set_title("share of the true class", fontsize=8)


def _mark_blocks(axes: Axes, blocks: Sequence[slice], names: list[str]) -> None:
    """Outline the blocks, and write their words beside the matrix."""
    count = len(names)
    blocks = sorted(blocks, key=lambda block: block.start)
    middles = np.array([(block.start + block.stop - 1) / 2 for block in blocks])
    lines = _spread(middles, LINE * count, count - 1)
    for block, middle, line in zip(blocks, middles, lines, strict=True):
        size, first = block.stop - block.start, block.start - 0.5
        axes.add_patch(Rectangle((first, first), size, size, fill=False, ec="tab:red", lw=0.8))
        axes.annotate(
            _shortened(", ".join(names[block]), BLOCK_LETTERS),
            xy=(block.stop - 0.5, middle),
            xytext=(1.02 * count, line),
            va="center",
            fontsize=8,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "lw": 0.4, "color": "grey", "relpos": (0, 0.5)},
        )


def _spread(places: np.ndarray, gap: float, last: float) -> np.ndarray:
    """Rising ``places``, moved as little as it takes to stand ``gap`` apart, up to ``last``."""
    steps = gap * np.arange(len(places))
    down = np.maximum.accumulate(places - steps) + steps
    ends = last - steps[::-1]
    return np.minimum(down, ends)
