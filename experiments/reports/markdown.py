"""Format numbers, tables and lists as Markdown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from unvoiced.text import markdown_cells, table_cell


def format_table(table: pd.DataFrame, escape: Callable[[Any], str] = table_cell) -> str:
    """Return a Markdown table with the text of each cell unchanged: 0.2500 keeps its zeros.

    Args:
        table: the cells.
        escape: of each cell; ``markdown_text`` for names from files, which lose their markup.
    """
    text = table.astype(str).map(escape)
    is_number = [text[name].str.fullmatch(r"[-\d.,e]*|NaN|inf").all() for name in text]
    sides = ["right" if number else "left" for number in is_number]
    return str(text.to_markdown(index=False, disable_numparse=True, colalign=sides)) + "\n"


def format_plain_table(table: pd.DataFrame) -> str:
    """Return a Markdown table with numbers as tabulate formats them and no markup in texts."""
    return str(markdown_cells(table).to_markdown(index=False)) + "\n"


def format_list(lines: list[str]) -> str:
    """Return a Markdown list with one item per line."""
    return "".join(f"- {line}\n" for line in lines)


def format_interval(low: Any, high: Any) -> str:
    """Return ``(0.5500 to 0.6500)``, or ``(no interval)`` if an end is missing."""
    ends = format_number(low), format_number(high)
    return f"({ends[0]} to {ends[1]})" if all(ends) else "(no interval)"


def format_number(value: Any, form: str = ".4f") -> str:
    """Return a number as text; empty if it is missing."""
    return "" if value is None or pd.isna(value) else format(float(value), form)


def format_duration(seconds: float) -> str:
    """Return a duration as text.

    >>> [format_duration(s) for s in (9.87, 75.2, 7500)]
    ['9.9 s', '1 min 15 s', '2 h 05 min']
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
