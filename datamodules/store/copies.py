"""Detection of recordings that are numerically equal but have different labels."""

from __future__ import annotations

from array import array
from hashlib import blake2b

import numpy as np
import pandas as pd

from datamodules.store.frames import Frames
from unvoiced.text import count_noun, escape_controls, shorten


class CopyFinder:
    """Fingerprints of the samples of a set, 8 bytes each, in their order."""

    def __init__(self) -> None:
        self._fingerprints = array("Q")

    @property
    def fingerprints(self) -> np.ndarray:
        """The fingerprint of each sample, (samples,) uint64."""
        return np.array(self._fingerprints, np.uint64)

    def __len__(self) -> int:
        return len(self._fingerprints)

    def add(self, features: np.ndarray) -> None:
        """Add the next sample, (frames, *frame_shape)."""
        self._fingerprints.append(fingerprint(features))

    def add_earlier(self, frames: Frames, rows: pd.DataFrame) -> None:
        """Put samples of an earlier run first; ``rows`` has their start and length."""
        spans = rows[["start", "length"]].to_numpy(np.int64)
        earlier = [fingerprint(frames[start : start + length]) for start, length in spans]
        self._fingerprints = array("Q", earlier) + self._fingerprints

    def describe_conflicts(self, ids: pd.Series, labels: pd.Series) -> list[str]:
        """Return a warning about equal samples with different labels, in a list; empty if none."""
        prints = pd.Series(np.frombuffer(self._fingerprints, np.uint64))
        copies = prints[prints.duplicated(keep=False)]
        conflicts = [
            rows.tolist()
            for _, rows in copies.index.to_series().groupby(copies)
            if labels.iloc[rows].nunique() > 1
        ]
        if not conflicts:
            return []
        shown = "; ".join(_format_pair(rows, ids, labels) for rows in conflicts[:3])
        more = f"; and {len(conflicts) - 3:,} more" if len(conflicts) > 3 else ""
        return [
            f"warning: {count_noun(len(conflicts), 'recording')} under two labels: {shown}{more}. "
            "Correct the labels and prepare the set again"
        ]


def fingerprint(features: np.ndarray) -> int:
    """Return a 64-bit hash of the bytes of a sample."""
    content = np.ascontiguousarray(features).reshape(-1).view(np.uint8)
    return int.from_bytes(blake2b(content.data, digest_size=8).digest(), "little")


def _format_pair(rows: list[int], ids: pd.Series, labels: pd.Series) -> str:
    first = labels.iloc[rows[0]]
    second = next(row for row in rows if labels.iloc[row] != first)
    return " and ".join(
        f"{escape_controls(shorten(ids.iloc[row], 60))} ({shorten(labels.iloc[row], 40)!r})"
        for row in (rows[0], second)
    )
