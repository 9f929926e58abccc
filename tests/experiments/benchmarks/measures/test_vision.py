"""The speed of vision on recordings."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
from omegaconf import OmegaConf

from experiments.benchmarks.measures import vision
from tests.helpers.faces import paint_scene


def write_config(folder: Path | None) -> OmegaConf:
    path = None if folder is None else str(folder)
    return OmegaConf.create({"benchmark": {"recordings": path, "clock": "processor", "rounds": 1}})


def test_a_folder_of_recordings_is_required(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="recordings=None is not a folder"):
        vision.measure_tables(write_config(None))
    with pytest.raises(ValueError, match="has no images or videos"):
        vision.measure_tables(write_config(tmp_path))


def test_images_are_a_table_of_hands(tmp_path: Path, hand_model_file: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), paint_scene())
    (table,) = vision.measure_tables(write_config(tmp_path))
    assert [row.name for row in table.rows] == ["MediaPipe alone", "this suite"]
    assert table.rows[0].value > 0 and "MediaPipe alone in 0, this suite in 0" in table.note
