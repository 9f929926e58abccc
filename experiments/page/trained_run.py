"""Which run stage=serve takes where none is named, and what visitors read about its model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from experiments.launch.console import tell
from experiments.runs.run_folder import Run, read_run
from unvoiced.tasks import get_task

BEST_CHECKPOINT = "*/checkpoints/best.ckpt"
UNMEASURED = "How well it reads was not measured."


def find_newest(task: str) -> Path | None:
    """Return the best checkpoint of the newest run of the task that was meant to be used."""
    paths = Path("outputs", task).glob(BEST_CHECKPOINT)
    for path in sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True):
        run = read_run(path.parents[1])
        reason = unfit_reason(run, task)
        if not reason:
            tell(f"Taking the newest run of task {task}: ckpt_path={path} ({_score(run)})")
            return path
        tell(f"Leaving out {run.folder}: {reason}. ckpt_path={path} takes it all the same.")
    return None


def unfit_reason(run: Run, task: str) -> str:
    """Return why a run is no model to show to people; empty where it is one."""
    settings = run.settings
    if run.task not in (task, "unknown"):
        return f"it is of task {run.task}"
    if settings.get("size") == "tiny":
        return "a smoke or debug run, trained on a few samples"
    if settings.get("trainer.fast_dev_run") or settings.get("trainer.overfit_batches"):
        return "a debug run, trained on a few batches"
    if settings.get("trainer.limit_train_batches") not in (None, 1.0):
        return "trained on a part of its data (trainer.limit_train_batches)"
    return ""


def _score(run: Run) -> str:
    return run.tested or "never tested"


# ---- for visitors


def describe_model(task: str, simulated: bool, leaks: bool, checkpoint: Path) -> str:
    """Return in plain words what the model was trained on, and how well it read in its test."""
    trained = get_task(task).simulated_source if simulated else "on recordings of people"
    tested = _test_sentence(task, checkpoint)
    warning = " The same people were in its training: expect less from it with you."
    return (
        f"This program learned {trained}. {tested or UNMEASURED}{warning * bool(tested and leaks)}"
    )


def _test_sentence(task: str, checkpoint: Path) -> str:
    """Return the result of the run's test in plain words; empty where there is none."""
    folder = checkpoint.absolute().parents[1]
    numbers = read_run(folder).numbers if checkpoint.name == "best.ckpt" else {}
    count = numbers.get("test/n")
    right = _share_right(numbers)
    if right is None or not isinstance(count, int):
        return ""
    source = "made-up recordings" if numbers.get("simulated") else "recordings"
    return (
        f"In its test, on {count:,} {source}, it read {round(100 * right)} of 100 "
        f"{get_task(task).unit} correctly."
    )


def _share_right(numbers: dict[str, Any]) -> float | None:
    """Return the share of letters or words that were read correctly, where it was measured."""
    for name, share in (("test/acc", 0), ("test/wer", 1)):
        value = numbers.get(name)
        if isinstance(value, int | float):
            return min(max(abs(share - value) if value <= 1 else 0.0, 0.0), 1.0)
    return None
