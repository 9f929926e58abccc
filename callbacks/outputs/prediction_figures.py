"""Draw correct predictions and the most confident errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pandas as pd
from lightning.pytorch.trainer.states import TrainerFn

from callbacks.loggers.media import log_figure, takes_images
from callbacks.outputs.figure_fonts import save_figure
from callbacks.outputs.kept_outputs import KeptOutputs
from callbacks.outputs.predictions import gather_tables, tabulate_predictions
from callbacks.outputs.sample_figures import choose_frames, draw_samples

FILE_NAMES = {"right": "right.png", "errors": "mistakes.png"}


class PredictionFigures(KeptOutputs):
    """Draws two figures: correct predictions and the most confident errors.

    After a test, and in stage=validate, they are ``right.png`` and ``mistakes.png``. Loggers of
    images receive them too, also after validations of the training.

    Args:
        folder: of the two files.
        samples: samples per figure.
        every_n_epochs: epochs between validations that are drawn; the test always is.
    """

    def __init__(self, folder: str | Path, samples: int = 8, every_n_epochs: int = 1) -> None:
        super().__init__()
        self.folder, self.samples, self.every_n_epochs = Path(folder), samples, every_n_epochs

    def on_validation_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, *_: Any
    ) -> None:
        """Keep the outputs of the batch, in epochs that are due."""
        is_shown = takes_images(trainer.loggers) or trainer.state.fn == TrainerFn.VALIDATING
        if is_shown and is_due(trainer, self.every_n_epochs):
            self._outputs.append(outputs)

    def on_test_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, *_: Any
    ) -> None:
        """Keep the outputs of the batch."""
        self._outputs.append(outputs)

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Draw the validation."""
        self._draw_figures(trainer, module, "val")

    def on_test_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Draw the test."""
        self._draw_figures(trainer, module, "test")

    def _draw_figures(self, trainer: L.Trainer, module: L.LightningModule, phase: str) -> None:
        outputs, self._outputs = self._outputs, []
        if not outputs:
            return
        prepared = trainer.datamodule.prepared
        rows = tabulate_predictions(prepared.manifest, module, outputs)
        rows = gather_tables(trainer, rows)
        if not trainer.is_global_zero:
            return
        for name, chosen in choose_predictions(rows, self.samples).items():
            path = self.folder / FILE_NAMES[name]
            if trainer.state.fn != TrainerFn.FITTING:
                path.unlink(missing_ok=True)  # of an earlier test
            if not chosen.empty:
                self._draw_figure(trainer, prepared, chosen, f"{phase}/{name}", path)

    def _draw_figure(
        self, trainer: L.Trainer, prepared: Any, chosen: pd.DataFrame, name: str, path: Path
    ) -> None:
        recordings = [read_recording(prepared, row) for row in chosen["row"]]
        titles = [f"{format_prediction(row)}   {row['id']}" for _, row in chosen.iterrows()]
        figure = draw_samples(recordings, titles, [name.endswith("/right")] * len(chosen))
        if trainer.state.fn != TrainerFn.FITTING:
            path.parent.mkdir(parents=True, exist_ok=True)
            save_figure(figure, path, dpi=120)
        log_figure(trainer.loggers, name, figure, trainer.global_step)


def is_due(trainer: L.Trainer, every_n_epochs: int) -> bool:
    """Return whether a validation is drawn: by epoch, the last one, and in stage=validate."""
    if trainer.sanity_checking:
        return False
    epoch = trainer.current_epoch + 1
    is_last = epoch == trainer.max_epochs or trainer.state.fn == TrainerFn.VALIDATING
    return is_last or epoch % every_n_epochs == 0


def choose_predictions(rows: pd.DataFrame, count: int) -> dict[str, pd.DataFrame]:
    """Return ``right`` predictions, evenly chosen, and the ``errors`` with the most confidence."""
    is_right = rows[_name_truth(rows)] == rows["prediction"]
    right = rows[is_right]
    chosen = np.unique(np.linspace(0, max(len(right) - 1, 0), count).round().astype(int))
    errors = rows[~is_right].sort_values("probability", ascending=False, kind="stable")
    return {"right": right.iloc[chosen[: len(right)]], "errors": errors.head(count)}


def format_prediction(row: pd.Series) -> str:
    """Return the prediction, its confidence, and the true label if it differs."""
    truth = str(row[_name_truth(row)])
    answer = f"{row['prediction'] or '(nothing)'} {row['probability']:.2f}"
    return answer if truth == row["prediction"] else f"{answer}, true: {truth}"


def _name_truth(rows: pd.DataFrame | pd.Series) -> str:
    return "reference" if "reference" in rows else "label"


def read_recording(prepared: Any, row: int) -> np.ndarray:
    """Return the frames (T, ...) of a sample of a prepared set that are drawn."""
    is_film = len(prepared.meta["frame"]["shape"]) == 2
    frames = choose_frames(int(prepared.lengths[row]), is_film)
    return np.asarray(prepared.features[frames + int(prepared.starts[row])])
