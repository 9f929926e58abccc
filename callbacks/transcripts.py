"""Pictures of validation recordings: the signal above, what was said and what is read below."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from lightning.pytorch.trainer.states import TrainerFn
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from callbacks.figure_fonts import save_figure
from modules.transcription import TranscriptionModule

DRAWN_SAMPLES = 2000  # of a recording, at most: a picture has no more columns


class Transcripts(L.Callback):
    """Draws a few recordings of the first validation batch: ``epoch_0001.png``, ….

    A logger that takes pictures (TensorBoard, Weights & Biases) is given them too.

    Args:
        folder: where the pictures go.
        recordings: in a picture.
        every_n_epochs: how often; the last epoch that there may be is drawn too.

    Raises:
        ValueError: the task writes no text.
    """

    def __init__(self, folder: str | Path, recordings: int = 4, every_n_epochs: int = 1) -> None:
        self.folder, self.recordings, self.every = Path(folder), recordings, every_n_epochs

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if not isinstance(pl_module, TranscriptionModule):
            raise ValueError(
                f"callbacks.transcripts draws texts, and {type(pl_module).__name__} writes none. "
                "Take callbacks=default or callbacks=averaged, or set callbacks.transcripts=null"
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
        epoch = trainer.current_epoch + 1
        last = epoch == trainer.max_epochs or trainer.state.fn == TrainerFn.VALIDATING
        if batch_idx or not (last or epoch % self.every == 0) or not trainer.is_global_zero:
            return
        rate = trainer.datamodule.prepared.meta["frame"]["rate"]
        chosen = np.linspace(0, len(batch["x"]) - 1, min(self.recordings, len(batch["x"])))
        figure = draw_transcripts(batch, outputs, [round(i) for i in chosen], rate)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"epoch_{epoch:04d}.png"
        save_figure(figure, path, dpi=90)
        for logger in trainer.loggers:
            _give(logger, figure, path, epoch)


def _give(logger: Any, figure: Figure, path: Path, epoch: int) -> None:
    experiment = getattr(logger, "experiment", None)
    if hasattr(experiment, "add_figure"):  # TensorBoard
        experiment.add_figure("val/transcripts", figure, epoch, close=False)
    elif hasattr(logger, "log_image"):  # Weights & Biases
        logger.log_image("val/transcripts", [str(path)])


def draw_transcripts(
    batch: dict[str, Any], outputs: dict[str, Any], chosen: list[int], rate: float
) -> Figure:
    """A row a recording: its channels (T, C) over time, then reference and hypothesis."""
    figure = Figure(figsize=(9, 2.2 * len(chosen)))
    axes = figure.subplots(len(chosen), 1, squeeze=False)
    for axis, place in zip(axes[:, 0], chosen, strict=True):
        emg = batch["x"][place, : int(batch["length"][place])].float().cpu().numpy()  # (T, C)
        _draw_channels(axis, emg, rate)
        said, true = outputs["texts"][place], batch["text"][place]
        colour = "tab:green" if said == true else "tab:red"
        axis.set_title(f"said: {true}", fontsize=9, loc="left", pad=3)
        axis.set_xlabel(f"read: {said or '(nothing)'}", fontsize=9, loc="left", color=colour)
    figure.tight_layout()
    return figure


def _draw_channels(axis: Axes, emg: np.ndarray, rate: float) -> None:
    step = max(1, len(emg) // DRAWN_SAMPLES)
    time_s = np.arange(0, len(emg), step) / rate
    gap = 6 * max(float(emg.std()), 1e-6)
    for channel in range(emg.shape[1]):
        axis.plot(time_s, emg[::step, channel] - gap * channel, linewidth=0.4, color="black")
    axis.set_yticks([-gap * c for c in range(emg.shape[1])], range(1, emg.shape[1] + 1))
    axis.tick_params(labelsize=6)
    axis.set_xlim(0, max(float(time_s[-1]), 1 / rate))
