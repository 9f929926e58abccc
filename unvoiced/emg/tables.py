"""EMG recordings as text tables: one line per sample, one column per channel.

The header distinguishes channels from times and counters; the sample rate follows from the times.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unvoiced.emg.board_tables import BoardTable, choose_rate, find_board_table
from unvoiced.emg.recordings import (
    MAX_SAMPLE_RATE,
    MIN_SAMPLE_RATE,
    EMGRecording,
    find_factor,
    list_code_changes,
    list_text_changes,
    select_channels,
)
from unvoiced.files import read_text
from unvoiced.text import is_number

TIME_UNITS = {  # column name → seconds per unit
    **dict.fromkeys(
        ("t", "t_s", "time", "time_s", "timestamp", "timestamps", "lsl_timestamp"), 1.0
    ),
    **dict.fromkeys(("t_ms", "time_ms", "timestamp_ms"), 1e-3),
}
MARKER_NAMES = ("marker", "markers", "event", "label")
COUNTER_NAMES = ("", "sample", "sample index", "index", *MARKER_NAMES)
MAX_BYTES = 1 << 30  # of a table; an hour of 8 channels at 2 kHz is 0.6 GB


@dataclass(frozen=True)
class TableHeader:
    """The columns of a table: which are channels, and which one holds the times.

    Attributes:
        delimiter: comma, semicolon or tab.
        num_columns: columns of each line.
        channels: positions of the channels.
        time: position of the times; None if there are none.
        time_unit_s: seconds per unit of the times.
        has_names: whether the first line holds names.
    """

    delimiter: str
    num_columns: int
    channels: tuple[int, ...]
    time: int | None
    time_unit_s: float
    has_names: bool


@dataclass(frozen=True)
class EMGTable:
    """A recording.

    Attributes:
        samples: (T, C) float64, as recorded.
        sample_rate: in Hz, from the table's times; None if it has none.
    """

    samples: np.ndarray
    sample_rate: float | None


def parse_header(line: str) -> TableHeader:
    """Find the channels of a table from its first line.

    Raises:
        ValueError: it is the raw file of a recording program, which needs converting.
    """
    _reject_openbci(line)
    delimiter = max(",;\t", key=line.count)
    fields = [field.strip().strip('"').lower() for field in line.split(delimiter)]
    has_names = not all(map(is_number, fields))
    names = fields if has_names else ["channel"] * len(fields)
    if not has_names and delimiter == "\t" and len(fields) >= 15:
        raise ValueError(
            f"{len(fields)} tab-separated columns without names, as BrainFlow's raw files have "
            "(counters, channels, motion, times); expected channels alone. Save the channels as "
            "CSV with one named column each, and a column time in seconds"
        )
    times = [n for n, name in enumerate(names) if name in TIME_UNITS]
    channels = [n for n, name in enumerate(names) if name not in {*TIME_UNITS, *COUNTER_NAMES}]
    time = times[0] if times else None
    unit_s = 1.0 if time is None else TIME_UNITS[names[time]]
    return TableHeader(delimiter, len(fields), tuple(channels), time, unit_s, has_names)


def _reject_openbci(line: str) -> None:
    if line.lstrip("\ufeff").startswith("%"):
        raise ValueError(
            "a raw file of OpenBCI's GUI (its first line begins with %); expected channels alone. "
            "Save the columns EXG Channel 0, 1, … (µV) and Timestamp (s) as CSV with one line of "
            "names, and give the sample rate that the header states"
        )


def read_emg_table(path: Path) -> EMGTable:
    """Read a whole table.

    Raises:
        ValueError: it is no table of numbers.
    """
    lines = _read_lines(path)
    board, header = _find_layout(path, lines)
    return EMGTable(*_read_channels(path, lines, header, board))


def read_annotated_table(
    path: Path, channel_names: Sequence[str] | None = None, unit: str | None = "uV"
) -> EMGRecording:
    """Read a table of BrainFlow or OpenBCI's GUI, or any other one with a column of markers.

    Each stretch of equal markers other than 0 and "" is an annotation; a stretch of one sample is
    a moment.

    Args:
        path: the table.
        channel_names: the channels in order; None for all. BrainFlow's have the names of OpenBCI's
            GUI: ``EXG Channel 0``, ….
        unit: of the channels; None for µV.

    Raises:
        ValueError: it is no table of numbers, or lacks a channel.
    """
    lines = _read_lines(path)
    board, header = _find_layout(path, lines)
    names = _split_names(lines[0], header) if board is None else list(board.names)
    samples, rate = _read_channels(path, lines, header, board)
    if channel_names is not None:
        samples = samples[:, select_channels(names, channel_names)]
    marker = _find_marker(lines[0], header) if board is None else board.marker
    annotations = ()
    if marker is not None and rate is not None:
        rows = lines[header.has_names if board is None else board.num_header_lines :]
        fields = [row.split(header.delimiter)[marker].strip() for row in rows]
        is_code = all(is_number(field) for field in fields if field)
        codes = np.array([float(field or "nan") for field in fields]) if is_code else fields
        find = list_code_changes if is_code else list_text_changes
        annotations = tuple(find(codes, rate))
    factor = find_factor(names[0], unit or "uV", None)
    return EMGRecording((samples * factor).astype(np.float32), rate, annotations)


def _find_layout(path: Path, lines: list[str]) -> tuple[BoardTable | None, TableHeader]:
    try:
        board = find_board_table(lines)
        header = parse_header(lines[0]) if board is None else _to_header(board)
    except ValueError as error:
        raise ValueError(f"{path.name} is {error}") from None
    return board, header


def _to_header(board: BoardTable) -> TableHeader:
    return TableHeader(board.delimiter, board.num_columns, board.channels, board.time, 1.0, True)


def _read_channels(
    path: Path, lines: list[str], header: TableHeader, board: BoardTable | None
) -> tuple[np.ndarray, float | None]:
    """Return the channels (T, C) and the sample rate, Hz."""
    num_header_lines = int(header.has_names) if board is None else board.num_header_lines
    rows = lines[num_header_lines:]
    _check_columns(path, rows, header, num_header_lines)
    channels = _parse_columns(path, rows, header, header.channels)
    rate = estimate_sample_rate(_parse_times(rows, header))
    return channels, rate if board is None else choose_rate(board.sample_rate, rate)


def _split_names(line: str, header: TableHeader) -> list[str]:
    """Return the names of the channels."""
    fields = [field.strip().strip('"') for field in line.split(header.delimiter)]
    numbers = range(1, len(header.channels) + 1)
    return [fields[n] for n in header.channels] if header.has_names else list(map(str, numbers))


def _find_marker(line: str, header: TableHeader) -> int | None:
    fields = [field.strip().strip('"').lower() for field in line.split(header.delimiter)]
    return next((n for n, name in enumerate(fields) if name in MARKER_NAMES), None)


def _check_columns(path: Path, rows: list[str], header: TableHeader, num_header_lines: int) -> None:
    if not header.channels:
        raise ValueError(f"{path.name} has no column that is a channel")
    for number, row in enumerate(rows, 1 + num_header_lines):
        columns = row.count(header.delimiter) + 1
        if columns != header.num_columns:
            raise ValueError(
                f"{path.name} is not a table of numbers: {columns} columns in row {number}, and "
                f"{header.num_columns} in the first"
            )


def _parse_columns(
    path: Path, rows: list[str], header: TableHeader, columns: tuple[int, ...]
) -> np.ndarray:
    """(T, len(columns)) float64."""
    if not rows:
        return np.zeros((0, len(columns)))
    try:
        return np.loadtxt(rows, delimiter=header.delimiter, ndmin=2, comments=None, usecols=columns)
    except ValueError as error:
        raise ValueError(f"{path.name} is not a table of numbers: {error}") from error


def _parse_times(rows: list[str], header: TableHeader) -> np.ndarray | None:
    """(T,) in seconds; None where there are none, or they are clock times."""
    if header.time is None:
        return None
    fields = [row.split(header.delimiter)[header.time] for row in rows]
    if not all(map(is_number, fields)):
        return None
    return np.array(fields, np.float64) * header.time_unit_s


def _read_lines(path: Path) -> list[str]:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(
            f"{path.name} has {size:,} bytes; expected at most {MAX_BYTES:,}. Save it as .npy "
            "(samples, channels), or cut it into recordings"
        )
    try:
        text = read_text(path, MAX_BYTES)
    except ValueError as error:
        raise ValueError(f"{path.name} is not a text table in UTF-8: {error}") from error
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise ValueError(f"{path.name} is empty")
    return lines


def estimate_sample_rate(times_s: np.ndarray | None) -> float | None:
    """Return the sample rate (Hz) of times (T,) in seconds; None if it is not plausible.

    Implausible times are tried as milliseconds: programs call both "time".
    """
    if times_s is None or len(times_s) < 3:
        return None
    span = float(times_s[-1] - times_s[0])
    if not math.isfinite(span) or span <= 0:
        return None
    rate = (len(times_s) - 1) / span
    return next(
        (float(hz) for hz in (rate, 1e3 * rate) if MIN_SAMPLE_RATE <= hz <= MAX_SAMPLE_RATE), None
    )


def check_sample_rate(found: float | None, expected: float, key: str) -> None:
    """Refuse a table if its times have another sample rate (Hz) than the setting ``key``."""
    if found is not None and abs(found / expected - 1) > 0.03:  # clocks of recorders differ by less
        raise ValueError(
            f"its times show {found:.4g} Hz, and {key}={expected:g} is expected. Set {key}="
            f"{found:.4g}, or leave out the column of times"
        )
