"""Long EMG recordings with annotations, as recording programs write them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

MAX_VALUES = 500_000_000  # samples x channels of a recording, 2 GB in memory
MAX_CHANNELS = 1_024
MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 20.0, 100_000.0  # Hz
UV_PER_UNIT = {
    **dict.fromkeys(("uv", "µv", "μv", "microvolt", "microvolts"), 1.0),
    **dict.fromkeys(("mv", "millivolt", "millivolts"), 1e3),
    **dict.fromkeys(("v", "volt", "volts"), 1e6),
    **dict.fromkeys(("nv", "nanovolt", "nanovolts"), 1e-3),
}


@dataclass(frozen=True)
class Annotation:
    """An event of a recording.

    Attributes:
        start_s: seconds after the first sample; may lie outside the recording.
        duration_s: 0 for a moment.
        text: its name.
    """

    start_s: float
    duration_s: float
    text: str


@dataclass(frozen=True)
class EMGRecording:
    """A recording with its annotations.

    Attributes:
        samples: (T, C) float32, µV.
        sample_rate: in Hz; None if the file does not state it.
        annotations: in the order of the file.
        gaps: numbers of the samples before which samples are missing.
        problems: sentences about parts of the file that cannot be read.
    """

    samples: np.ndarray = field(repr=False)
    sample_rate: float | None
    annotations: tuple[Annotation, ...] = ()
    gaps: tuple[int, ...] = ()
    problems: tuple[str, ...] = ()


def microvolts_per_unit(unit: str) -> float | None:
    """Return the µV of one unit, such as mV; None if it is not a unit of voltage."""
    unit = unit.strip()
    return None if unit[:1] == "M" else UV_PER_UNIT.get(unit.lower())  # MV is no mV


def find_factor(name: str, unit: str, default_unit: str | None) -> float:
    """Return the µV of one unit of a channel.

    Args:
        name: of the channel, for errors.
        unit: as the file states it; empty if it does not.
        default_unit: of channels without a known unit; None to refuse them.

    Raises:
        ValueError: the unit is not known.
    """
    factor = microvolts_per_unit(unit)
    if factor is None and default_unit is not None:
        factor = microvolts_per_unit(default_unit)
    if factor is None:
        found = f"the unit {unit!r}" if unit.strip() else "no unit"
        raise ValueError(
            f"channel {name!r} states {found}; expected uV, mV, V or nV. With "
            "reader=edf or reader=xdf, set reader.unit=uV if its numbers are µV, or leave it out "
            "with reader.channel_names"
        )
    return factor


def select_channels(present: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Return the positions of the channels with these names.

    Raises:
        ValueError: a channel is missing, or several have its name.
    """
    missing = [name for name in wanted if name not in present]
    if missing:
        shown = ", ".join(repr(name) for name in present[:20]) or "none"
        raise ValueError(f"no channel {missing[0]!r}; found {shown}")
    repeated = [name for name in wanted if list(present).count(name) > 1]
    if repeated:
        raise ValueError(f"several channels have the name {repeated[0]!r}; expected one")
    return [list(present).index(name) for name in wanted]


def list_code_changes(codes: np.ndarray, sample_rate: float) -> Iterator[Annotation]:
    """Yield an annotation for each stretch of equal codes (T,) other than 0 and NaN.

    A stretch of one sample is a moment without duration.
    """
    codes = np.where(np.isfinite(codes), codes, 0)
    changes = np.flatnonzero(np.diff(codes, prepend=0, append=0))
    for first, stop in pairwise(changes.tolist()):
        if codes[first]:
            duration_s = (stop - first) / sample_rate if stop - first > 1 else 0.0
            yield Annotation(first / sample_rate, duration_s, f"{codes[first]:.12g}")


def list_text_changes(texts: Sequence[str], sample_rate: float) -> Iterator[Annotation]:
    """Yield an annotation for each stretch of equal texts (T,) other than "" and "0"."""
    known = ["", *sorted({*texts} - {"", "0"})]
    numbers = {text: number for number, text in enumerate(known)}
    codes = np.array([numbers.get(text, 0) for text in texts])
    for change in list_code_changes(codes, sample_rate):
        yield replace(change, text=known[int(change.text)])


def cut_span(
    samples: np.ndarray, sample_rate: float, start_s: float, end_s: float, gaps: Sequence[int] = ()
) -> np.ndarray:
    """Return the samples (T', C) from ``start_s`` to ``end_s``, seconds after the first sample.

    Raises:
        ValueError: the span is empty or not a span of numbers, or leads out of the recording.
    """
    duration_s = len(samples) / sample_rate
    span = f"{start_s:.3f} to {end_s:.3f} s"
    if not (math.isfinite(start_s) and math.isfinite(end_s) and start_s < end_s):
        raise ValueError(f"{span} is no span of time; expected an end after the start")
    first, stop = (round(seconds * sample_rate) for seconds in (start_s, end_s))
    if first < 0 or stop > len(samples):
        raise ValueError(f"{span} leads out of the recording, which has {duration_s:.3f} s")
    if any(first < gap < stop for gap in gaps):
        raise ValueError(f"samples are missing between {span}: the stream was interrupted")
    return samples[first:stop]


def find_overlaps(spans: Sequence[tuple[float, float]]) -> tuple[list[int], dict[int, int]]:
    """Return which spans belong together, and which overlap too much to be separated.

    Args:
        spans: start and end of each, seconds.

    Returns:
        The number of the sequence of each span: spans that share samples have the same one. And
        for each span that shares more than half of the shorter one, the number of the other span.
    """
    sequences, conflicts = list(range(len(spans))), {}
    order = sorted(range(len(spans)), key=lambda number: spans[number])
    active: list[int] = []
    for number in order:
        start_s, end_s = spans[number]
        active = [other for other in active if spans[other][1] > start_s]
        for other in active:
            shared_s = min(end_s, spans[other][1]) - start_s
            shorter_s = min(end_s - start_s, spans[other][1] - spans[other][0])
            if 2 * shared_s > shorter_s:
                conflicts.setdefault(number, other)
                conflicts.setdefault(other, number)
        if active:
            sequences[number] = sequences[active[-1]]
        active = [*active[-50:], number]  # a hostile file has thousands that all overlap
    return sequences, conflicts
