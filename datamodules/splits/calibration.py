"""Calibration: a few recordings of each tested group are trained on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from datamodules.splits.base import SplitIndices


def draw_calibration(
    indices: SplitIndices, manifest: pd.DataFrame, count: int, seed: int = 0
) -> SplitIndices:
    """Move ``count`` recordings per label of each tested group from test to training.

    They stand for recordings that calibrate a model to a new session. Whole
    sequences are drawn. A label with no more than ``count`` recordings stays tested.

    Raises:
        ValueError: a count below 0, or nothing is tested or could be moved.
    """
    if count < 0 or not len(indices.test):
        raise ValueError(f"calibrate={count} takes from tested samples, and this split tests none")
    drawn = np.random.default_rng(seed).permutation(indices.test)
    table = manifest[["group", "label", "sequence"]].iloc[drawn].drop_duplicates()
    recordings = table.groupby(["group", "label"], sort=False)["sequence"]
    is_drawn = (recordings.cumcount() < count) & (recordings.transform("size") > count)
    sequences = table["sequence"][is_drawn]
    is_moved = manifest["sequence"].iloc[indices.test].isin(sequences).to_numpy()
    if not is_moved.any() or is_moved.all():
        raise ValueError(
            f"calibrate={count}: no tested group has more than {count} recordings of a label, so "
            "that some could be trained on and the rest tested"
        )
    moved = indices.test[is_moved]
    return replace(
        indices,
        train=np.concatenate([indices.train, moved]),
        test=indices.test[~is_moved],
        has_leakage=True,
        overlap_note=f"{len(moved):,} samples of the tested groups are trained on "
        f"(calibrate={count}: so many recordings a label), the others are tested",
    )
