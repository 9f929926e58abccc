"""A run epoch by epoch: what is noted of each, and the table of those that tell the story."""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.reports.markdown import bullets, markdown, score
from experiments.runs.run_folder import Run

SHOWN_EPOCHS = 40  # rows of the table, at most; summary.csv has all epochs
CLEARLY = 0.1  # of the best score so far, or of the way from the worst one to it
LOSS_RISE = 1.2  # validation loss over its lowest: overfitting
IN_A_ROW = 3  # epochs that must agree before it is called overfitting
NOTES = {
    "initial": "the first epoch",
    "best": "the first epoch with the best score",
    "drop": f"the score is worse than the best so far by more than {CLEARLY:.0%} of it, or of the "
    "way from the worst so far to it, whichever is more",
    "recovery": "after a drop, the score is back within half of that",
    "overfitting": f"the first of {IN_A_ROW} epochs after the best with a lower training loss, and "
    f"a score worse by a drop or a validation loss {LOSS_RISE - 1:.0%} above its lowest",
    "NaN": "the training loss is not a finite number; metrics.csv may show it as an empty cell",
    "cut short": "the last epoch has no training values: the run ended within it",
    "last": "the last epoch",
}


def tell_epochs(found: Run) -> pd.DataFrame:
    """Every epoch: the score, the best so far, losses, learning rate, checkpoint files, notes."""
    so_far = found.sign * (found.sign * found.scores).cummax().ffill()
    rate = next((str(name) for name in found.epochs if str(name).startswith("lr-")), "")
    story = pd.DataFrame(
        {
            f"best {found.metric}": so_far,
            found.metric: found.scores,
            "train/loss": found.losses,
            "val/loss": found.column("val/loss"),
            "learning rate": found.column(rate),
        }
    )
    files = [(found.epoch_of(file), file.name) for file in found.checkpoints]
    notes = find_notes(found)
    story["checkpoint"] = [", ".join(f for at, f in files if at == e) for e in story.index]
    story["notes"] = [", ".join(notes.get(int(e), [])) for e in story.index]
    return story


def find_notes(found: Run) -> dict[int, list[str]]:
    """The notes of each epoch that has some, by the rules in NOTES."""
    dropped, recovered = find_drops(found)
    last = [found.epochs.index[-1]]
    noted = {
        "initial": [found.epochs.index[0]],
        "best": [found.best],
        "drop": dropped,
        "recovery": recovered,
        "overfitting": find_overfitting(found)[:1],
        "NaN": found.nan_epochs,
        "cut short": last if found.cut_short else [],
        "last": last,
    }
    notes = pd.Series(noted).explode().dropna().astype(int)
    return {epoch: list(names.index) for epoch, names in notes.groupby(notes)}


def _margin(best: float, worst: float) -> float:
    """How much worse than ``best`` is clearly worse."""
    return CLEARLY * max(abs(best), best - worst)


def find_drops(found: Run) -> tuple[list[int], list[int]]:
    """Epochs at which the score fell clearly, and epochs at which it was back; they take turns."""
    scores = (found.sign * found.scores).dropna()
    down: list[int] = []
    up: list[int] = []
    for epoch, now, best, worst in zip(
        scores.index, scores, scores.cummax().shift(), scores.cummin().shift(), strict=True
    ):
        margin = _margin(best, worst)  # of the epochs before; NaN, so neither, at the first
        if len(down) == len(up) and best - now > margin:
            down.append(int(epoch))
        elif len(down) > len(up) and best - now <= margin / 2:
            up.append(int(epoch))
    return down, up


def find_overfitting(found: Run) -> list[int]:
    """Epochs after the best that overfit, from the first of ``IN_A_ROW`` on."""
    best, losses, validation = found.best, found.losses, found.column("val/loss")
    scores = found.sign * found.scores
    worse = scores < scores[best] - _margin(scores[best], scores.loc[:best].min())
    surer = validation > LOSS_RISE * validation.cummin()
    after = (losses < losses[best]) & (worse | surer)
    after = after[scores.notna() & (scores.index > best)]
    in_a_row = after.rolling(IN_A_ROW).sum() == IN_A_ROW
    if not in_a_row.any():
        return []
    first = int(np.argmax(in_a_row)) - IN_A_ROW + 1
    return [int(e) for e in after.index[first:][after.iloc[first:]]]


def shown_epochs(story: pd.DataFrame, limit: int = SHOWN_EPOCHS) -> list[int]:
    """The epochs that tell the story: first, best, last, noted ones, and those with a checkpoint.

    Where they are too many, the turns go before the epochs whose only note is NaN, and those
    before checkpoints alone; what is left of a kind is spread evenly.
    """
    notes, nan = story["notes"], story["notes"].str.contains("NaN")
    kinds = [
        notes.str.contains("initial|best|overfitting|last|cut short") | (nan & (nan.cumsum() == 1)),
        notes.str.contains("drop|recovery"),
        nan,
        story["checkpoint"] != "",
    ]
    chosen = story.index[:0]
    for kind in kinds:
        more = story.index[kind].difference(chosen)
        places = np.linspace(0, len(more) - 1, min(len(more), limit - len(chosen)))
        chosen = chosen.union(more[places.round().astype(int)])
    return [int(epoch) for epoch in chosen]


def written(story: pd.DataFrame) -> pd.DataFrame:
    """The table as summary.csv has it: a training loss that is no number is called NaN."""
    nan = story["notes"].str.contains("NaN") & story["train/loss"].isna()
    losses = story["train/loss"].astype(object).where(story["train/loss"].notna(), "")
    return story.assign(**{"train/loss": losses.mask(nan, "NaN")})


def epochs_section(story: pd.DataFrame, found: Run) -> str:
    """The table of the epochs that tell the story, and what its notes mean."""
    rows = written(story.loc[shown_epochs(story)])
    for name in (f"best {found.metric}", found.metric, "val/loss"):
        rows[name] = story.loc[rows.index, name].map(score)
    rows["train/loss"] = [x if isinstance(x, str) else score(x) for x in rows["train/loss"]]
    rows["learning rate"] = rows["learning rate"].map(lambda rate: score(rate, ".4g"))
    used = [name for name in NOTES if rows["notes"].str.contains(name).any()]
    rules = bullets([f"{name}: {NOTES[name]}" for name in used])
    title = f"## Epochs\n\n{found.metric} ({found.mode}): {len(rows)} of {len(story):,} epochs; "
    return f"{title}summary.csv has all.\n\n{markdown(rows.reset_index())}\n{rules}"
