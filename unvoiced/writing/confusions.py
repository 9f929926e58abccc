"""The errors of a model, from the confusion matrix of its test."""

from __future__ import annotations

import numpy as np

PRIOR_RIGHT, PRIOR_OTHER = 1.0, 0.1  # counts that are added: to the right label, and to all others


def build_error_model(confusions: np.ndarray | None, size: int) -> np.ndarray:
    """Return (true, predicted) probabilities, of counts of the same shape.

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
    return counts / counts.sum(1, keepdims=True)
