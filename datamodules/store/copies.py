"""Recordings that are equal, number by number, and yet bear two labels."""

from __future__ import annotations

from array import array
from hashlib import blake2b

import numpy as np
import pandas as pd

from datamodules.store.frames import Frames
from unvoiced.text import count_noun, escape_controls, shorten

SHOWN_COPIES = 3


class CopyFinder:
    """Fingerprints of the samples of a set, 8 bytes each, in its order."""

    def __init__(self) -> None:
        self._prints = array("Q")

    def __len__(self) -> int:
        return len(self._prints)

    def add(self, features: np.ndarray) -> None:
        """Take the next sample, (frames, *frame_shape), contiguous."""
        self._prints.append(_fingerprint(features))

    def add_earlier(self, frames: Frames, rows: pd.DataFrame) -> None:
        """Take the samples that an earlier run wrote, of which ``rows`` has start and length."""
        spans = rows[["start", "length"]].to_numpy(np.int64)
        earlier = [_fingerprint(frames[start : start + length]) for start, length in spans]
        self._prints = array("Q", earlier) + self._prints

    def conflicts(self, ids: pd.Series, labels: pd.Series) -> list[str]:
        """Return a sentence on the samples that are equal and bear different labels, if any."""
        prints = pd.Series(np.frombuffer(self._prints, np.uint64))
        copies = prints[prints.duplicated(keep=False)]
        found = [
            rows.tolist()
            for _, rows in copies.index.to_series().groupby(copies)
            if labels.iloc[rows].nunique() > 1
        ]
        if not found:
            return []
        shown = "; ".join(_pair(rows, ids, labels) for rows in found[:SHOWN_COPIES])
        more = f"; and {len(found) - SHOWN_COPIES:,} more" if len(found) > SHOWN_COPIES else ""
        return [
            f"warning: {count_noun(len(found), 'recording')} under two labels: {shown}{more}. "
            "Correct the labels and prepare the set again"
        ]


def _fingerprint(features: np.ndarray) -> int:
    content = np.ascontiguousarray(features).reshape(-1).view(np.uint8)
    return int.from_bytes(blake2b(content.data, digest_size=8).digest(), "little")


def _pair(rows: list[int], ids: pd.Series, labels: pd.Series) -> str:
    first = labels.iloc[rows[0]]
    other = next(row for row in rows if labels.iloc[row] != first)
    return " and ".join(
        f"{escape_controls(shorten(ids.iloc[row], 60))} ({shorten(labels.iloc[row], 40)!r})"
        for row in (rows[0], other)
    )
