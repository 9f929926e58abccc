"""Splits that a set comes with, and the default choice of a split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from datamodules.splits.base import (
    PHASES,
    Split,
    SplitIndices,
    describe_overlap,
    list_groups,
    read_split_column,
)
from datamodules.splits.drawing import draw_validation
from datamodules.splits.grouped import GroupSplit, LeaveOneGroupOut
from datamodules.splits.randomized import RandomSplit


@dataclass(frozen=True)
class PredefinedSplit(Split):
    """The manifest's own ``split`` column; rows without a value are trained on.

    Args:
        val_fraction: share of the training rows that validates if no row is marked ``val``: whole
            groups if there are at least two, single recordings otherwise.
        seed: seed of its draw.
    """

    val_fraction: float = 0.15
    seed: int = 0

    def __call__(self, manifest: pd.DataFrame) -> SplitIndices:
        """Divide the rows of a manifest by its split column."""
        marks = read_split_column(manifest)
        if not np.isin(marks, PHASES).any():
            raise ValueError(
                "split=column needs train, val or test in the manifest's column 'split', found an "
                "empty column. Use another split="
            )
        train = np.flatnonzero((marks == "train") | (marks == ""))
        val, test = np.flatnonzero(marks == "val"), np.flatnonzero(marks == "test")
        description = "the split that the recordings came with"
        if len(train) and not len(val):
            train, val, draw = draw_validation(manifest, train, self.val_fraction, self.seed)
            description += f"; validation: {draw}"
        overlap = describe_overlap(manifest, train, np.concatenate([val, test]))
        return SplitIndices(train, val, test, description, **overlap)


@dataclass(frozen=True)
class TestOnly(Split):
    """Every row is tested: recordings of people outside of the training set."""

    __test__ = False  # no test class of pytest

    def __call__(self, manifest: pd.DataFrame) -> SplitIndices:
        """Put all rows of a manifest into the test part."""
        no_rows = np.arange(0)
        return SplitIndices(no_rows, no_rows, np.arange(len(manifest)), "everything is test data")


@dataclass(frozen=True)
class AutoSplit(Split):
    """The recordings' own split if they have one, else by group, else random.

    Of two groups the first is tested, and a share of the second one's recordings validates.

    Args:
        val_fraction, test_fraction, seed: arguments of the chosen split.
        stratify: whether a random split takes the same share of each class and its groups.
    """

    val_fraction: float = 0.15
    test_fraction: float = 0.15
    seed: int = 0
    stratify: bool = True

    def __call__(self, manifest: pd.DataFrame) -> SplitIndices:
        """Divide the rows of a manifest by the best split that its columns allow."""
        return self._choose_split(manifest)(manifest)

    def _choose_split(self, manifest: pd.DataFrame) -> Split:
        if (manifest["split"] != "").any():
            return PredefinedSplit(self.val_fraction, self.seed)
        num_groups = len(list_groups(manifest))
        if num_groups == 2:
            return LeaveOneGroupOut(val="random", val_fraction=self.val_fraction, seed=self.seed)
        fractions = (self.val_fraction, self.test_fraction)
        if num_groups > 2:
            return GroupSplit(*fractions, self.seed)
        return RandomSplit(*fractions, self.seed, self.stratify)
