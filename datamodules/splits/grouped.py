"""Splits that keep whole groups (signers, speakers, sessions) on one side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from datamodules.splits.base import (
    PHASES,
    Split,
    SplitIndices,
    count_share,
    format_groups,
    list_groups,
)
from datamodules.splits.drawing import draw_random_rows

NOT_TRAINED_ON = "the tested groups are not trained on"


@dataclass(frozen=True)
class GroupSplit(Split):
    """A random split of whole groups.

    Args:
        val_fraction, test_fraction: share of the groups, at least one group unless 0.
        seed: seed of the draw.
    """

    val_fraction: float = 0.15
    test_fraction: float = 0.15
    seed: int = 0

    def __call__(self, manifest: pd.DataFrame) -> SplitIndices:
        """Divide the groups of a manifest."""
        groups = list_groups(manifest)
        val, test = (count_share(len(groups), f) for f in (self.val_fraction, self.test_fraction))
        if val + test >= len(groups):
            raise ValueError(
                f"split=by_group needs at least {val + test + 1} groups (signers, speakers, "
                f"sessions) and found {len(groups)}: {', '.join(groups) or 'none'}. "
                + _suggest_split(len(groups))
            )
        drawn = np.random.default_rng(self.seed).permutation(groups)
        names = {"val": drawn[:val], "test": drawn[val : val + test], "train": drawn[val + test :]}
        return _split_by_names(manifest, names)


@dataclass(frozen=True)
class LeaveOneGroupOut(Split):
    """A fold of cross-validation over groups.

    Tests groups ``fold * size`` to ``fold * size + size - 1`` in sorted order.

    Args:
        fold: index of the fold, from 0.
        size: number of groups that are left out at a time.
        val: ``group``: the next ``size`` groups validate; ``random``: a share of the rest.
        val_fraction: that share.
        seed: seed of its draw.
    """

    fold: int = 0
    size: int = 1
    val: str = "group"
    val_fraction: float = 0.15
    seed: int = 0

    def __call__(self, manifest: pd.DataFrame) -> SplitIndices:
        """Divide the groups of a manifest."""
        groups = list_groups(manifest)
        self._check_settings(groups)
        start = self.fold * self.size
        tested = groups[start : start + self.size]
        if self.val == "group":
            rest = groups[start + self.size :] + groups[:start]
            names = {"test": tested, "val": rest[: self.size], "train": rest[self.size :]}
            return _split_by_names(manifest, names)
        is_tested = manifest["group"].isin(tested).to_numpy()
        rows = np.flatnonzero(~is_tested)
        train, val, draw = draw_random_rows(manifest, rows, self.val_fraction, self.seed)
        description = f"tested on {format_groups(tested)}; validation: {draw}"
        test = np.flatnonzero(is_tested)
        return SplitIndices(train, val, test, description, overlap_note=NOT_TRAINED_ON)

    def _check_settings(self, groups: list[str]) -> None:
        folds = -(-len(groups) // self.size)
        needed = 2 if self.val == "random" else 3
        if folds < needed or not 0 <= self.fold < folds:
            raise ValueError(
                f"split=leave_one_group_out fold={self.fold}: {len(groups)} groups "
                f"({', '.join(groups) or 'none'}), {self.size} left out at a time, make {folds} "
                f"folds; fold must be in 0..{folds - 1}, and at least {needed} folds are needed"
            )
        if self.val not in ("group", "random"):
            raise ValueError(f"split.val={self.val}: expected group or random")


def _split_by_names(manifest: pd.DataFrame, names: Mapping[str, Sequence[str]]) -> SplitIndices:
    group = manifest["group"]
    rows = {phase: np.flatnonzero(group.isin(names[phase])) for phase in PHASES}
    unnamed = np.flatnonzero(group == "")  # they may be anyone's: never validated or tested
    rows["train"] = np.sort(np.concatenate([rows["train"], unnamed]))
    phases = "; ".join(f"{phase}: {format_groups(names[phase])}" for phase in PHASES)
    note = NOT_TRAINED_ON if len(rows["test"]) else ""
    return SplitIndices(**rows, description=f"by group ({phases})", overlap_note=note)


def _suggest_split(num_groups: int) -> str:
    if num_groups == 2:
        return (
            "Use split=leave_one_group_out split.val=random fold=0 (then fold=1), which keeps one "
            "of the two aside, or record more people"
        )
    return "Use split=random, which leaks, or record more people"
