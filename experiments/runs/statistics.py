"""Intervals of a mean over runs."""

from __future__ import annotations

import numpy as np
from scipy.stats import t


def bootstrap_interval(
    scores: np.ndarray, draws: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """Return a 95 % interval of the mean of ``scores`` (n,): the percentile bootstrap over runs.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    rng = np.random.default_rng(seed)
    means = rng.choice(scores, (draws, len(scores))).mean(axis=1)  # (draws, n) → (draws,)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def t_interval(scores: np.ndarray) -> tuple[float, float]:
    """Return a 95 % interval of the mean of ``scores`` (n,), n > 1, by Student's t.

    Source: Student, The Probable Error of a Mean, Biometrika 6, 1908.
    """
    half = float(t.ppf(0.975, len(scores) - 1) * scores.std(ddof=1) / np.sqrt(len(scores)))
    return float(scores.mean()) - half, float(scores.mean()) + half
