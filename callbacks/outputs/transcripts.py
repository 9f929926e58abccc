"""Draw validation recordings: the signal, the reference text and the predicted text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning as L
import numpy as np
from lightning.pytorch.trainer.states import TrainerFn

from callbacks.loggers.media import log_figure
from callbacks.outputs.figure_fonts import create_figure, save_figure
from modules.transcription import TranscriptionModule

if TYPE_CHECKING:  # imported where they are drawn
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_SAMPLES_DRAWN = 2000  # per channel: an image has no more columns


class TranscriptFigures(L.Callback):
    """Draws a few recordings of the first validation batch: ``epoch_0001.png``, ….

    Loggers of images (TensorBoard, Weights & Biases) receive the figure too.

    Args:
        folder: of the images.
        recordings: number of recordings per image.
        every_n_epochs: epochs between two images; the last epoch is drawn too.
    """

    def __init__(self, folder: str | Path, recordings: int = 4, every_n_epochs: int = 1) -> None:
        self.folder, self.recordings, self.every = Path(folder), recordings, every_n_epochs

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Require a module that writes text.

        Raises:
            ValueError: the module predicts classes.
        """
        if not isinstance(pl_module, TranscriptionModule):
            raise ValueError(
                f"callbacks.transcripts draws texts, but {type(pl_module).__name__} predicts none. "
                "Use callbacks=default or callbacks=averaged, or set callbacks.transcripts=null"
            )

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        module: L.LightningModule,
        outputs: Any,
        batch: dict[str, Any],
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Draw the first batch, in epochs that are due."""
        epoch = trainer.current_epoch + 1
        is_last = epoch == trainer.max_epochs or trainer.state.fn == TrainerFn.VALIDATING
        is_due = is_last or epoch % self.every == 0
        if batch_idx or not is_due or not trainer.is_global_zero:
            return
        sample_rate = trainer.datamodule.prepared.meta["frame"]["rate"]
        indices = np.linspace(0, len(batch["x"]) - 1, min(self.recordings, len(batch["x"])))
        figure = draw_transcripts(batch, outputs, [round(i) for i in indices], sample_rate)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"epoch_{epoch:04d}.png"
        save_figure(figure, path, dpi=90)
        log_figure(trainer.loggers, "val/transcripts", figure, trainer.global_step)


def draw_transcripts(
    batch: dict[str, Any], outputs: dict[str, Any], indices: list[int], sample_rate: float
) -> Figure:
    """Draw one row per recording: its channels (T, C) over time, reference and prediction.

    Args:
        batch: of the validation, with x (B, T, C), length (B,) and text.
        outputs: of the validation step, with texts.
        indices: recordings to draw.
        sample_rate: of the signal, Hz.
    """
    figure = create_figure(figsize=(9, 2.2 * len(indices)))
    axes = figure.subplots(len(indices), 1, squeeze=False)
    for axis, index in zip(axes[:, 0], indices, strict=True):
        emg = batch["x"][index, : int(batch["length"][index])].float().cpu().numpy()  # (T, C)
        _draw_channels(axis, emg, sample_rate)
        predicted, reference = outputs["texts"][index], batch["text"][index]
        colour = "tab:green" if predicted == reference else "tab:red"
        axis.set_title(f"said: {reference}", fontsize=9, loc="left", pad=3)
        axis.set_xlabel(f"read: {predicted or '(nothing)'}", fontsize=9, loc="left", color=colour)
    figure.tight_layout()
    return figure


def _draw_channels(axis: Axes, emg: np.ndarray, sample_rate: float) -> None:
    step = max(1, len(emg) // MAX_SAMPLES_DRAWN)
    time_s = np.arange(0, len(emg), step) / sample_rate
    gap = 6 * max(float(emg.std()), 1e-6)
    for channel in range(emg.shape[1]):
        axis.plot(time_s, emg[::step, channel] - gap * channel, linewidth=0.4, color="black")
    axis.set_yticks([-gap * c for c in range(emg.shape[1])], range(1, emg.shape[1] + 1))
    axis.tick_params(labelsize=6)
    axis.set_xlim(0, max(float(time_s[-1]), 1 / sample_rate))
