"""The parts of a prepared set: file names, samples, frames, description.

This module imports neither torch nor MediaPipe: preparing processes import it and must start fast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from unvoiced.text import escape_controls, normal_form, shorten

MANIFEST_NAME, REJECTED_NAME = "manifest.csv", "rejected.csv"
FEATURES_NAME, META_NAME = "features.npy", "meta.json"
SHARDS_NAME = "shards"  # the folder of the shards that are not merged yet
CONSENTS = "consents"  # of the meta.json of a recorded set: session, date and sentence
FORMAT_VERSION = 1
TEXT_COLUMNS = ("id", "label", "group", "sequence", "split", "source")
MANIFEST_COLUMNS = (*TEXT_COLUMNS, "start", "length")
WORD_COLUMNS = ("word_start", "word_end")  # only in sets with word spans
MAX_LABEL, MAX_REASON = 1_000, 2_000  # characters


@dataclass(frozen=True)
class Sample:
    """One recording, ready to be stored.

    Attributes:
        id: unique in the set.
        features: (frames, *frame_shape).
        label: class or text.
        group: signer, speaker or session; empty if it is unknown.
        split: ``train``, ``val`` or ``test`` if the recordings come with a split.
        source: the file that it was read from.
        word_span: first frame of the word itself and the frame after its last, counted within the
            sample; the frames around it are context. None if it is unknown.
        sequence: the recording that the sample was cut from, unique in the set; empty if it is
            unknown. Samples of one sequence are near-copies and stay on one side of a split.
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
class Rejection:
    """A recording that could not be prepared, with the reason for its owner."""

    id: str
    reason: str
    source: str = ""
    label: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", shorten(escape_controls(self.reason), MAX_REASON))
        object.__setattr__(self, "label", shorten(normal_form(self.label), MAX_LABEL))


@dataclass(frozen=True)
class Frame:
    """Shape, type and meaning of one row of ``features.npy``.

    ``rate`` is the sample rate or frame rate in Hz; None for single images.
    """

    shape: tuple[int, ...]
    dtype: str
    meaning: str
    rate: float | None = None

    @property
    def num_bytes(self) -> int:
        """The size of one frame."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Description:
    """The content of ``meta.json`` except for the counts.

    ``settings`` are the plain numbers and strings that the set was prepared with. A partially
    prepared folder can only be resumed with the same settings.
    """

    task: str
    frame: Frame
    settings: dict[str, Any]
    classes: tuple[str, ...] = ()
    simulated: bool = False


def manifest_row(sample: Sample, start: int, has_words: bool) -> dict[str, Any]:
    """Return the manifest row of a sample with frames from ``start`` on."""
    row: dict[str, Any] = {name: getattr(sample, name) for name in TEXT_COLUMNS}
    row |= {"start": start, "length": len(sample.features)}
    if has_words:
        row |= zip(WORD_COLUMNS, sample.word_span or ("", ""), strict=True)
    return row
