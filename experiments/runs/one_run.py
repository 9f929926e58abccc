"""summary.md of one run: its epochs, the checkpoint to use, what its numbers show and ask for."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.reports.markdown import bullets, markdown, score
from experiments.reports.report import milestones
from experiments.runs.epochs import (
    epochs_section,
    find_drops,
    find_overfitting,
    tell_epochs,
    written,
)
from experiments.runs.run_folder import Run

SHOWN_DROPS = 3
LONG_AGO = 10  # epochs without a better score, and a quarter of the run


def tell_one(found: Run) -> tuple[str, pd.DataFrame]:
    """summary.md and the table of all epochs of one run."""
    story = tell_epochs(found)
    parts = [
        f"# Summary of {found.name}\n",
        _headline(found),
        *[f"{remark}\n" for remark in found.remarks],
        epochs_section(story, found),
        _checkpoints(found),
        "## Key observations\n\n" + bullets(_observations(found, story)),
        *milestones(found.epochs, found.metric, found.mode),
        "## What to do next time\n\n" + bullets(_advice(found, story)),
    ]
    return "\n".join(parts), written(story).reset_index()


def _headline(found: Run) -> str:
    parameters = found.numbers.get("parameters")
    size = f"{parameters:,} parameters" if parameters else ""
    facts = [f"Task {found.task}", found.status(), size, f"{len(found.epochs):,} epochs"]
    return "; ".join(fact for fact in [*facts, found.tested] if fact) + ".\n"


def best_checkpoint(found: Run) -> tuple[Path, int] | None:
    """The checkpoint with the best score, and its epoch; None where no file has a score."""
    epochs = {file: found.epoch_of(file) for file in found.checkpoints}
    scores = (found.sign * found.scores).dropna()
    scored = [(file, epoch) for file, epoch in epochs.items() if epoch in scores.index]
    # Of equals, best.ckpt: the others may be deleted.
    return max(scored, key=lambda of: (scores[of[1]], of[0].stem == "best"), default=None)


def _checkpoints(found: Run) -> str:
    """Which one to use, and all with their sizes."""
    use = best_checkpoint(found)
    title = f"## Which checkpoint to use\n\n{_which(found, use)}"
    if not found.checkpoints:
        return title
    rows = []
    for file in found.checkpoints:
        epoch, size = found.epoch_of(file), file.stat().st_size / 1e6
        purpose = "to resume" if file.stem == "last" else ""
        purpose = "saved after a NaN" if epoch in found.nan_epochs else purpose
        purpose = "use this one" if use and file == use[0] else purpose
        rows.append((file.name, epoch or "", score(found.scores.get(epoch)), size, purpose))
    table = pd.DataFrame(rows, columns=["file", "epoch", found.metric, "MB", "for"])
    total, table["MB"] = table["MB"].sum(), table["MB"].map("{:.2f}".format)
    told = "Epochs are told by the file names; `best` and `last` by metrics.csv."
    return f"{title}\n{markdown(table)}\n{told} Together {total:.2f} MB.\n"


def _which(found: Run, use: tuple[Path, int] | None) -> str:
    if use is None:
        return f"None: the folder holds no checkpoint of an epoch with a {found.metric}.\n"
    file, epoch = use
    value = f"{found.metric} {score(found.scores[epoch])}"
    why = f"epoch {epoch}, which has the best {value}"
    if epoch != found.best:
        why = (
            f"epoch {epoch} with {value}, the best that was kept; the best epoch, "
            f"{found.best} with {score(found.best_score)}, has no file"
        )
    return f"**`checkpoints/{file.name}`**: it holds {why}.\n"


def _observations(found: Run, story: pd.DataFrame) -> list[str]:
    """What the numbers show, a sentence each."""
    best = int(str(found.best))
    first, last = int(found.epochs.index[0]), int(found.scores.dropna().index[-1])
    return [
        f"Best: epoch {best}, {found.metric} {score(found.best_score)}.",
        *_change(found, first, best),
        *_change(found, best, last),
        *_told_drops(found),
        *_told_overfitting(found),
        *_told_nan(found),
        *_told_rate(story),
        *found.said(),
    ]


def _change(found: Run, start: int, end: int) -> list[str]:
    if start == end:
        return []
    scores = found.scores
    told = f"From epoch {start} to {end}: {found.metric} {score(scores[start]) or '–'} → "
    told += score(scores[end])
    finite = found.losses[np.isfinite(found.losses)].loc[start:end]
    if len(finite) > 1 and finite.index[0] == start:
        when = f" at epoch {finite.index[-1]}, the last that is a number"
        told += f", training loss {score(finite.iloc[0])} → {score(finite.iloc[-1])}"
        told += when if finite.index[-1] != end else ""
    return [f"{told}."]


def _told_drops(found: Run) -> list[str]:
    turns = list(zip_longest(*find_drops(found)))
    more = [f"{len(turns) - SHOWN_DROPS} more drops."] if len(turns) > SHOWN_DROPS else []
    return [_told_drop(found, *turn) for turn in turns[:SHOWN_DROPS]] + more


def _told_drop(found: Run, down: int, up: int | None) -> str:
    scores = found.scores.dropna()
    before = (found.sign * scores.loc[: down - 1]).idxmax()
    return (
        f"Drop at epoch {down}: {found.metric} {score(scores[down])} after "
        f"{score(scores[before])} at epoch {before}; "
        f"{f'back at epoch {up}' if up else 'not back until the end'}."
    )


def _told_overfitting(found: Run) -> list[str]:
    epochs = find_overfitting(found)
    if not epochs:
        return []
    end, validation = epochs[-1], found.column("val/loss")
    told = (
        f"Overfitting from epoch {epochs[0]} on: by epoch {end} the training loss is "
        f"{score(found.losses[end])}, {found.metric} {score(found.scores[end])}"
    )
    if pd.notna(validation[end]):
        lowest = f"lowest {score(validation.min())} at epoch {validation.idxmin()}"
        told += f", validation loss {score(validation[end])} ({lowest})"
    return [f"{told}."]


def _told_nan(found: Run) -> list[str]:
    epochs = found.nan_epochs
    if not epochs:
        return []
    told = (
        f"The training loss is not finite in {len(epochs)} of {len(found.epochs):,} epochs, from "
        f"{epochs[0]} to {epochs[-1]}."
    )
    scores = found.scores[epochs].dropna()
    if len(scores) > 1 and scores.nunique() == 1:
        told += f" In all of them {found.metric} is {score(scores.iloc[0])}."
    return [told]


def _told_rate(story: pd.DataFrame) -> list[str]:
    rates = story["learning rate"].dropna()
    if rates.nunique() < 2:
        return [f"The learning rate stayed at {rate:.4g}." for rate in rates.unique()]
    return [
        f"The learning rate went from {rates.iloc[0]:.4g} to {rates.iloc[-1]:.4g}, highest "
        f"{rates.max():.4g} at epoch {rates.idxmax()}."
    ]


def _advice(found: Run, story: pd.DataFrame) -> list[str]:
    """What follows for the next run."""
    lines = early_stopping_advice(found)
    if found.nan_epochs or found.status() == "stopped by NaN":
        lines.append(
            "Against NaN: a lower learning rate (optimizer.lr=), stronger clipping "
            "(trainer.gradient_clip_val=) or trainer.precision=32-true; callbacks.nan_guard ends a "
            "run at the first NaN."
        )
    if story["notes"].str.contains("overfitting").any():
        lines.append(
            "Against overfitting: more people, stronger augmentation, more dropout or weight decay "
            "(optimizer.weight_decay=), or a smaller network."
        )
    if found.best == story.index[-1] and not found.nan_epochs:
        lines.append("The last epoch is the best: more epochs (epochs=) may still help.")
    return lines or ["Nothing that these numbers ask for."]


def early_stopping_advice(found: Run) -> list[str]:
    """The patience that would have kept the best epoch, where that was long ago."""
    scores = (found.sign * found.scores).dropna()
    better = scores.index[scores > scores.cummax().shift(fill_value=-np.inf)]  # epochs
    best, last = int(better[-1]), int(scores.index[-1])
    if last - best < max(LONG_AGO, last / 4):
        return []
    waited = int(np.diff(better).max()) if len(better) > 1 else 0
    wait = max(waited, LONG_AGO)
    told = f"The best epoch was {last - best} epochs before the last one"
    if last - best <= wait:
        return [f"{told}, no longer than the longest wait for a better one before ({waited})."]
    # Lightning counts validations, not epochs.
    patience = -(-wait // (found.settings.get("trainer.check_val_every_n_epoch") or 1))
    return [
        f"{told}; before it, the longest wait for a better one was {waited}. "
        f"callbacks.early_stopping.patience={patience} would have ended the run after epoch "
        f"{best + wait} with the same best epoch, {last - best - wait} epochs sooner."
    ]
