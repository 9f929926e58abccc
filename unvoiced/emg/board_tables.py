"""Text tables of BrainFlow and of OpenBCI's GUI: channels, times and markers of known boards."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from unvoiced.text import is_number

CHANNEL_PREFIX = "exg channel"
TIME_NAME, MARKER_NAME = "timestamp", "marker channel"
BOARDS = {  # columns of BrainFlow's tables → channels after the counter, and sample rate, Hz
    15: (4, 200.0),  # Ganglion
    24: (8, 250.0),  # Cyton
    32: (16, 125.0),  # Cyton and Daisy
}
RATE_PATTERN = re.compile(r"%\s*sample rate\s*=\s*([\d.]+)", re.IGNORECASE)


@dataclass(frozen=True)
class BoardTable:
    """The layout of a table of a board.

    Attributes:
        delimiter: comma or tab.
        num_columns: columns of each line.
        names: of the channels.
        channels: positions of the channels.
        time: position of the times, seconds; None if there are none.
        marker: position of the markers; None if there are none.
        sample_rate: as the program or the board states it, Hz; None if unknown.
        num_header_lines: lines before the first sample.
    """

    delimiter: str
    num_columns: int
    names: tuple[str, ...]
    channels: tuple[int, ...]
    time: int | None
    marker: int | None
    sample_rate: float | None
    num_header_lines: int


def find_board_table(lines: list[str]) -> BoardTable | None:
    """Return the layout of a table of BrainFlow or OpenBCI's GUI; None for any other table.

    Raises:
        ValueError: a table of OpenBCI's GUI without the names of its columns.
    """
    if lines[0].startswith("%"):
        return _parse_openbci(lines)
    return _parse_brainflow(lines[0])


def _parse_brainflow(line: str) -> BoardTable | None:
    delimiter = max("\t,", key=line.count)
    fields = line.split(delimiter)
    if len(fields) not in BOARDS or not all(map(is_number, fields)):
        return None
    count, rate = BOARDS[len(fields)]
    names = tuple(f"EXG Channel {number}" for number in range(count))
    channels = tuple(range(1, count + 1))
    last = len(fields) - 1
    return BoardTable(delimiter, len(fields), names, channels, last - 1, last, rate, 0)


def _parse_openbci(lines: list[str]) -> BoardTable:
    number = next((n for n, line in enumerate(lines) if not line.startswith("%")), len(lines))
    rates = (RATE_PATTERN.match(line) for line in lines[:number])
    rate = next((float(match[1]) for match in rates if match and is_number(match[1])), None)
    names = [name.strip() for name in lines[number].split(",")] if number < len(lines) else []
    lower = [name.lower() for name in names]
    channels = tuple(n for n, name in enumerate(lower) if name.startswith(CHANNEL_PREFIX))
    if not channels:
        raise ValueError(
            "a file of OpenBCI's GUI without a line of names such as EXG Channel 0; expected one "
            "after the lines that begin with %"
        )
    return BoardTable(
        ",",
        len(names),
        tuple(names[n] for n in channels),
        channels,
        lower.index(TIME_NAME) if TIME_NAME in lower else None,
        lower.index(MARKER_NAME) if MARKER_NAME in lower else None,
        rate,
        number + 1,
    )


def choose_rate(stated: float | None, measured: float | None) -> float | None:
    """Return the sample rate (Hz): the stated one, unless the times have quite another.

    The clocks of boards differ by a few percent, and some run at other rates than by default.
    """
    if stated is None or measured is None:
        return stated or measured
    return stated if np.isclose(stated, measured, rtol=0.05) else measured
