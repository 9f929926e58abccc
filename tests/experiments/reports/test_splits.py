"""splits.csv lists the split of each sample."""

from pathlib import Path

import numpy as np
import pandas as pd

from datamodules.splits import PHASES
from experiments.launch.build import build_datamodule
from experiments.reports.splits import tabulate_splits, write_splits
from tests.helpers.prepared_sets import write_hands


def test_every_sample_is_listed_with_its_split(compose_config, tmp_path: Path) -> None:
    folder = write_hands(tmp_path / "set", groups=5, each=8)
    data = build_datamodule(compose_config(f"data_dir={folder}", "split=by_group"))
    write_splits(data, tmp_path)
    table = pd.read_csv(tmp_path / "splits.csv", dtype=str, keep_default_na=False)
    manifest = data.prepared.manifest
    assert table["id"].tolist() == manifest["id"].tolist()
    assert table[["group", "label"]].equals(manifest[["group", "label"]].astype(str))
    for phase in PHASES:
        expected = set(manifest["id"].iloc[data.indices[phase]])
        assert set(table.loc[table["split"] == phase, "id"]) == expected
    assert table.groupby("group")["split"].nunique().eq(1).all()


def test_shared_and_unused_samples_are_listed_too(compose_config, tmp_path: Path) -> None:
    folder = write_hands(tmp_path / "set", groups=2, each=2)
    data = build_datamodule(compose_config(f"data_dir={folder}", "split=train_all"))
    rows = np.arange(len(data.prepared))
    data.indices = type(data.indices)(rows[:3], rows[2:4], rows[4:5], "", False)
    table = tabulate_splits(data)
    assert table["split"].tolist()[:5] == ["train", "train", "train", "val", "val"]
    assert table["split"].tolist()[5:] == ["test", *["none"] * (len(rows) - 5)]
    assert table.index.tolist() == [0, 1, 2, 2, *rows[3:].tolist()]
