"""Manifest rows that name files elsewhere are rejected; the others are prepared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.usefixtures("blank_figures")

PLACES = ["/etc/passwd", "../../../etc/passwd", "//etc/passwd", "a/../../x.npy", "~/x.npy"]


def test_rows_with_files_elsewhere_are_rejected(run: Callable[..., Path], tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    random = np.random.default_rng(0)
    np.save(raw / "r.npy", (30 * random.standard_normal((3_000, 8))).astype(np.float32))
    rows = [f"{place},{number},s1\n" for number, place in enumerate(PLACES)]
    (raw / "manifest.csv").write_text("path,text,session\nr.npy,hi,s1\n" + "".join(rows))
    settings = ("reader=emg_manifest", "reader.sample_rate=1000", f"raw_dir={raw}")
    run(
        "stage=prepare",
        "task=emg",
        *settings,
        f"data_dir={tmp_path / 'set'}",
        "prepare.num_workers=1",
    )
    assert list(pd.read_csv(tmp_path / "set" / "manifest.csv")["label"]) == ["hi"]
    rejected = pd.read_csv(tmp_path / "set" / "rejected.csv")["label"]
    assert sorted(rejected) == [*range(len(PLACES))]


def test_clips_elsewhere_are_rejected(run: Callable[..., Path], tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    rows = [f"{place},yes\n" for place in PLACES]
    (raw / "words.csv").write_text("path,label\n" + "".join(rows))
    settings = (
        "reader=video_manifest",
        "reader.manifest=words.csv",
        f"raw_dir={raw}",
        f"data_dir={tmp_path / 'set'}",
    )
    with pytest.raises(ValueError, match="not one recording could be read"):
        run("stage=prepare", "task=vsr", *settings, "prepare.num_workers=1")
