"""EDF, EDF+, BDF and BDF+ recordings, through pyedflib."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from unvoiced.emg.recordings import (
    MAX_CHANNELS,
    MAX_VALUES,
    Annotation,
    EMGRecording,
    find_factor,
    list_code_changes,
    microvolts_per_unit,
    select_channels,
)
from unvoiced.files import open_regular

HEADER_BYTES = 256  # of the file, and of each signal
STATUS_NAMES = ("status", "trigger", "triggers")  # of BioSemi's channel of 16 trigger bits
TRIGGER_BITS = 0xFFFF
TICKS_PER_S = 10_000_000  # of annotations
MAX_ANNOTATIONS = 100_000


@dataclass(frozen=True)
class EDFHeader:
    """The sizes that a file states.

    Attributes:
        num_signals: channels, those of annotations among them.
        num_records: records of equal duration.
        record_bytes: of one record.
        bytes_per_sample: 2 for EDF, 3 for BDF.
    """

    num_signals: int
    num_records: int
    record_bytes: int
    bytes_per_sample: int


def read_edf(
    path: Path, channel_names: Sequence[str] | None = None, unit: str | None = None
) -> EMGRecording:
    """Read the voltages of a recording in µV, its annotations, and triggers of a status channel.

    Args:
        path: the file.
        channel_names: the channels in order; None for all that state a unit of voltage.
        unit: of channels without a known unit, such as ``uV``; None to refuse them.

    Raises:
        ValueError: pyedflib is not installed, or the file is damaged, truncated, or without such
            channels.
    """
    library = _import_pyedflib()
    _check_size(path)
    try:
        file = library.EdfReader(str(path), library.READ_ALL_ANNOTATIONS)
    except (OSError, ValueError, UnicodeError) as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise ValueError(f"{path.name} is damaged, or no EDF or BDF file: {reason}") from error
    with closing(file):
        names = [name.strip() for name in file.getSignalLabels()]
        units = [file.getPhysicalDimension(n).strip() for n in range(len(names))]
        chosen = _choose_channels(names, units, channel_names, unit)
        rate = _find_common_rate(file, names, chosen)
        factors = [find_factor(names[n], units[n], unit) for n in chosen]
        with np.errstate(over="ignore"):  # the check of the samples finds infinite ones
            signals = [
                (file.readSignal(n) * factor).astype(np.float32)
                for n, factor in zip(chosen, factors, strict=True)
            ]
        annotations, problems = _read_annotations(file)
        annotations += _read_triggers(file, names)
    return EMGRecording(np.stack(signals, axis=1), rate, tuple(annotations), (), tuple(problems))


def read_edf_header(content: bytes) -> EDFHeader:
    """Return the sizes that the header of a file states.

    Args:
        content: the first bytes of the file, with the headers of all signals.

    Raises:
        ValueError: it is not a header, or the numbers are not plausible.
    """
    if len(content) < HEADER_BYTES:
        raise ValueError(f"it ends after {len(content)} bytes, within its header")
    if content[:1] != b"0" and content[:8] != b"\xffBIOSEMI":
        raise ValueError("it does not begin as an EDF or BDF file does")
    num_records = _parse_count(content[236:244], "data records")
    num_signals = _parse_count(content[252:256], "signals")
    if not 1 <= num_signals <= MAX_CHANNELS:
        raise ValueError(f"{num_signals:,} signals; expected 1 to {MAX_CHANNELS:,}")
    first = HEADER_BYTES + 216 * num_signals  # of the samples per record
    fields = content[first : first + 8 * num_signals]
    if len(fields) < 8 * num_signals:
        raise ValueError(f"it ends within the headers of its {num_signals:,} signals")
    counts = [_parse_count(fields[n : n + 8], "samples") for n in range(0, len(fields), 8)]
    width = 3 if content[:1] == b"\xff" else 2
    return EDFHeader(num_signals, num_records, width * sum(counts), width)


def _check_size(path: Path) -> None:
    """Refuse a file that is shorter or longer than its header states, or too large."""
    with open_regular(path) as file:
        content = file.read(HEADER_BYTES * (MAX_CHANNELS + 1))
        size = path.stat().st_size
    try:
        header = read_edf_header(content)
        num_values = header.num_records * header.record_bytes // header.bytes_per_sample
        if num_values > MAX_VALUES:
            raise ValueError(f"{num_values:,} samples in its header; at most {MAX_VALUES:,}")
        whole = HEADER_BYTES * (header.num_signals + 1)
        present = (size - whole) // max(header.record_bytes, 1)
        if present < header.num_records:
            raise ValueError(
                f"it is truncated: {max(present, 0):,} of {header.num_records:,} data records. "
                "Repair its header with the program that recorded it"
            )
        if not header.num_records or not header.record_bytes:
            raise ValueError("it holds no samples")
    except ValueError as error:
        raise ValueError(f"{path.name} cannot be read: {error}") from None


def _parse_count(text: bytes, name: str) -> int:
    try:
        count = int(text.decode("ascii").strip("\0 "))
    except ValueError:
        raise ValueError(f"its number of {name} is {text[:8]!r}, not a number") from None
    if count < 0:
        raise ValueError(f"its number of {name} is {count}: the recording was not ended properly")
    return count


def _choose_channels(
    names: list[str], units: list[str], wanted: Sequence[str] | None, unit: str | None
) -> list[int]:
    if wanted is not None:
        return select_channels(names, wanted)
    signals = [n for n, name in enumerate(names) if name.lower() not in STATUS_NAMES]
    chosen = [n for n in signals if microvolts_per_unit(units[n]) is not None]
    if not chosen and unit is not None:
        chosen = signals
    if not chosen:
        pairs = zip(names, units, strict=True)
        shown = ", ".join(f"{name} ({stated or 'no unit'})" for name, stated in pairs)
        raise ValueError(
            f"no channel states a unit of voltage; found {shown or 'no channels'}. With "
            "reader=edf, set reader.unit=uV if their numbers are µV"
        )
    return chosen


def _find_common_rate(file: Any, names: list[str], chosen: list[int]) -> float:
    rates = {names[n]: float(file.getSampleFrequency(n)) for n in chosen}
    if len({*rates.values()}) > 1:
        shown = ", ".join(f"{name} {rate:g} Hz" for name, rate in rates.items())
        raise ValueError(
            f"channels of different sample rates: {shown}. Set reader.channel_names to channels "
            "of one sample rate"
        )
    return next(iter(rates.values()))


def _read_annotations(file: Any) -> tuple[list[Annotation], list[str]]:
    annotations, problems = [], []
    found = file.read_annotation()
    if len(found) > MAX_ANNOTATIONS:
        problems.append(f"{len(found):,} annotations; the first {MAX_ANNOTATIONS:,} are read")
    for onset, duration, text in found[:MAX_ANNOTATIONS]:
        start_s = int(onset) / TICKS_PER_S
        try:
            duration_s = max(0.0, float(duration or 0))
            annotations.append(Annotation(start_s, duration_s, bytes(text).decode("utf-8")))
        except UnicodeDecodeError:
            shown = ascii(bytes(text)[:40])[2:-1]
            problems.append(f"the annotation {shown} at {start_s:g} s is not UTF-8")
        except ValueError:
            problems.append(f"the annotation at {start_s:g} s has the duration {duration!r}")
    return annotations, problems


def _read_triggers(file: Any, names: list[str]) -> list[Annotation]:
    """Return the codes of a status channel, at the samples at which they appear."""
    annotations: list[Annotation] = []
    for number, name in enumerate(names):
        if name.lower() in STATUS_NAMES:
            codes = file.readSignal(number, digital=True).astype(np.int64) & TRIGGER_BITS
            rate = float(file.getSampleFrequency(number))
            annotations += list_code_changes(codes, rate)
    return annotations[:MAX_ANNOTATIONS]


def _import_pyedflib() -> ModuleType:
    try:
        import pyedflib  # an optional dependency
    except ImportError as error:
        raise ValueError(
            f"EDF and BDF files need the package pyedflib ({error}): pip install pyedflib"
        ) from error
    return pyedflib
