"""Write splits.csv: the samples of training, validation and test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from lightning.pytorch.utilities import rank_zero_only

from datamodules.base import PreparedDataModule
from datamodules.splits import PHASES
from unvoiced.text import spreadsheet_cells

UNUSED = "none"  # the split of samples that the run does not use
COLUMNS = ["id", "split", "group", "label"]


def tabulate_splits(data: PreparedDataModule) -> pd.DataFrame:
    """Return ``COLUMNS`` of every sample in the order of the manifest.

    A sample that is in several splits has several rows.
    """
    manifest, indices = data.prepared.manifest, data.indices
    used = [indices[phase] for phase in PHASES]
    rest = np.setdiff1d(np.arange(len(manifest)), np.concatenate(used))
    rows = np.concatenate([*used, rest])
    counts = [len(part) for part in (*used, rest)]
    order = np.argsort(rows, kind="stable")
    names = np.repeat([*PHASES, UNUSED], counts)[order]
    return manifest.iloc[rows[order]].assign(split=names)[COLUMNS]


@rank_zero_only
def write_splits(data: PreparedDataModule, folder: Path) -> None:
    """Write splits.csv into the run folder."""
    table = tabulate_splits(data)
    repeated = dict.fromkeys(("split", "group", "label"), "category")  # changed once per value
    spreadsheet_cells(table.astype(repeated)).to_csv(folder / "splits.csv", index=False)
