"""mistakes.png: the clips that a model was surest of, and wrong about, as strips of film."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from callbacks.outputs.figure_fonts import save_figure
from datamodules.base import PreparedDataModule
from datamodules.loading.batches import frame_indices
from experiments.reports.results import Results

STRIPS, FRAMES = 8, 8  # at most; a strip


def draw_mistakes(results: Results, data: PreparedDataModule) -> Path | None:
    """Draw them where frames are pictures; None where they are not, or nothing was wrong."""
    rows = results.predictions
    wrong = rows[rows["label"] != rows["prediction"]]
    if len(data.prepared.meta["frame"]["shape"]) != 2 or wrong.empty:
        return None
    worst = wrong.sort_values("probability", ascending=False).head(STRIPS)
    figure = Figure(figsize=(9, 0.95 * len(worst)), layout="tight")
    axes = figure.subplots(len(worst), 1, squeeze=False)
    for axis, row in zip(axes[:, 0], worst.itertuples(), strict=True):
        axis.imshow(_strip(data, row.id), cmap="gray", vmin=0, vmax=255)
        axis.set_title(_title(row), fontsize=8, loc="left", pad=2)
        axis.axis("off")
    path = results.folder / "mistakes.png"
    save_figure(figure, path, dpi=120)
    return path


def _title(row: pd.Series) -> str:
    return f"{row.label}, taken for {row.prediction} ({row.probability:.2f})   {row.id}"


def _strip(data: PreparedDataModule, identity: str) -> np.ndarray:
    """(H, FRAMES * W): frames of one clip, spread from its beginning to its end."""
    prepared = data.prepared
    place = pd.Index(prepared.manifest["id"]).get_loc(identity)
    at = frame_indices(prepared.lengths[[place]], FRAMES, "resample")[0] + prepared.starts[place]
    return np.hstack(list(prepared.features[at]))
