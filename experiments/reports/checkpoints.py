"""The checkpoints of a run: their epochs, scores and sizes, and the one to use."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from experiments.reports.markdown import format_number, format_table
from experiments.reports.training_curve import TrainingCurve


def list_checkpoints(run_dir: Path) -> list[Path]:
    """Return the checkpoint files of a run folder."""
    return sorted((run_dir / "checkpoints").glob("*.ckpt"))


def find_epoch(checkpoint: Path, curve: TrainingCurve) -> int | None:
    """Return the epoch of a checkpoint from its file name and the curve; None: unknown."""
    if counted := re.fullmatch(r"(?:epoch|best)_(\d+)", checkpoint.stem):
        return int(counted[1])
    last = int(curve.epochs.index[-1]) if len(curve.epochs) else None
    return {"best": curve.best, "last": last}.get(checkpoint.stem)


def find_best_checkpoint(run_dir: Path, curve: TrainingCurve) -> tuple[Path, int] | None:
    """Return the checkpoint with the best score, and its epoch; None if no file has a score."""
    gains = curve.gains.dropna()
    epochs = {file: find_epoch(file, curve) for file in list_checkpoints(run_dir)}
    scored = [(file, epoch) for file, epoch in epochs.items() if epoch in gains.index]

    def rank(pair: tuple[Path, int]) -> tuple[float, bool, int]:
        """Return the order: of equals best.ckpt, since others may be deleted; then the latest."""
        return gains[pair[1]], pair[0].stem.startswith("best"), pair[1]

    return max(scored, key=rank, default=None)


def format_checkpoints(run_dir: Path, curve: TrainingCurve) -> str:
    """Return a Markdown section: which checkpoint to use, and a table of all of them."""
    best, files = find_best_checkpoint(run_dir, curve), list_checkpoints(run_dir)
    title = f"## Which checkpoint to use\n\n{_format_choice(curve, best)}"
    if not files:
        return title
    rows = []
    for file in files:
        epoch, size = find_epoch(file, curve), file.stat().st_size / 1e6
        purpose = "to resume" if file.stem == "last" else ""
        purpose = "saved after a NaN" if epoch in curve.nan_epochs else purpose
        purpose = "use this one" if best and file == best[0] else purpose
        name, value = f"checkpoints/{file.name}", format_number(curve.scores.get(epoch))
        rows.append((name, epoch or "", value, size, purpose))
    table = pd.DataFrame(rows, columns=["file", "epoch", curve.metric, "MB", "for"])
    total, table["MB"] = table["MB"].sum(), table["MB"].map("{:.2f}".format)
    note = "Epochs are those of the file names, and of metrics.csv for `best` and `last`."
    return f"{title}\n{format_table(table)}\n{note} Together {total:.2f} MB.\n"


def _format_choice(curve: TrainingCurve, best: tuple[Path, int] | None) -> str:
    if best is None:
        return f"None: the folder holds no checkpoint of an epoch with a {curve.metric}.\n"
    file, epoch = best
    value = f"{curve.metric} {format_number(curve.scores[epoch])}"
    content = f"epoch {epoch}, which has the best {value}"
    if epoch != curve.best:
        content = (
            f"epoch {epoch} with {value}, the best that was kept; the best epoch, "
            f"{curve.best} with {format_number(curve.best_score)}, has no file"
        )
    return f"**`checkpoints/{file.name}`**: it holds {content}.\n"
