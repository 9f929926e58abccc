"""Who is trained on, who validates, who is tested: splits of a manifest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

PHASES = ("train", "val", "test")


@dataclass(frozen=True)
class Parts:
    """Rows of the manifest, a part each, and what a reader of the report must know.

    ``leaks`` is True where recordings of one person stand on both sides.
    """

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    note: str
    leaks: bool = False

    def __getitem__(self, phase: str) -> np.ndarray:
        assert phase in PHASES, phase
        return getattr(self, phase)


class Split(ABC):
    """Manifest in, parts out; the same parts for the same seed."""

    @abstractmethod
    def __call__(self, manifest: pd.DataFrame) -> Parts:
        """Split the rows; ``ValueError`` where the manifest does not allow it."""


@dataclass(frozen=True)
class ByGroup(Split):
    """Whole groups (signers, speakers, sessions) on one side only.

    Args:
        val_fraction, test_fraction: share of the groups, at least one group where above 0.
        seed: which groups.
    """

    val_fraction: float = 0.15
    test_fraction: float = 0.15
    seed: int = 0

    def __call__(self, manifest: pd.DataFrame) -> Parts:
        groups = _groups(manifest)
        val, test = (_share(len(groups), f) for f in (self.val_fraction, self.test_fraction))
        if val + test >= len(groups):
            raise ValueError(
                f"split=by_group needs at least {val + test + 1} groups (signers, speakers, "
                f"sessions) and found {len(groups)}: {', '.join(groups) or 'none'}. Use "
                "split=random, which leaks, or record more people"
            )
        drawn = np.random.default_rng(self.seed).permutation(groups)
        names = {"val": drawn[:val], "test": drawn[val : val + test], "train": drawn[val + test :]}
        return _by_names(manifest, names)


@dataclass(frozen=True)
class Random(Split):
    """Single recordings at random: what much of the literature does, and it leaks."""

    val_fraction: float = 0.15
    test_fraction: float = 0.15
    seed: int = 0

    def __call__(self, manifest: pd.DataFrame) -> Parts:
        order = np.random.default_rng(self.seed).permutation(len(manifest))
        val, test = (_share(len(order), f) for f in (self.val_fraction, self.test_fraction))
        if val + test >= len(order):
            raise ValueError(f"split=random needs more than {val + test} samples")
        parts = (np.sort(p) for p in np.split(order, [len(order) - val - test, len(order) - test]))
        note = (
            "random split: recordings of the same person (and near-copies of the same recording) "
            "are on both sides, so these numbers say little about people never seen"
        )
        return Parts(*parts, note=note, leaks=True)


@dataclass(frozen=True)
class Column(Split):
    """The manifest's own ``split`` column; rows without one are trained on.

    Args:
        val_fraction: share of the training rows that validates where no row is marked ``val``:
            whole groups where there are at least two, single recordings otherwise.
        seed: which ones.
    """

    val_fraction: float = 0.15
    seed: int = 0

    def __call__(self, manifest: pd.DataFrame) -> Parts:
        marks = manifest["split"].to_numpy(dtype=str)
        unknown = sorted(set(marks) - {*PHASES, ""})
        if unknown or not np.isin(marks, PHASES).any():
            raise ValueError(
                "split=column needs train, val or test in the manifest's column 'split', found "
                + (", ".join(unknown) or "an empty column")
            )
        train = np.flatnonzero((marks == "train") | (marks == ""))
        val, test = np.flatnonzero(marks == "val"), np.flatnonzero(marks == "test")
        note = "the split that the recordings came with"
        if len(train) and not len(val):
            train, val, extra = _hold_out(manifest, train, self.val_fraction, self.seed)
            note += f"; validation: {extra}"
        shared = _shared_groups(manifest, train, np.concatenate([val, test]))
        return Parts(train, val, test, note, leaks=shared)


@dataclass(frozen=True)
class LeaveOneGroupOut(Split):
    """Test on groups ``fold * size`` to ``fold * size + size - 1`` in sorted order.

    Args:
        fold: which groups are left out, from 0.
        size: how many groups are left out at a time.
        val: ``group``, the next ``size`` groups validate; ``random``, a share of the rest.
        val_fraction: that share.
        seed: which recordings that share is.
    """

    fold: int = 0
    size: int = 1
    val: str = "group"
    val_fraction: float = 0.15
    seed: int = 0

    def __call__(self, manifest: pd.DataFrame) -> Parts:
        groups = _groups(manifest)
        self._check(groups)
        start = self.fold * self.size
        names = {"test": groups[start : start + self.size]}
        if self.val == "group":
            rest = groups[start + self.size :] + groups[:start]
            names |= {"val": rest[: self.size], "train": rest[self.size :]}
            return _by_names(manifest, names)
        left_out = manifest["group"].isin(names["test"]).to_numpy()
        rest_rows = np.flatnonzero(~left_out)
        train, val, extra = _random_rows(rest_rows, self.val_fraction, self.seed)
        note = f"tested on {', '.join(names['test'])}, never seen; validation: {extra}"
        return Parts(train, val, np.flatnonzero(left_out), note)

    def _check(self, groups: list[str]) -> None:
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


@dataclass(frozen=True)
class TrainAll(Split):
    """Every group is trained on; a share of the recordings validates, and nothing tests.

    For the last model, once leave-one-group-out has shown how the recipe does on new people.
    """

    val_fraction: float = 0.05
    seed: int = 0

    def __call__(self, manifest: pd.DataFrame) -> Parts:
        rows = np.arange(len(manifest))
        train, val, extra = _random_rows(rows, self.val_fraction, self.seed)
        note = f"trained on everybody; validation: {extra}"
        return Parts(train, val, rows[:0], note, leaks=True)


@dataclass(frozen=True)
class TestOnly(Split):
    """Everything is test: for people that a finished model never saw."""

    __test__ = False  # pytest would take the name for a test class

    def __call__(self, manifest: pd.DataFrame) -> Parts:
        none = np.arange(0)
        return Parts(none, none, np.arange(len(manifest)), "everything is test data")


@dataclass(frozen=True)
class Auto(Split):
    """The recordings' own split where they have one, else by group, else random.

    Args:
        val_fraction, test_fraction, seed: as the split that is taken uses them.
    """

    val_fraction: float = 0.15
    test_fraction: float = 0.15
    seed: int = 0

    def __call__(self, manifest: pd.DataFrame) -> Parts:
        if (manifest["split"] != "").any():
            return Column(self.val_fraction, self.seed)(manifest)
        kind = ByGroup if len(_groups(manifest)) >= 3 else Random
        return kind(self.val_fraction, self.test_fraction, self.seed)(manifest)


def _groups(manifest: pd.DataFrame) -> list[str]:
    return sorted(set(manifest["group"]) - {""})


def _share(count: int, fraction: float) -> int:
    if not 0 <= fraction < 1:
        raise ValueError(f"a split's fraction must be in [0, 1), found {fraction}")
    return max(1, round(count * fraction)) if fraction else 0


def _by_names(manifest: pd.DataFrame, names: dict[str, list[str]]) -> Parts:
    group = manifest["group"]
    rows = {phase: np.flatnonzero(group.isin(names[phase])) for phase in PHASES}
    unnamed = np.flatnonzero(group == "")  # nobody knows who these are: train only
    rows["train"] = np.sort(np.concatenate([rows["train"], unnamed]))
    told = "; ".join(f"{phase}: {_some(names[phase])}" for phase in PHASES)
    return Parts(**rows, note=f"by group, nobody on two sides ({told})")


def _some(names: list[str] | np.ndarray, shown: int = 8) -> str:
    if len(names) > shown:
        return f"{len(names):,} groups"
    return ", ".join(sorted(map(str, names))) or "none"


def _hold_out(
    manifest: pd.DataFrame, rows: np.ndarray, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray, str]:
    groups = _groups(manifest.iloc[rows])
    if len(groups) < 2:
        return _random_rows(rows, fraction, seed)
    drawn = np.random.default_rng(seed).permutation(groups)[: _share(len(groups), fraction)]
    chosen = manifest["group"].iloc[rows].isin(drawn).to_numpy()
    return rows[~chosen], rows[chosen], f"the groups {', '.join(sorted(drawn))}"


def _random_rows(
    rows: np.ndarray, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray, str]:
    order = np.random.default_rng(seed).permutation(rows)
    count = _share(len(rows), fraction)
    told = f"{fraction:.0%} of the recordings at random, of the same people as training"
    return np.sort(order[count:]), np.sort(order[:count]), told


def _shared_groups(manifest: pd.DataFrame, one: np.ndarray, other: np.ndarray) -> bool:
    """Whether a person may stand on both sides; recordings without a name may be anyone's."""
    sides = [set(manifest["group"].iloc[rows]) for rows in (one, other)]
    return bool(sides[0] & sides[1])


def calibrated(parts: Parts, manifest: pd.DataFrame, count: int, seed: int = 0) -> Parts:
    """``count`` recordings a label of each tested group are trained on instead of tested.

    What people would record once, before they use a model in a new session. Where a group has no
    more than ``count`` of a label, none are taken: something must be left to test.

    Raises:
        ValueError: a count below 0, or nothing is tested or could be taken.
    """
    if count < 0 or not len(parts.test):
        raise ValueError(f"calibrate={count} takes from what is tested, and this split tests none")
    drawn = np.random.default_rng(seed).permutation(parts.test)
    keys = manifest["group"].iloc[drawn] + "\n" + manifest["label"].iloc[drawn]
    place, size = keys.groupby(keys).cumcount(), keys.map(keys.value_counts())
    taken = np.sort(drawn[((place < count) & (size > count)).to_numpy()])
    if not len(taken):
        raise ValueError(
            f"calibrate={count}: no tested group has more than {count} recordings of a label"
        )
    note = f"{parts.note}; calibrated: {len(taken):,} recordings of the tested groups, {count} a "
    return replace(
        parts,
        train=np.concatenate([parts.train, taken]),
        test=np.setdiff1d(parts.test, taken),
        note=note + "label, are trained on",
    )
