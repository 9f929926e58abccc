"""Tables and numbers as summary.md writes them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from unvoiced.text import table_cell


def markdown(table: pd.DataFrame) -> str:
    """A Markdown table whose cells stay as they are written: 0.2500 keeps its zeros."""
    text = table.astype(str).map(table_cell)
    numbers = [text[name].str.fullmatch(r"[-\d.,e]*|NaN|inf").all() for name in text]
    sides = ["right" if number else "left" for number in numbers]
    return str(text.to_markdown(index=False, disable_numparse=True, colalign=sides)) + "\n"


def bullets(lines: list[str]) -> str:
    """A Markdown list, an item a line."""
    return "".join(f"- {line}\n" for line in lines)


def interval(low: Any, high: Any) -> str:
    """Return ``(0.5500 to 0.6500)``; ``(no interval)`` where there is none."""
    return f"({score(low)} to {score(high)})" if score(low) and score(high) else "(no interval)"


def score(value: Any, form: str = ".4f") -> str:
    """A number as text; empty where there is none."""
    return "" if value is None or pd.isna(value) else format(float(value), form)
