"""The errors of a model, from the confusion matrix of its test."""

from __future__ import annotations

from typing import Any

import numpy as np

from unvoiced.plain_data import check_number, require_fact

PRIOR_RIGHT, PRIOR_OTHER = 1.0, 0.1  # counts that are added: to the right label, and to all others
OWN_SHARE = 0.95  # of the likelihood of a hold that the probabilities of the model have themselves
MAX_CONFUSED = 128  # classes
MAX_COUNT = 1_000_000_000


def build_error_model(confusions: np.ndarray | None, size: int) -> np.ndarray:
    """Return (true, predicted) weights, of counts of the same shape.

    A small part is the share of each prediction in the test; the rest assumes no errors:
    the probabilities of the model already state its doubts.

    Args:
        confusions: (size, size) counts, true labels in rows; None for a model without errors.
        size: number of labels.

    Raises:
        ValueError: the confusions have another shape, or are no counts.
    """
    if confusions is None:
        return np.eye(size)
    counts = np.asarray(confusions, np.float64)
    if counts.shape != (size, size) or not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError(f"confusions of shape {counts.shape}; expected ({size}, {size}) counts.")
    counts = counts + PRIOR_RIGHT * np.eye(size) + PRIOR_OTHER / size
    shares = counts / counts.sum(1, keepdims=True)
    return OWN_SHARE * np.eye(size) + (1 - OWN_SHARE) * shares


def check_confusions(place: str, value: Any) -> None:
    """Accept the counts of a square matrix as lists; an empty list means an unknown test."""
    is_list = isinstance(value, list | tuple) and len(value) <= MAX_CONFUSED
    require_fact(place, value, is_list, f"at most {MAX_CONFUSED} rows of counts")
    for row in value:
        is_row = isinstance(row, list | tuple) and len(row) == len(value)
        require_fact(place, row, is_row, f"a row of {len(value)} counts")
        for count in row:
            check_number(place, count, 0, MAX_COUNT, whole=True)
