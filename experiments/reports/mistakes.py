"""Draw mistakes.png: clips with confident wrong predictions, as strips of frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from callbacks.outputs.figure_fonts import save_figure
from datamodules.base import PreparedDataModule
from datamodules.loading.batches import frame_indices
from experiments.reports.results import Results

MAX_STRIPS, STRIP_FRAMES = 8, 8


def draw_mistakes(results: Results, data: PreparedDataModule) -> Path | None:
    """Draw the most confident mistakes; return None if frames are no images, or all is right."""
    rows = results.predictions
    wrong = rows[rows["label"] != rows["prediction"]]
    if len(data.prepared.meta["frame"]["shape"]) != 2 or wrong.empty:
        return None
    worst = wrong.sort_values("probability", ascending=False).head(MAX_STRIPS)
    figure = Figure(figsize=(9, 0.95 * len(worst)), layout="tight")
    axes = figure.subplots(len(worst), 1, squeeze=False)
    for axis, row in zip(axes[:, 0], worst.itertuples(), strict=True):
        title = f"{row.label}, taken for {row.prediction} ({row.probability:.2f})   {row.id}"
        axis.imshow(_join_frames(data, row.id), cmap="gray", vmin=0, vmax=255)
        axis.set_title(title, fontsize=8, loc="left", pad=2)
        axis.axis("off")
    path = results.folder / "mistakes.png"
    save_figure(figure, path, dpi=120)
    return path


def _join_frames(data: PreparedDataModule, sample_id: str) -> np.ndarray:
    """Return frames of a clip side by side, from its first to its last: (H, frames * W)."""
    prepared = data.prepared
    row = pd.Index(prepared.manifest["id"]).get_loc(sample_id)
    indices = frame_indices(prepared.lengths[[row]], STRIP_FRAMES, "resample")[0]
    return np.hstack(list(prepared.features[indices + prepared.starts[row]]))
