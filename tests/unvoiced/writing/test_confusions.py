"""The errors of a model, as its files state them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unvoiced.metadata import check_metadata
from unvoiced.writing.confusions import build_error_model


@pytest.mark.parametrize(
    "value", [7, [[1]] * 2, [[1, -1], [0, 1]], [[1.5]], [["1"]], [[1] * 129] * 129, [[None]]]
)
def test_confusions_of_a_file_are_counts_of_a_small_square(value: Any) -> None:
    with pytest.raises(ValueError, match="file.confusions"):
        check_metadata({"confusions": value}, (), "file")


def test_an_error_model_keeps_most_of_the_models_own_doubt() -> None:
    errors = build_error_model(np.array([[60, 40], [0, 0]]), 2)
    assert errors[0] == pytest.approx([0.98, 0.02], abs=0.001) and errors[1, 1] > 0.99
    assert (build_error_model(None, 2) == np.eye(2)).all()
    check_metadata({"confusions": []}, (), "file")
