"""Who is trained on, who validates, who is tested: splits of a manifest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from unvoiced.text import shorten

PHASES = ("train", "val", "test")


@dataclass(frozen=True)
class SplitIndices:
    """Rows of the manifest, a part each, and what a reader of the report must know.

    ``unseen`` states how the tested people relate to training.
    ``has_leakage`` is True where recordings of one person stand on both sides.
    """

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    description: str
    has_leakage: bool = False
    unseen: str = ""

    @property
    def summary(self) -> str:
        """Return ``description`` and ``unseen`` as one phrase."""
        return "; ".join(part for part in (self.description, self.unseen) if part)

    def __getitem__(self, phase: str) -> np.ndarray:
        assert phase in PHASES, phase
        return getattr(self, phase)


class Split(ABC):
    """Manifest in, parts out; the same parts for the same seed."""

    @abstractmethod
    def __call__(self, manifest: pd.DataFrame) -> SplitIndices:
        """Split the rows; ``ValueError`` where the manifest does not allow it."""


@dataclass(frozen=True)
class GroupSplit(Split):
    """Whole groups (signers, speakers, sessions) on one side only.

    Args:
        val_fraction, test_fraction: share of the groups, at least one group where above 0.
        seed: which groups.
    """

    val_fraction: float = 0.15
    test_fraction: float = 0.15
    seed: int = 0

    def __call__(self, manifest: pd.DataFrame) -> SplitIndices:
        groups = _groups(manifest)
        val, test = (_share(len(groups), f) for f in (self.val_fraction, self.test_fraction))
        if val + test >= len(groups):
            raise ValueError(
                f"split=by_group needs at least {val + test + 1} groups (signers, speakers, "
                f"sessions) and found {len(groups)}: {', '.join(groups) or 'none'}. "
                + _advise_split(len(groups))
            )
        drawn = np.random.default_rng(self.seed).permutation(groups)
        names = {"val": drawn[:val], "test": drawn[val : val + test], "train": drawn[val + test :]}
        return _by_names(manifest, names)


@dataclass(frozen=True)
class RandomSplit(Split):
    """Recordings at random, whole sequences of them: common in the literature, and it leaks."""

    val_fraction: float = 0.15
    test_fraction: float = 0.15
    seed: int = 0

    def __call__(self, manifest: pd.DataFrame) -> SplitIndices:
        rows = np.arange(len(manifest))
        counts = [_share(len(rows), f) for f in (self.test_fraction, self.val_fraction)]
        if sum(counts) >= len(rows):
            raise ValueError(f"split=random needs more than {sum(counts)} samples")
        (test, val), train, unit = _draw_rows(manifest, rows, counts, self.seed, from_end=True)
        note = (
            f"random split by {unit}: recordings of the same person are on both sides, so these "
            "numbers say little about people never seen"
        )
        return SplitIndices(train, val, test, description=note, has_leakage=True)


@dataclass(frozen=True)
class PredefinedSplit(Split):
    """The manifest's own ``split`` column; rows without one are trained on.

    Args:
        val_fraction: share of the training rows that validates where no row is marked ``val``:
            whole groups where there are at least two, single recordings otherwise.
        seed: which ones.
    """

    val_fraction: float = 0.15
    seed: int = 0

    def __call__(self, manifest: pd.DataFrame) -> SplitIndices:
        marks = _marks(manifest)
        if not np.isin(marks, PHASES).any():
            raise ValueError(
                "split=column needs train, val or test in the manifest's column 'split', found an "
                "empty column. Use another split="
            )
        train = np.flatnonzero((marks == "train") | (marks == ""))
        val, test = np.flatnonzero(marks == "val"), np.flatnonzero(marks == "test")
        note = "the split that the recordings came with"
        if len(train) and not len(val):
            train, val, extra = _hold_out(manifest, train, self.val_fraction, self.seed)
            note += f"; validation: {extra}"
        held_out = np.concatenate([val, test])
        return SplitIndices(train, val, test, note, **_describe_shared(manifest, train, held_out))


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

    def __call__(self, manifest: pd.DataFrame) -> SplitIndices:
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
        train, val, extra = _random_rows(manifest, rest_rows, self.val_fraction, self.seed)
        note = f"tested on {_some(names['test'])}; validation: {extra}"
        unseen = "the tested groups are not trained on"
        return SplitIndices(train, val, np.flatnonzero(left_out), note, unseen=unseen)

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
    """Every group is trained on; a share of the recordings validates.

    For the last model, once leave-one-group-out has shown how the recipe does on new people. Rows
    that the set itself marks ``test`` still test.

    Args:
        val_fraction: share of the recordings that validates, where no row is marked ``val``.
        seed: which recordings.
        include_test: whether rows that are marked ``test`` are trained on too.
    """

    val_fraction: float = 0.05
    seed: int = 0
    include_test: bool = False

    def __call__(self, manifest: pd.DataFrame) -> SplitIndices:
        marks = _marks(manifest)
        kept = (marks == "test") & (not self.include_test)
        test, rows = np.flatnonzero(kept), np.flatnonzero(~kept)
        if not len(rows):
            raise ValueError(
                "split=train_all: the set marks every sample as test, so that none is left to "
                "train on. Use split.include_test=true to train on them, or another set"
            )
        val = np.flatnonzero(marks == "val")
        extra = "the recordings that the set marks val"
        train = np.setdiff1d(rows, val)
        if not len(val) or not len(train):
            train, val, extra = _random_rows(manifest, rows, self.val_fraction, self.seed)
        if not len(test):
            note = f"trained on all people, none kept aside to test; validation: {extra}"
            return SplitIndices(train, val, test, note, has_leakage=True)
        note = f"tested on the {len(test):,} samples that the set marks test; validation: {extra}"
        return SplitIndices(train, val, test, note, **_describe_shared(manifest, train, test))


@dataclass(frozen=True)
class TestOnly(Split):
    """Everything is test: for people that a finished model never saw."""

    __test__ = False  # pytest would take the name for a test class

    def __call__(self, manifest: pd.DataFrame) -> SplitIndices:
        none = np.arange(0)
        return SplitIndices(none, none, np.arange(len(manifest)), "everything is test data")


@dataclass(frozen=True)
class AutoSplit(Split):
    """The recordings' own split where they have one, else by group, else random.

    Of two groups the first is tested, and a share of the other's recordings validates.

    Args:
        val_fraction, test_fraction, seed: as the split that is taken uses them.
    """

    val_fraction: float = 0.15
    test_fraction: float = 0.15
    seed: int = 0

    def __call__(self, manifest: pd.DataFrame) -> SplitIndices:
        if (manifest["split"] != "").any():
            return PredefinedSplit(self.val_fraction, self.seed)(manifest)
        groups = len(_groups(manifest))
        if groups == 2:
            one_out = LeaveOneGroupOut(val="random", val_fraction=self.val_fraction, seed=self.seed)
            return one_out(manifest)
        kind = GroupSplit if groups > 2 else RandomSplit
        return kind(self.val_fraction, self.test_fraction, self.seed)(manifest)


def _groups(manifest: pd.DataFrame) -> list[str]:
    return sorted(set(manifest["group"]) - {""})


def _marks(manifest: pd.DataFrame) -> np.ndarray:
    """Return the manifest's own split of each row; ``ValueError`` for an unknown word."""
    marks = manifest["split"].to_numpy(dtype=str)
    unknown = sorted(set(marks.tolist()) - {*PHASES, ""})
    if unknown:
        raise ValueError(
            "the manifest's column 'split' holds "
            + ", ".join(repr(shorten(mark, 40)) for mark in unknown[:5])
            + "; "
            "expected train, val, test or nothing. Correct the table and prepare the set again"
        )
    return marks


