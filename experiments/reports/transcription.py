"""Sections of report.md on transcribed text."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from experiments.reports.markdown import format_plain_table

SHOWN_RECORDINGS = 10  # with the most wrong words


def format_text_sections(rows: pd.DataFrame, folder: Path) -> list[tuple[str, str]]:
    """Return headings and Markdown on groups, and recordings with many errors.

    Args:
        rows: predictions.csv, with columns reference, prediction, errors, words and group.
        folder: the run folder, for its images.
    """
    sections = []
    if rows["group"].nunique() > 1:
        table = tabulate_error_rates(rows, "group")
        sections.append(("Each group", format_plain_table(table)))
    wrong = rows[rows["errors"] > 0].sort_values("errors", ascending=False)
    if len(wrong):
        shown = wrong.head(SHOWN_RECORDINGS)[["reference", "prediction", "errors", "words"]]
        shown = shown.rename(columns={"reference": "said", "prediction": "read"})
        sections.append(("Most words wrong", format_plain_table(shown)))
    images = sorted((folder / "transcripts").glob("*.png"))
    if images:
        link = f"![signals with their texts](transcripts/{images[-1].name})\n"
        sections.append(("Validation recordings, as they were read last", link))
    return sections


def tabulate_error_rates(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return recordings, words, errors and word error rate of each value of ``column``."""
    table = rows.groupby(column).agg(
        recordings=("words", "size"), words=("words", "sum"), errors=("errors", "sum")
    )
    table["word error rate"] = (table["errors"] / table["words"]).round(4)
    return table.reset_index()
