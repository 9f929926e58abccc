"""Analysis of a run's epochs: best epoch, drops, overfitting, NaN."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

DROP_SHARE = 0.1  # of the best score so far, or of the range of the scores so far
LOSS_RISE = 1.2  # validation loss divided by its lowest: overfitting
OVERFITTING_EPOCHS = 3  # consecutive epochs that must overfit


@dataclass(frozen=True)
class Gap:
    """Training and validation accuracy of an epoch.

    Attributes:
        name: of the metric, such as ``acc``.
        train: its value in training.
        difference: training minus validation.
    """

    name: str
    train: float
    difference: float


@dataclass(frozen=True, eq=False)
class TrainingCurve:
    """The epochs of a run, and the metric that chooses the best one.

    Attributes:
        epochs: metrics.csv, indexed by epoch.
        metric: the monitored metric.
        mode: ``max`` or ``min``; empty if unknown.
    """

    epochs: pd.DataFrame
    metric: str
    mode: str

    def get_column(self, name: str) -> pd.Series:
        """Return a column of metrics.csv; NaN if there is none."""
        return self.epochs.get(name, pd.Series(np.nan, self.epochs.index))

    @cached_property
    def scores(self) -> pd.Series:
        """The monitored metric of every epoch."""
        return self.get_column(self.metric)

    @cached_property
    def gains(self) -> pd.Series:
        """The scores with their sign changed if lower is better."""
        return self.scores if self.mode == "max" else -self.scores

    @cached_property
    def losses(self) -> pd.Series:
        """The training loss of every epoch."""
        return self.get_column("train/loss")

    @cached_property
    def learning_rates(self) -> pd.Series:
        """The learning rate of every epoch, of the optimizer's first group."""
        names = [str(name) for name in self.epochs if str(name).startswith("lr-")]
        return self.get_column(names[0] if names else "")

    @cached_property
    def best(self) -> int | None:
        """The last epoch with the best score; None if there is none."""
        return find_best_epoch(self.epochs, self.metric, self.mode) if self.mode else None

    @property
    def best_score(self) -> float:
        """The best score; NaN if there is none."""
        return float(self.scores[self.best]) if self.best is not None else float("nan")

    def find_gap(self) -> Gap | None:
        """Return the train–validation gap at the best epoch; None if it was not measured."""
        for name in ("acc", "token_acc"):
            if self.best is not None and {f"train/{name}", f"val/{name}"} <= set(self.epochs):
                train, val = (self.get_column(f"{p}/{name}")[self.best] for p in ("train", "val"))
                return Gap(name, float(train), float(train - val))
        return None

    @property
    def is_cut_short(self) -> bool:
        """Whether the run ended within an epoch: validated, but without training metrics."""
        training = self.epochs.filter(regex="^train/")
        has_several = training.shape[1] > 1  # a NaN loss alone would look the same
        is_missing = training.tail(1).isna().all(axis=None)
        return bool(has_several and is_missing and self.losses.iloc[:-1].notna().all())

    @cached_property
    def nan_epochs(self) -> list[int]:
        """Epochs with a training loss that is not finite."""
        if "train/loss" not in self.epochs:
            return []
        known = self.losses.iloc[: -1 if self.is_cut_short else None]
        return [int(epoch) for epoch in known.index[~np.isfinite(known)]]

    def find_drops(self) -> tuple[list[int], list[int]]:
        """Return the epochs of drops and of recoveries, which alternate.

        A drop is a score worse than the best so far by more than ``DROP_SHARE`` of it, or of the
        way from the worst so far to it, whichever is more. A recovery is within half of that.
        """
        gains = self.gains.dropna()
        drops: list[int] = []
        recoveries: list[int] = []
        for epoch, gain, best, worst in zip(
            gains.index, gains, gains.cummax().shift(), gains.cummin().shift(), strict=True
        ):
            margin = _clear_margin(best, worst)  # of the epochs before; NaN at the first
            if len(drops) == len(recoveries) and best - gain > margin:
                drops.append(int(epoch))
            elif len(drops) > len(recoveries) and best - gain <= margin / 2:
                recoveries.append(int(epoch))
        return drops, recoveries

    def find_overfitting(self) -> list[int]:
        """Return the epochs after the best that overfit, if several do in a row.

        They have a lower training loss than the best epoch, and a score worse by a drop or a
        validation loss of ``LOSS_RISE`` times its lowest.
        """
        best = self.best
        if best is None:
            return []
        validation = self.get_column("val/loss")
        margin = _clear_margin(self.gains[best], self.gains.loc[:best].min())
        is_worse = self.gains < self.gains[best] - margin
        is_worse |= validation > LOSS_RISE * validation.cummin()
        is_after = self.gains.notna() & (self.gains.index > best)
        is_overfit = ((self.losses < self.losses[best]) & is_worse)[is_after]
        runs = is_overfit.rolling(OVERFITTING_EPOCHS).sum() == OVERFITTING_EPOCHS
        if not runs.any():
            return []
        tail = is_overfit.iloc[int(np.argmax(runs)) - OVERFITTING_EPOCHS + 1 :]
        return [int(epoch) for epoch in tail.index[tail]]


def _clear_margin(best: float, worst: float) -> float:
    return DROP_SHARE * max(abs(best), best - worst)


def find_best_epoch(table: pd.DataFrame, metric: str, mode: str) -> int | None:
    """Return the last epoch with the best value of ``metric``; None if there is none."""
    values = table[metric].dropna() if metric in table else pd.Series(dtype=float)
    if values.empty:
        return None
    best = values.max() if mode == "max" else values.min()
    return int(str(values.index[values == best][-1]))
