"""Landmark files as the input of stage=live and of the page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments.export.live_sources import read_landmarks


def test_files_of_two_hands_are_read_for_models_of_two_hands(tmp_path: Path) -> None:
    path, hands = tmp_path / "hands.npy", np.full((3, 126), 0.5, np.float32)
    np.save(path, hands)
    np.testing.assert_array_equal(read_landmarks(path, 2), hands)
    with pytest.raises(ValueError, match=r"found shape \(3, 126\)"):
        read_landmarks(path, 1)
