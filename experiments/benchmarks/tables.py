"""Tables of a benchmark: values that were measured side by side, in alternating rounds."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

Clock = Literal["wall", "processor"]
Measurement = Callable[[], float]
RATIO_TO_FIRST, FIRST_TO_ROW = "ratio", "the first as a ratio"


@dataclass(frozen=True)
class Row:
    """A measured value.

    Attributes:
        name: of the measured part.
        value: median over the rounds.
        unit: such as ``steps/s``, ``ms`` or ``MiB``; empty for a share or a count.
        ratio: median over the rounds of the ratio within a round; None without one.
        spread: smallest and largest value of the rounds; None for a single measurement.
        ratio_spread: the same of the ratio.
    """

    name: str
    value: float
    unit: str = ""
    ratio: float | None = None
    spread: tuple[float, float] | None = None
    ratio_spread: tuple[float, float] | None = None


@dataclass(frozen=True)
class Table:
    """Rows that were measured together.

    Attributes:
        name: identifies the table in benchmark.json, such as ``steps``.
        title: one line above the table.
        rows: at least one.
        rounds: repetitions of each measurement.
        ratio_name: heading of the ratios.
        note: a sentence below the table; empty without one.
        figure: the result of the stage, if this is the first table; None for the ratio of the
            second row.
    """

    name: str
    title: str
    rows: tuple[Row, ...]
    rounds: int = 1
    ratio_name: str = RATIO_TO_FIRST
    note: str = ""
    figure: float | None = None

    def to_plain(self) -> dict[str, Any]:
        """Return the table as plain data for JSON."""
        return asdict(self)

    def find_row(self, name: str) -> Row:
        """Return the row of a name."""
        return next(row for row in self.rows if row.name == name)


def compare_alternately(
    parts: dict[str, Measurement],
    rounds: int,
    unit: str = "",
    *,
    is_first_over_row: bool = False,
    warmups: int = 1,
    log: Callable[[str], None] = lambda line: None,
) -> dict[str, Row]:
    """Measure all parts in turn, ``rounds`` times; return a row of each.

    Args:
        parts: each measures once and returns its value.
        rounds: measurements of each part.
        unit: of the values.
        is_first_over_row: whether ratios are those of the first part to the row, as usual
            for speeds of this suite and others; else those of the row to the first part.
        warmups: first rounds that do not count.
        log: receives a line after each round.
    """
    values: dict[str, list[float]] = {name: [] for name in parts}
    for turn in range(warmups + rounds):
        for name, measure in parts.items():
            value = measure()
            if turn >= warmups:
                values[name].append(value)
        counted = turn + 1 - warmups
        log(f"round {max(counted, 0)}/{rounds}" + (" (warm-up)" if counted <= 0 else ""))
    first = np.array(next(iter(values.values())))
    return {
        name: _summarize_part(name, np.array(of_part), unit, first, is_first_over_row)
        for name, of_part in values.items()
    }


def _summarize_part(
    name: str, values: np.ndarray, unit: str, first: np.ndarray, is_inverse: bool
) -> Row:
    ratios = first / values if is_inverse else values / first
    return Row(
        name,
        value=round_figures(np.median(values)),
        unit=unit,
        ratio=round(float(np.median(ratios)), 3),
        spread=(round_figures(values.min()), round_figures(values.max())),
        ratio_spread=(round(float(ratios.min()), 3), round(float(ratios.max()), 3)),
    )


def round_figures(value: float, figures: int = 4) -> float:
    """Return a value with that many significant figures."""
    return float(f"{float(value):.{figures}g}")


def read_clock(clock: Clock) -> float:
    """Return seconds: of the wall, or of the processor for this process and ended children.

    On a busy machine only the processor's time measures the cost of a part.
    """
    if clock == "wall":
        return time.perf_counter()
    used = os.times()
    return time.process_time() + used.children_user + used.children_system


def format_table(table: Table) -> str:
    """Return a table as Markdown."""
    has_ratio = any(row.ratio is not None for row in table.rows)
    has_spread = any(row.spread is not None for row in table.rows)
    heads = ["", "value", *[table.ratio_name] * has_ratio, *["spread"] * has_spread]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in table.rows:
        cells = [row.name, f"{format_value(row.value)} {row.unit}".strip()]
        cells += [_format_ratio(row)] * has_ratio + [_format_spread(row)] * has_spread
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def format_value(value: float) -> str:
    """Return a value as text: whole from 1,000 on, without an exponent."""
    return f"{value:,.0f}" if abs(value) >= 1000 else np.format_float_positional(value, trim="-")


def _format_ratio(row: Row) -> str:
    return (
        "" if row.ratio is None else f"{row.ratio:.2f}" if row.ratio >= 0.1 else f"{row.ratio:.2g}"
    )


def _format_spread(row: Row) -> str:
    return " to ".join(format_value(value) for value in row.spread or ())
