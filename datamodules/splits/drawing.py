"""Random draws of whole sequences, so that near-copies stay on one side of a split."""

from __future__ import annotations

import numpy as np
import pandas as pd

from datamodules.splits.base import count_share, list_groups
from datamodules.splits.stratified import draw_stratified, list_members


def draw_validation(
    manifest: pd.DataFrame, rows: np.ndarray, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray, str]:
    """Draw validation rows: whole groups if there are at least two, else whole recordings.

    Returns:
        The remaining rows, the drawn rows, and a description of the draw.
    """
    groups = list_groups(manifest.iloc[rows])
    if len(groups) < 2:
        return draw_random_rows(manifest, rows, fraction, seed)
    drawn = np.random.default_rng(seed).permutation(groups)[: count_share(len(groups), fraction)]
    chosen = manifest["group"].iloc[rows].isin(drawn).to_numpy()
    return rows[~chosen], rows[chosen], f"the groups {', '.join(sorted(drawn))}"


def draw_random_rows(
    manifest: pd.DataFrame, rows: np.ndarray, fraction: float, seed: int, stratify: bool = False
) -> tuple[np.ndarray, np.ndarray, str]:
    """Draw a share of the rows; return the remaining rows, the drawn rows and a description."""
    counts = [count_share(len(rows), fraction)]
    (drawn,), rest, unit = draw_rows(manifest, rows, counts, seed, stratify=stratify)
    return rest, drawn, f"{fraction:.0%} of the {unit} at random, of the same people as training"


def draw_rows(
    manifest: pd.DataFrame,
    rows: np.ndarray,
    counts: list[int],
    seed: int,
    from_end: bool = False,
    stratify: bool = False,
) -> tuple[list[np.ndarray], np.ndarray, str]:
    """Draw ``counts`` of the rows at random, whole sequences of them.

    A sequence is not drawn if a class of several samples would be left without any. If nothing can
    be drawn then, single samples are drawn.

    Args:
        manifest: the table of samples.
        rows: indices of the rows to draw from.
        counts: numbers of rows to draw.
        seed: seed of the draw.
        from_end: whether the drawn order is traversed backwards; without ``stratify`` only.
        stratify: whether each class, and within it each group, gives its share.

    Returns:
        The drawn rows of each count, the remaining rows, and the unit that was drawn.
    """
    codes = pd.factorize(manifest["sequence"].iloc[rows])[0]
    labels = pd.factorize(manifest["label"].iloc[rows])[0]
    groups = pd.factorize(manifest["group"].iloc[rows])[0]

    def draw(units: np.ndarray) -> list[np.ndarray]:
        if stratify:
            return draw_stratified(units, labels, groups, counts, seed)
        return _draw_sequences(units, labels, counts, seed, from_end)

    drawn, unit = draw(codes), "recordings"
    if not all(count == 0 or len(part) for count, part in zip(counts, drawn, strict=True)):
        drawn = draw(np.arange(len(rows)))
        unit = "samples (near-copies of training samples: the recordings are too few to draw)"
    rest = np.setdiff1d(np.arange(len(rows)), np.concatenate([np.zeros(0, np.int64), *drawn]))
    return [rows[part] for part in drawn], rows[rest], unit


def _draw_sequences(
    codes: np.ndarray, labels: np.ndarray, counts: list[int], seed: int, from_end: bool
) -> list[np.ndarray]:
    """Return for each count the sorted positions of whole sequences that reach it.

    Args:
        codes, labels: (positions,) the sequence and the class of each.
        counts: numbers of positions to draw.
        seed: seed of the order in which sequences are drawn.
        from_end: whether that order is traversed backwards.
    """
    members = list_members(codes)
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
        taken = np.bincount(labels[members[code]], minlength=len(left))
        if (is_guarded & (taken > 0) & (taken >= left)).any():
            continue
        left -= taken
        drawn[part].append(members[code])
        wanted[part] -= len(members[code])
    return [np.sort(np.concatenate([np.zeros(0, np.int64), *parts])) for parts in drawn]
