"""Random splits of recordings; people are on both sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from datamodules.splits.base import (
    Split,
    SplitIndices,
    count_share,
    describe_overlap,
    read_split_column,
)
from datamodules.splits.drawing import draw_random_rows, draw_rows


@dataclass(frozen=True)
class RandomSplit(Split):
    """A random split of whole sequences: common in the literature, with leakage.

    Args:
        val_fraction, test_fraction: share of the samples, at least one unless 0.
        seed: seed of the draw.
        stratify: whether each class, and within it each group, gives that share.
    """

    val_fraction: float = 0.15
    test_fraction: float = 0.15
    seed: int = 0
    stratify: bool = True

    def __call__(self, manifest: pd.DataFrame) -> SplitIndices:
        """Draw rows or sequences of a manifest."""
        rows = np.arange(len(manifest))
        counts = [count_share(len(rows), f) for f in (self.test_fraction, self.val_fraction)]
        if sum(counts) >= len(rows):
            raise ValueError(f"split=random needs more than {sum(counts)} samples")
        (test, val), train, unit = draw_rows(
            manifest, rows, counts, self.seed, from_end=True, stratify=self.stratify
        )
        strata = ", stratified by class" if self.stratify else ""
        description = (
            f"random split by {unit}{strata}: recordings of the same person are on both sides, so "
            "these numbers say little about people never seen"
        )
        return SplitIndices(train, val, test, description, has_leakage=True)


@dataclass(frozen=True)
class TrainAll(Split):
    """Training on every group; a share of the recordings validates.

    For the final model, after leave-one-group-out has measured the recipe on new people. Rows that
    the set itself marks ``test`` still test.

    Args:
        val_fraction: share of the recordings that validates if no row is marked ``val``.
        seed: seed of its draw.
        include_test: whether rows that are marked ``test`` are trained on too.
        stratify: whether each class, and within it each group, gives that share.
    """

    val_fraction: float = 0.05
    seed: int = 0
    include_test: bool = False
    stratify: bool = True

    def __call__(self, manifest: pd.DataFrame) -> SplitIndices:
        """Put all rows of a manifest into the training part."""
        marks = read_split_column(manifest)
        is_test = (marks == "test") & (not self.include_test)
        test, rows = np.flatnonzero(is_test), np.flatnonzero(~is_test)
        if not len(rows):
            raise ValueError(
                "split=train_all: the set marks every sample as test and has no training samples. "
                "Use split.include_test=true to train on them, or another set"
            )
        val = np.flatnonzero(marks == "val")
        draw = "the recordings that the set marks val"
        train = np.setdiff1d(rows, val)
        if not len(val) or not len(train):
            train, val, draw = draw_random_rows(
                manifest, rows, self.val_fraction, self.seed, self.stratify
            )
        if not len(test):
            description = f"trained on all people, none kept aside to test; validation: {draw}"
            return SplitIndices(train, val, test, description, has_leakage=True)
        description = (
            f"tested on the {len(test):,} samples that the set marks test; validation: {draw}"
        )
        return SplitIndices(
            train, val, test, description, **describe_overlap(manifest, train, test)
        )
