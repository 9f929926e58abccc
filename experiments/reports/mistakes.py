"""Draw mistakes.png: the wrong predictions with the most confidence."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from callbacks.outputs.figure_fonts import save_figure
from callbacks.outputs.prediction_figures import (
    choose_predictions,
    format_prediction,
    read_recording,
)
from callbacks.outputs.sample_figures import draw_samples
from datamodules.base import PreparedDataModule
from experiments.reports.results import Results

MAX_STRIPS = 8


def draw_mistakes(results: Results, data: PreparedDataModule) -> Path | None:
    """Draw the most confident mistakes; return None if frames are no images, or all is right."""
    predictions = results.predictions
    if len(data.prepared.meta["frame"]["shape"]) != 2 or predictions.empty:
        return None
    worst = choose_predictions(predictions, MAX_STRIPS)["errors"]
    if worst.empty:
        return None
    rows = pd.Index(data.prepared.manifest["id"]).get_indexer(worst["id"])
    titles = [f"{format_prediction(row)}   {row['id']}" for _, row in worst.iterrows()]
    figure = draw_samples(
        [read_recording(data.prepared, row) for row in rows], titles, [False] * len(worst)
    )
    path = results.folder / "mistakes.png"
    save_figure(figure, path, dpi=120)
    return path
