"""Contact sheet of a prepared set: look at samples before training on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from callbacks.outputs.figure_fonts import save_figure
from datamodules.store.dataset import PreparedSet
from unvoiced.vision.skeleton import HAND_BONES

FILE_NAME = "samples.png"
MAX_TILES, COLUMNS = 40, 8
TITLE_LENGTH = 24  # characters
HAND_SHAPE = (63,)


def draw_contact_sheet(prepared: PreparedSet) -> Path:
    """Draw up to ``MAX_TILES`` samples, all classes in turn, into the set's folder.

    A tile shows the middle frame of a clip, the landmarks of a hand, or the channels of EMG.
    """
    rows = choose_samples(prepared.manifest)
    num_lines = -(-len(rows) // COLUMNS)
    figure = Figure(figsize=(1.6 * COLUMNS, 1.7 * num_lines), layout="tight")
    axes = figure.subplots(num_lines, COLUMNS, squeeze=False).ravel()
    for axis, row in zip(axes, rows, strict=False):
        _draw_sample(axis, prepared, row)
        axis.set_title(_title(prepared.manifest.iloc[row]), fontsize=6)
    for axis in axes:
        axis.set_axis_off()
    path = prepared.data_dir / FILE_NAME
    save_figure(figure, path, names=prepared.manifest["label"].iloc[rows], dpi=110)
    return path


def choose_samples(manifest: pd.DataFrame) -> list[int]:
    """Return rows: the first sample of each class, then the second of each, people in turn."""
    order = manifest.groupby(["label", "group"], sort=False).cumcount()
    turn = order.groupby(manifest["label"]).rank(method="first")
    return np.sort(np.argsort(turn.to_numpy(), kind="stable")[:MAX_TILES]).tolist()


def _draw_sample(axis: Any, prepared: PreparedSet, row: int) -> None:
    start, length = int(prepared.starts[row]), int(prepared.lengths[row])
    shape = tuple(prepared.meta["frame"]["shape"])
    if len(shape) == 2:
        middle = prepared.features[np.array([start + length // 2])][0]
        axis.imshow(middle, cmap="gray", vmin=0, vmax=255)
    elif shape == HAND_SHAPE:
        _draw_hand(axis, prepared.features[np.array([start + length // 2])][0])
    else:
        axis.plot(prepared.features[np.arange(start, start + length)], linewidth=0.4)


def _draw_hand(axis: Any, landmarks: np.ndarray) -> None:
    points = np.asarray(landmarks).reshape(21, 3)  # (63,) → (21, 3)
    for bone in HAND_BONES:
        axis.plot(*points[list(bone), :2].T, linewidth=1, color="tab:blue")
    axis.set_aspect("equal")
    axis.invert_yaxis()


def _title(row: pd.Series) -> str:
    label = str(row["label"])
    short = label if len(label) <= TITLE_LENGTH else f"{label[: TITLE_LENGTH - 1]}…"
    return f"{short}\n{str(row['group'])[:TITLE_LENGTH]}".replace("$", r"\$")
