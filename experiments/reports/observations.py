"""Sentences on a training curve, for report.md and summary.md."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest

import numpy as np
import pandas as pd

from experiments.reports.markdown import format_duration, format_number
from experiments.reports.training_curve import TrainingCurve

MILESTONES = (0.25, 0.5, 0.75, 0.9, 0.95, 0.98)
SHOWN_DROPS = 3
MIN_PATIENCE = 10  # epochs; shorter waits for a better score are no reason to stop


def describe_curve(curve: TrainingCurve) -> list[str]:
    """Return observations on the epochs of a run, one sentence each."""
    best = int(str(curve.best))
    first, last = int(curve.epochs.index[0]), int(curve.scores.dropna().index[-1])
    return [
        f"Best: epoch {best}, {curve.metric} {format_number(curve.best_score)}.",
        *_describe_change(curve, first, best),
        *_describe_change(curve, best, last),
        *_describe_drops(curve),
        *describe_overfitting(curve),
        *_describe_nan(curve),
        *_describe_learning_rate(curve),
    ]


def _describe_change(curve: TrainingCurve, start: int, end: int) -> list[str]:
    if start == end:
        return []
    before, after = (format_number(curve.scores[epoch]) for epoch in (start, end))
    text = f"From epoch {start} to {end}: {curve.metric} {before or '–'} → {after}"
    finite = curve.losses[np.isfinite(curve.losses)].loc[start:end]
    if len(finite) > 1 and finite.index[0] == start:
        until = f" at epoch {finite.index[-1]}, the last that is a number"
        text += f", training loss {format_number(finite.iloc[0])} → "
        text += format_number(finite.iloc[-1]) + (until if finite.index[-1] != end else "")
    return [f"{text}."]


def _describe_drops(curve: TrainingCurve) -> list[str]:
    pairs = list(zip_longest(*curve.find_drops()))
    more = [f"{len(pairs) - SHOWN_DROPS} more drops."] if len(pairs) > SHOWN_DROPS else []
    return [_describe_drop(curve, *pair) for pair in pairs[:SHOWN_DROPS]] + more


def _describe_drop(curve: TrainingCurve, drop: int, recovery: int | None) -> str:
    before = curve.gains.dropna().loc[: drop - 1].idxmax()
    return (
        f"Drop at epoch {drop}: {curve.metric} {format_number(curve.scores[drop])} after "
        f"{format_number(curve.scores[before])} at epoch {before}; "
        f"{f'back at epoch {recovery}' if recovery else 'not back until the end'}."
    )


def describe_overfitting(curve: TrainingCurve) -> list[str]:
    """Return a sentence on when the run overfitted and how far, if it did."""
    epochs = curve.find_overfitting()
    if not epochs:
        return []
    end, validation = epochs[-1], curve.get_column("val/loss")
    text = (
        f"Overfitting from epoch {epochs[0]} on: by epoch {end} the training loss is "
        f"{format_number(curve.losses[end])}, {curve.metric} {format_number(curve.scores[end])}"
    )
    if pd.notna(validation[end]):
        lowest = f"lowest {format_number(validation.min())} at epoch {validation.idxmin()}"
        text += f", validation loss {format_number(validation[end])} ({lowest})"
    return [f"{text}."]


def _describe_nan(curve: TrainingCurve) -> list[str]:
    epochs = curve.nan_epochs
    if not epochs:
        return []
    text = (
        f"The training loss is not finite in {len(epochs)} of {len(curve.epochs):,} epochs, from "
        f"{epochs[0]} to {epochs[-1]}."
    )
    scores = curve.scores[epochs].dropna()
    if len(scores) > 1 and scores.nunique() == 1:
        text += f" In all of them {curve.metric} is {format_number(scores.iloc[0])}."
    return [text]


def _describe_learning_rate(curve: TrainingCurve) -> list[str]:
    rates = curve.learning_rates.dropna()
    if rates.nunique() < 2:
        return [f"The learning rate stayed at {rate:.4g}." for rate in rates.unique()]
    return [
        f"The learning rate went from {rates.iloc[0]:.4g} to {rates.iloc[-1]:.4g}, highest "
        f"{rates.max():.4g} at epoch {rates.idxmax()}."
    ]


def find_milestones(curve: TrainingCurve) -> dict[int, float]:
    """Return the first epoch that reached each milestone, with the highest that it reached."""
    if curve.metric.endswith("/loss") or not curve.mode:
        return {}
    is_max = curve.mode == "max"
    values = curve.scores
    goals = MILESTONES if is_max else [round(1 - goal, 2) for goal in MILESTONES]
    reached = {g: values.index[values >= g if is_max else values <= g] for g in goals}
    return {int(epochs[0]): goal for goal, epochs in reached.items() if len(epochs)}


def list_milestones(curve: TrainingCurve, seconds: Mapping[int, float]) -> list[str]:
    """Return a line for each epoch of ``find_milestones``, with its time (s) where it is known."""
    sign = "≥" if curve.mode == "max" else "≤"
    lines = [
        f"- epoch {epoch}: {curve.metric} {curve.scores[epoch]:.4f} ({sign} {goal})"
        + (f", after {format_duration(seconds[epoch])}" if epoch in seconds else "")
        for epoch, goal in find_milestones(curve).items()
    ]
    return ["Milestones:\n", *lines, ""] if lines else []


# ---- advice for the next run


def advise_next_run(
    curve: TrainingCurve, validation_every: int = 1, was_stopped_by_nan: bool = False
) -> list[str]:
    """Return advice for the next run, one sentence each.

    Args:
        curve: of this run.
        validation_every: epochs between two validations.
        was_stopped_by_nan: whether the NaN guard ended this run.
    """
    lines = advise_early_stopping(curve, validation_every)
    if curve.nan_epochs or was_stopped_by_nan:
        lines.append(
            "Against NaN: a lower learning rate (optimizer.lr=), stronger clipping "
            "(trainer.gradient_clip_val=) or trainer.precision=32-true; callbacks.nan_guard ends a "
            "run at the first NaN."
        )
    if curve.find_overfitting():
        lines.append(
            "Against overfitting: more people, stronger augmentation, more dropout or weight decay "
            "(optimizer.weight_decay=), or a smaller network."
        )
    if curve.best == curve.epochs.index[-1] and not curve.nan_epochs:
        lines.append("The last epoch is the best: more epochs (epochs=) may still help.")
    return lines


def advise_early_stopping(curve: TrainingCurve, validation_every: int = 1) -> list[str]:
    """Return the patience that would have kept the best epoch, if that was long ago."""
    gains = curve.gains.dropna()
    better = gains.index[gains > gains.cummax().shift(fill_value=-np.inf)]  # epochs
    best, last = int(better[-1]), int(gains.index[-1])
    if last - best < max(MIN_PATIENCE, last / 4):
        return []
    longest = int(np.diff(better).max()) if len(better) > 1 else 0
    wait = max(longest, MIN_PATIENCE)
    text = f"The best epoch was {last - best} epochs before the last one"
    if last - best <= wait:
        return [f"{text}, no longer than the longest wait for a better one before ({longest})."]
    patience = -(-wait // validation_every)  # Lightning counts validations
    return [
        f"{text}; before it, the longest wait for a better one was {longest}. "
        f"callbacks.early_stopping.patience={patience} would have ended the run after epoch "
        f"{best + wait} with the same best epoch, {last - best - wait} epochs sooner."
    ]
