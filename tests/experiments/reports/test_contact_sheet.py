"""The contact sheet shows samples of all classes and people of a set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from datamodules.store.dataset import PreparedSet
from datamodules.store.samples import Description, Frame, Sample
from datamodules.store.writer import write_all
from experiments.reports.contact_sheet import MAX_TILES, choose_samples, draw_contact_sheet
from tests.helpers.prepared_sets import write_hands, write_mouths


def write_muscles(folder: Path) -> Path:
    signal = np.random.default_rng(0).normal(0, 20, (300, 8)).astype(np.float32)
    samples = [Sample(f"{n}", signal, f"costs ${n}$ or _x^", "s0") for n in range(3)]
    write_all(folder, Description("emg", Frame((8,), "float32", "a test", 250.0), {}), samples)
    return folder


@pytest.mark.parametrize("make", [write_hands, write_mouths, write_muscles])
def test_samples_of_every_task_are_drawn(make, tmp_path: Path) -> None:
    path = draw_contact_sheet(PreparedSet(make(tmp_path / "set")))
    with Image.open(path) as image:
        assert np.asarray(image.convert("L")).std() > 5  # something is drawn


def test_every_class_and_person_comes_in_turn() -> None:
    rows = [(label, group) for label in "ABCD" for group in ("s0", "s1") for _ in range(50)]
    manifest = pd.DataFrame(rows, columns=["label", "group"])
    chosen = manifest.iloc[choose_samples(manifest)]
    assert len(chosen) == MAX_TILES
    assert set(chosen.value_counts()) == {MAX_TILES // 8}
