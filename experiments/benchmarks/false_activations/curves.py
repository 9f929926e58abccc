"""From counts of answers to false activations an hour and the share of right words that stay."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from experiments.benchmarks.false_activations.readings import StreamCounts
from unvoiced.false_activations import FalseActivations

RATES = (1, 10, 60)  # false activations an hour; the report lists the right words at each
HOUR_S = 3600.0


def tabulate_kinds(
    counts: Sequence[StreamCounts], thresholds: np.ndarray, default: float
) -> pd.DataFrame:
    """Return a row per kind of stream without words: minutes, false answers, and an hour's rate."""
    at, rows = int(np.searchsorted(thresholds, default)), {}
    for kind in dict.fromkeys(one.stream.kind for one in counts if not one.stream.words):
        chosen = [one for one in counts if one.stream.kind == kind and not one.stream.words]
        seconds = sum(one.seconds for one in chosen)
        false = sum(one.wrong for one in chosen)
        rows[kind] = {
            "minutes": round(seconds / 60, 1),
            "false": int(false[at]),
            "an hour": round(float(false[at]) * HOUR_S / seconds, 1),
            "silence": not chosen[0].stream.is_talk,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("kind")


def tabulate_thresholds(counts: Sequence[StreamCounts], thresholds: np.ndarray) -> pd.DataFrame:
    """Return a row per threshold: false answers an hour of each kind, and right and wrong words."""
    table = pd.DataFrame({"threshold": thresholds})
    for kind in dict.fromkeys(one.stream.kind for one in counts if not one.stream.words):
        chosen = [one for one in counts if one.stream.kind == kind and not one.stream.words]
        seconds = sum(one.seconds for one in chosen)
        table[f"{kind}, an hour"] = sum(one.wrong for one in chosen) * HOUR_S / seconds
    spoken = [one for one in counts if one.stream.words]
    if spoken:
        table["right words"] = sum(one.right for one in spoken)
        table["wrong beside words"] = sum(one.wrong for one in spoken)
        table["words"] = sum(len(one.stream.words) for one in spoken)
    return table


def build_curve(
    counts: Sequence[StreamCounts], thresholds: np.ndarray, default: float
) -> FalseActivations | None:
    """Return the curve over all silence, without people who say other words; None without words.

    Raises:
        ValueError: there is no silence.
    """
    silent = [one for one in counts if not one.stream.words and not one.stream.is_talk]
    spoken = [one for one in counts if one.stream.words]
    if not silent:
        raise ValueError("There is no stream in which nothing should be written.")
    if not spoken:
        return None
    right = sum(one.right for one in spoken)
    usual = int(right[int(np.searchsorted(thresholds, default))])
    return FalseActivations(
        tuple(map(float, thresholds)),
        tuple(map(int, sum(one.wrong for one in silent))),
        tuple(float(share) for share in np.round(right / max(usual, 1), 4)),
        sum(one.seconds for one in silent) / HOUR_S,
        sum(len(one.stream.words) for one in spoken),
        all(one.stream.is_simulated for one in silent),
    )


def tabulate_kept(curve: FalseActivations) -> pd.DataFrame:
    """Return the share of right words that stay at 1, 10 and 60 false answers an hour."""
    kept = {f"{rate} an hour": curve.find_kept(rate) for rate in RATES}
    return pd.DataFrame(kept, index=["right words kept"]).rename_axis("at most")