def _advise_split(groups: int) -> str:
    if groups == 2:
        return (
            "Use split=leave_one_group_out split.val=random fold=0 (then fold=1), which keeps one "
            "of the two aside, or record more people"
        )
    return "Use split=random, which leaks, or record more people"


def _share(count: int, fraction: float) -> int:
    if not 0 <= fraction < 1:
        raise ValueError(f"a split's fraction must be in [0, 1), found {fraction}")
    return max(1, round(count * fraction)) if fraction else 0


def _by_names(manifest: pd.DataFrame, names: dict[str, list[str]]) -> SplitIndices:
    group = manifest["group"]
    rows = {phase: np.flatnonzero(group.isin(names[phase])) for phase in PHASES}
    unnamed = np.flatnonzero(group == "")  # nobody knows who these are: train only
    rows["train"] = np.sort(np.concatenate([rows["train"], unnamed]))
    told = "; ".join(f"{phase}: {_some(names[phase])}" for phase in PHASES)
    unseen = "the tested groups are not trained on" if len(rows["test"]) else ""
    return SplitIndices(**rows, description=f"by group ({told})", unseen=unseen)


def _some(names: list[str] | np.ndarray, shown: int = 8) -> str:
    if len(names) > shown:
        return f"{len(names):,} groups"
    return ", ".join(sorted(map(str, names))) or "none"


def _hold_out(
    manifest: pd.DataFrame, rows: np.ndarray, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray, str]:
    groups = _groups(manifest.iloc[rows])
    if len(groups) < 2:
        return _random_rows(manifest, rows, fraction, seed)
    drawn = np.random.default_rng(seed).permutation(groups)[: _share(len(groups), fraction)]
    chosen = manifest["group"].iloc[rows].isin(drawn).to_numpy()
    return rows[~chosen], rows[chosen], f"the groups {', '.join(sorted(drawn))}"


def _random_rows(
    manifest: pd.DataFrame, rows: np.ndarray, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray, str]:
    (drawn,), rest, unit = _draw_rows(manifest, rows, [_share(len(rows), fraction)], seed)
    told = f"{fraction:.0%} of the {unit} at random, of the same people as training"
    return rest, drawn, told


