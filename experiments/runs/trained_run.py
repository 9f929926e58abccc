"""The newest trained run of a task, and a description of its model for visitors of the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from experiments.checkpoints.starters import is_starter
from experiments.launch.console import logger
from experiments.runs.run_folder import Run, list_checkpoints, read_run
from unvoiced.tasks import get_task


def find_newest_checkpoint(task: str) -> Path | None:
    """Return the best checkpoint of the newest run of a task that is fit for use."""
    for path in list_checkpoints(task):
        run = read_run(path.parents[1])
        reason = explain_unfit(run, task)
        if not reason:
            score = run.test_score or "never tested"
            logger.info(f"Using the newest run of task {task}: ckpt_path={path} ({score})")
            return path
        logger.info(f"Skipping {run.folder}: {reason}. ckpt_path={path} uses it anyway.")
    return None


def explain_unfit(run: Run, task: str) -> str:
    """Return why a run is not fit for use; empty if it is."""
    settings = run.settings
    if not settings:
        return "it has no config.yaml, as the folder of a benchmark"
    is_unfinished = settings.get("stage", "fit") == "fit" and not run.numbers
    if is_unfinished and get_task(task).starter is not None:
        return "its training has not finished (no metrics.json)"
    if run.task not in (task, "unknown"):
        return f"it belongs to task {run.task}"
    if settings.get("size") == "tiny":
        return "a smoke or debug run, trained on a few samples"
    if settings.get("trainer.fast_dev_run") or settings.get("trainer.overfit_batches"):
        return "a debug run, trained on a few batches"
    if settings.get("trainer.limit_train_batches") not in (None, 1.0):
        return "trained on a part of its data (trainer.limit_train_batches)"
    return ""


def describe_model(task: str, simulated: bool, has_leakage: bool, checkpoint: Path | None) -> str:
    """Return a model's training data and test accuracy in plain words.

    Args:
        checkpoint: its run may have tested it; None for an ensemble.
    """
    source = get_task(task).simulated_source if simulated else "on recordings of people"
    tested = ""
    if checkpoint is not None:
        starter = get_task(task).starter
        is_own = starter is not None and is_starter(checkpoint, task)
        tested = f"It reads {starter.reads}." if is_own else _describe_test(task, checkpoint)
    warning = " The same people were in its training: expect less from it with you."
    return (
        f"This program learned {source}. {tested or 'How well it reads was not measured.'}"
        f"{warning * bool(tested and has_leakage)}"
    )


def _describe_test(task: str, checkpoint: Path) -> str:
    """Return the test accuracy of a run in plain words; empty without a test."""
    folder = checkpoint.absolute().parents[1]
    metrics = read_run(folder).numbers if checkpoint.name == "best.ckpt" else {}
    count, accuracy = metrics.get("test/n"), _compute_accuracy(metrics)
    if accuracy is None or not isinstance(count, int):
        return ""
    source = "made-up recordings" if metrics.get("simulated") else "recordings"
    return (
        f"In its test, on {count:,} {source}, it read {round(100 * accuracy)} of 100 "
        f"{get_task(task).unit} correctly."
    )


def _compute_accuracy(metrics: dict[str, Any]) -> float | None:
    """Return the share of letters or words that were read correctly, if it was measured."""
    for name, share in (("test/acc", 0), ("test/wer", 1)):
        value = metrics.get(name)
        if isinstance(value, int | float):
            return min(max(abs(share - value) if value <= 1 else 0.0, 0.0), 1.0)
    return None
