"""Send figures, tables, texts and files to loggers that take them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from PIL import Image

from callbacks.loggers.tolerant import TolerantLogger
from callbacks.outputs.figure_fonts import save_figure

if TYPE_CHECKING:  # imported when it is drawn
    from matplotlib.figure import Figure

MAX_TABLE_CELLS = 10_000  # of the interactive matrix: 100 classes; of more, cells with counts


def takes_images(loggers: Iterable[Logger]) -> bool:
    """Return whether a logger shows images; the same in all processes."""
    return any(isinstance(one, TensorBoardLogger | WandbLogger | MLFlowLogger) for one in loggers)


def log_figure(loggers: Iterable[Logger], name: str, figure: Figure, step: int) -> None:
    """Send a figure to each logger that takes images.

    Args:
        loggers: of the trainer, in its first process.
        name: such as ``val/confusion_matrix``.
        figure: is left open.
        step: completed optimizer steps.
    """
    if takes_images(loggers := list(loggers)):
        _log_image(loggers, name, _render_figure(figure), step)


def log_image_file(loggers: Iterable[Logger], name: str, path: Path, step: int) -> None:
    """Send an image of the run folder to each logger that takes images."""
    with Image.open(path) as image:
        _log_image(loggers, name, image.convert("RGB"), step)


def _log_image(loggers: Iterable[Logger], name: str, image: Image.Image, step: int) -> None:
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_image(name, np.asarray(image), step, dataformats="HWC")
        elif isinstance(logger, WandbLogger):
            _attempt(logger, lambda one=logger: _log_wandb_image(one, name, image, step))
        elif isinstance(logger, MLFlowLogger):
            _attempt(logger, lambda one=logger: _log_mlflow_image(one, name, image, step))


def log_confusion_table(
    loggers: Iterable[Logger], name: str, counts: np.ndarray, classes: list[str], step: int
) -> None:
    """Send (classes, classes) counts to W&B as its interactive confusion matrix."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            plot = _make_confusion_plot(counts, classes)
            _attempt(logger, lambda one=logger, plot=plot: _log_wandb(one, {name: plot}, step))


def log_report(loggers: Iterable[Logger], paths: list[Path], step: int) -> None:
    """Send report.md, the first of ``paths``, as text, and all of them as files."""
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_text("report", paths[0].read_text(encoding="utf-8"), step)
            logger.experiment.close()  # writes it
    log_files(loggers, "report", paths)


def log_files(loggers: Iterable[Logger], kind: str, paths: list[Path]) -> None:
    """Send files to W&B as one artifact of type ``kind``, and to MLflow."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            _attempt(logger, lambda one=logger: _log_artifact(one, kind, paths))
        elif isinstance(logger, MLFlowLogger):
            _attempt(logger, lambda one=logger: _log_mlflow_files(one, kind, paths))


def _attempt(logger: Logger, log: Callable[[], Any]) -> None:
    if isinstance(logger, TolerantLogger):
        logger.try_call(log)
    else:
        log()


def _log_wandb(logger: WandbLogger, values: dict[str, Any], step: int) -> None:
    logger.experiment.log({**values, "trainer/global_step": step})


def _log_wandb_image(logger: WandbLogger, name: str, image: Image.Image, step: int) -> None:
    import wandb

    _log_wandb(logger, {name: wandb.Image(image)}, step)


def _log_mlflow_image(logger: MLFlowLogger, name: str, image: Image.Image, step: int) -> None:
    logger.experiment.log_image(logger.run_id, image, f"{name}_{step:08d}.png")


def _log_mlflow_files(logger: MLFlowLogger, kind: str, paths: list[Path]) -> None:
    for path in paths:
        logger.experiment.log_artifact(logger.run_id, str(path), kind)


def _render_figure(figure: Figure) -> Image.Image:
    buffer = io.BytesIO()
    save_figure(figure, buffer, format="png", bbox_inches="tight")
    return Image.open(buffer).convert("RGB")


def _make_confusion_plot(counts: np.ndarray, classes: list[str]) -> Any:
    import wandb

    cells = np.argwhere(counts if counts.size > MAX_TABLE_CELLS else np.ones_like(counts))
    rows = [[classes[i], classes[j], int(counts[i, j])] for i, j in cells]
    columns = ["Actual", "Predicted", "nPredictions"]
    return wandb.plot_table(
        vega_spec_name="wandb/confusion_matrix/v1",
        data_table=wandb.Table(columns=columns, data=rows),
        fields={column: column for column in columns},
        string_fields={"title": "Confusion matrix"},
    )


def _log_artifact(logger: WandbLogger, kind: str, paths: list[Path]) -> None:
    import wandb

    artifact = wandb.Artifact(f"{kind}-{logger.experiment.id}", type=kind)
    for path in paths:
        artifact.add_file(str(path))
    logger.experiment.log_artifact(artifact)