def _draw_rows(
    manifest: pd.DataFrame,
    rows: np.ndarray,
    counts: list[int],
    seed: int,
    from_end: bool = False,
) -> tuple[list[np.ndarray], np.ndarray, str]:
    """Draw ``counts`` of the ``rows`` at random, whole sequences of them, and return the rest.

    A sequence stays where a class of several samples would be left without any. Where that leaves
    nothing to draw, single samples are drawn. The last value says which it was.
    """
    codes = pd.factorize(manifest["sequence"].iloc[rows])[0]
    labels = pd.factorize(manifest["label"].iloc[rows])[0]
    drawn = _draw_sequences(codes, labels, counts, seed, from_end)
    unit = "recordings"
    if not all(count == 0 or len(part) for count, part in zip(counts, drawn, strict=True)):
        drawn = _draw_sequences(np.arange(len(rows)), labels, counts, seed, from_end)
        unit = "samples (near-copies of what is trained on: the recordings are too few to draw)"
    taken = np.concatenate([np.zeros(0, np.int64), *drawn])
    rest = np.setdiff1d(np.arange(len(rows)), taken)
    return [rows[part] for part in drawn], rows[rest], unit


def _draw_sequences(
    codes: np.ndarray, labels: np.ndarray, counts: list[int], seed: int, from_end: bool
) -> list[np.ndarray]:
    """Return for each count the sorted positions of whole sequences that reach it.

    Args:
        codes, labels: (positions,) the sequence and the class of each.
        counts: of positions to draw.
        seed: of the order in which sequences are drawn.
        from_end: whether that order is gone through backwards.
    """
    order = np.argsort(codes, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(codes))[:-1])
    left = np.bincount(labels)  # samples of each class that are not drawn
    is_guarded = left > 1
    drawn: list[list[np.ndarray]] = [[] for _ in counts]
    wanted, part = list(counts), 0
    shuffled = np.random.default_rng(seed).permutation(len(members))
    for code in shuffled[::-1] if from_end else shuffled:
        while part < len(wanted) and wanted[part] <= 0:
            part += 1
        if part == len(wanted):
            break
        takes = np.bincount(labels[members[code]], minlength=len(left))
        if (is_guarded & (takes > 0) & (takes >= left)).any():
            continue
        left -= takes
        drawn[part].append(members[code])
        wanted[part] -= len(members[code])
    return [np.sort(np.concatenate([np.zeros(0, np.int64), *parts])) for parts in drawn]


def _describe_shared(
    manifest: pd.DataFrame, train: np.ndarray, held_out: np.ndarray
) -> dict[str, Any]:
    """Return ``has_leakage`` and ``unseen`` of a split that the recordings came with."""
    train_groups, groups = (set(manifest["group"].iloc[rows]) for rows in (train, held_out))
    shared = train_groups & groups - {""}
    if not shared and "" in train_groups | groups:
        return {"has_leakage": False, "unseen": "the set does not name everybody's group"}
    if not shared:
        return {"has_leakage": False, "unseen": "the held-out groups are not trained on"}
    note = f"{len(shared)} of {len(groups)} held-out groups are trained on too"
    return {"has_leakage": True, "unseen": note}


def draw_calibration(
    parts: SplitIndices, manifest: pd.DataFrame, count: int, seed: int = 0
) -> SplitIndices:
    """Train on ``count`` recordings a label of each tested group instead of testing on them.

    What people would record once, before they use a model in a new session. Whole sequences are
    drawn. Where a group has no more than ``count`` of a label, none are taken: something must be
    left to test.

    Raises:
        ValueError: a count below 0, or nothing is tested or could be taken.
    """
    if count < 0 or not len(parts.test):
        raise ValueError(f"calibrate={count} takes from what is tested, and this split tests none")
    drawn = np.random.default_rng(seed).permutation(parts.test)
    table = manifest[["group", "label", "sequence"]].iloc[drawn].drop_duplicates()
    keys = table["group"] + "\n" + table["label"]
    place, size = keys.groupby(keys).cumcount(), keys.map(keys.value_counts())
    sequences = table["sequence"][(place < count) & (size > count)]
    is_taken = manifest["sequence"].iloc[parts.test].isin(sequences).to_numpy()
    if not is_taken.any() or is_taken.all():
        raise ValueError(
            f"calibrate={count}: no tested group has more than {count} recordings of a label, so "
            "that some could be trained on and the rest tested"
        )
    taken = parts.test[is_taken]
    note = (
        f"{len(taken):,} samples of the tested groups are trained on (calibrate={count}: so many "
        "recordings a label), the others are tested"
    )
    return replace(
        parts,
        train=np.concatenate([parts.train, taken]),
        test=parts.test[~is_taken],
        has_leakage=True,
        unseen=note,
    )


def _quoted(text: str) -> str:
    return repr(shorten(text, 40))
