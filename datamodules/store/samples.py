"""What a prepared set consists of: manifest.csv, features.npy, meta.json, rejected.csv.

This package knows neither torch nor MediaPipe: preparing processes import it and must start fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from unvoiced.text import escape_controls, normal_form, shorten

MANIFEST, FEATURES, META, REJECTED = "manifest.csv", "features.npy", "meta.json", "rejected.csv"
FORMAT_VERSION = 1
TEXT_COLUMNS = ("id", "label", "group", "sequence", "split", "source")
MANIFEST_COLUMNS = (*TEXT_COLUMNS, "start", "length")
WORD_COLUMNS = ("word_start", "word_end")  # only where a sample says which frames its word takes
MAX_LABEL, MAX_REASON = 1_000, 2_000  # characters


@dataclass(frozen=True)
class Sample:
    """One recording, ready to be stored: ``features`` is (frames, *frame_shape).

    ``word_span`` is the first frame that the word itself takes and the one after its last, counted
    within the sample; what is around it is context. None where nobody knows.

    ``sequence`` names the recording that the sample was cut from, unique in the set: samples of
    one sequence are near-copies and stay on one side of a split. Empty where it is unknown.
    """

    id: str
    features: np.ndarray
    label: str
    group: str = ""
    split: str = ""
    source: str = ""
    word_span: tuple[int, int] | None = None
    sequence: str = ""

    def __post_init__(self) -> None:
        for name in ("label", "group"):
            object.__setattr__(self, name, normal_form(getattr(self, name)))
        if self.word_span is not None:
            first, stop = self.word_span
            assert 0 <= first < stop <= len(self.features), (self.id, first, stop)


@dataclass(frozen=True)
class Rejected:
    """A recording that could not be prepared, and why, in words for its owner."""

    id: str
    reason: str
    source: str = ""
    label: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", shorten(escape_controls(self.reason), MAX_REASON))
        object.__setattr__(self, "label", shorten(normal_form(self.label), MAX_LABEL))


@dataclass(frozen=True)
class Frame:
    """What one row of ``features.npy`` is.

    ``rate`` is in Hz; None where frames are single pictures without a rate.
    """

    shape: tuple[int, ...]
    dtype: str
    meaning: str
    rate: float | None = None


@dataclass(frozen=True)
class Description:
    """What ``meta.json`` says about a prepared set beside the counts.

    ``settings`` are the plain numbers and strings that it was prepared with: a folder is gone on
    with only under the same settings.
    """

    task: str
    frame: Frame
    settings: dict[str, Any]
    classes: tuple[str, ...] = ()
    simulated: bool = False


def manifest_row(sample: Sample, start: int, has_words: bool) -> dict[str, Any]:
    """The row of the manifest for a sample whose frames begin at ``start``."""
    row: dict[str, Any] = {name: getattr(sample, name) for name in TEXT_COLUMNS}
    row |= {"start": start, "length": len(sample.features)}
    if has_words:
        row |= zip(WORD_COLUMNS, sample.word_span or ("", ""), strict=True)
    return row
