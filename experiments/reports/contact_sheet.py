"""Draw the contact sheet of a prepared set (samples.png), to look at before training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from callbacks.outputs.figure_fonts import create_figure, save_figure
from callbacks.outputs.sample_figures import HAND_SHAPES, draw_hand
from datamodules.store.dataset import PreparedSet
from unvoiced.text import shorten

MAX_TILES, NUM_COLUMNS = 40, 8
MAX_TITLE = 24  # characters


def draw_contact_sheet(prepared: PreparedSet) -> Path:
    """Draw up to ``MAX_TILES`` samples, all classes in turn, into the set's folder.

    A tile shows the middle frame of a clip, the landmarks of a hand, or the channels of EMG.
    """
    rows = choose_samples(prepared.manifest)
    num_lines = -(-len(rows) // NUM_COLUMNS)
    figure = create_figure(figsize=(1.6 * NUM_COLUMNS, 1.7 * num_lines), layout="tight")
    axes = figure.subplots(num_lines, NUM_COLUMNS, squeeze=False).ravel()
    for axis, row in zip(axes, rows, strict=False):
        _draw_sample(axis, prepared, row)
        axis.set_title(_format_title(prepared.manifest.iloc[row]), fontsize=6)
    for axis in axes:
        axis.set_axis_off()
    path = prepared.data_dir / "samples.png"
    save_figure(figure, path, names=prepared.manifest["label"].iloc[rows], dpi=110)
    return path


def choose_samples(manifest: pd.DataFrame) -> list[int]:
    """Return rows: the first sample of each class, then the second, alternating the groups."""
    order = manifest.groupby(["label", "group"], sort=False).cumcount()
    turn = order.groupby(manifest["label"]).rank(method="first")
    return np.sort(np.argsort(turn.to_numpy(), kind="stable")[:MAX_TILES]).tolist()


def _draw_sample(axis: Any, prepared: PreparedSet, row: int) -> None:
    start, length = int(prepared.starts[row]), int(prepared.lengths[row])
    shape = tuple(prepared.meta["frame"]["shape"])
    if len(shape) == 2:
        middle = prepared.features[np.array([start + length // 2])][0]
        axis.imshow(middle, cmap="gray", vmin=0, vmax=255)
    elif shape in HAND_SHAPES:
        draw_hand(axis, prepared.features[np.array([start + length // 2])][0])
    else:
        axis.plot(prepared.features[np.arange(start, start + length)], linewidth=0.4)


def _format_title(row: pd.Series) -> str:
    label, group = shorten(str(row["label"]), MAX_TITLE), str(row["group"])[:MAX_TITLE]
    return f"{label}\n{group}"
