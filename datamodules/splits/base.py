"""The interface of a split, and the columns of a manifest that splits read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from unvoiced.text import shorten

PHASES = ("train", "val", "test")


@dataclass(frozen=True)
class SplitIndices:
    """Indices of the manifest's rows in each phase.

    Attributes:
        train, val, test: row indices, int64.
        description: how the rows were divided.
        has_leakage: whether training shares people with validation or test.
        overlap_note: how the tested people relate to training; may be empty.
    """

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    description: str
    has_leakage: bool = False
    overlap_note: str = ""

    @property
    def summary(self) -> str:
        """The description and the overlap note as one phrase."""
        return "; ".join(filter(None, (self.description, self.overlap_note)))

    def __getitem__(self, phase: str) -> np.ndarray:
        assert phase in PHASES, phase
        return getattr(self, phase)


class Split(ABC):
    """A rule that divides a manifest; the same seed gives the same indices."""

    @abstractmethod
    def __call__(self, manifest: pd.DataFrame) -> SplitIndices:
        """Divide the rows of a manifest.

        Raises:
            ValueError: the manifest does not allow this split.
        """


def list_groups(manifest: pd.DataFrame) -> list[str]:
    """Return the distinct named groups, sorted."""
    return sorted(set(manifest["group"]) - {""})


def read_split_column(manifest: pd.DataFrame) -> np.ndarray:
    """Return the manifest's own split of each row, (rows,) str: a phase or empty.

    Raises:
        ValueError: a value that is no phase.
    """
    marks = manifest["split"].to_numpy(dtype=str)
    unknown = sorted(set(marks.tolist()) - {*PHASES, ""})
    if unknown:
        found = ", ".join(repr(shorten(mark, 40)) for mark in unknown[:5])
        raise ValueError(
            f"the manifest's column 'split' holds {found}; expected train, val, test or nothing. "
            "Correct the table and prepare the set again"
        )
    return marks


def count_share(count: int, fraction: float) -> int:
    """Return the size of a share of ``count``, at least 1 unless the fraction is 0.

    Raises:
        ValueError: a fraction outside [0, 1).
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"a split's fraction must be in [0, 1), found {fraction}")
    return max(1, round(count * fraction)) if fraction else 0


def format_groups(names: Iterable[str]) -> str:
    """Return up to eight group names, or the number of more."""
    shown = sorted(map(str, names))
    return f"{len(shown):,} groups" if len(shown) > 8 else ", ".join(shown) or "none"


def describe_overlap(
    manifest: pd.DataFrame, train: np.ndarray, held_out: np.ndarray
) -> dict[str, Any]:
    """Return ``has_leakage`` and ``overlap_note`` of training and held-out rows."""
    train_groups, groups = (set(manifest["group"].iloc[rows]) for rows in (train, held_out))
    shared = train_groups & groups - {""}
    if shared:
        note = f"{len(shared)} of {len(groups)} held-out groups are trained on too"
    elif "" in train_groups | groups:
        note = "the set does not state the group of every sample"
    else:
        note = "the held-out groups are not trained on"
    return {"has_leakage": bool(shared), "overlap_note": note}
