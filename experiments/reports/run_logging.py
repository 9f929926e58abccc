"""Send the results of a run to its loggers: report, figures, best checkpoint."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lightning.pytorch.loggers import Logger

from callbacks.loggers.media import log_files, log_image_file, log_report, takes_images

FIGURES = ("curves",)


def log_results(
    loggers: Iterable[Logger], folder: Path, step: int, best: str | Path | None = None
) -> None:
    """Send report.md, its figures and, if configured, a checkpoint to the loggers.

    Args:
        loggers: of the trainer, in its first process.
        folder: the run folder.
        step: completed optimizer steps.
        best: the checkpoint to send as an artifact; None or "" for none.
    """
    loggers = list(loggers)
    if not takes_images(loggers):
        return
    figures = [path for name in FIGURES if (path := folder / f"{name}.png").is_file()]
    for path in figures:
        log_image_file(loggers, f"report/{path.stem}", path, step)
    log_report(loggers, [folder / "report.md", *sorted(folder.glob("*.png"))], step)
    if best:
        log_files(loggers, "model", [Path(best)])
