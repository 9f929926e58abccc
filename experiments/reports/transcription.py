"""The part of report.md that tells how well text was written."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from unvoiced.text import markdown_cells

WORST = 10  # readings that are shown


def text_sections(rows: pd.DataFrame, folder: Path, closed: bool) -> list[tuple[str, str]]:
    """Headings with their tables, as Markdown, of predictions.csv's ``rows``.

    Args:
        rows: with columns reference, prediction, errors, words, group, nearest where closed.
        folder: the run folder, for the pictures that are there.
        closed: whether there are few phrases, each with its own accuracy.
    """
    sections = []
    if rows["group"].nunique() > 1:
        sections.append(("Each group", _table(error_rate_by(rows, "group"))))
    if closed:
        sections.append(("Each phrase, worst first", _table(_phrases(rows))))
    worst = rows[rows["errors"] > 0].sort_values("errors", ascending=False).head(WORST)
    if len(worst):
        shown = worst[["reference", "prediction", "errors", "words"]]
        shown = shown.rename(columns={"reference": "said", "prediction": "read"})
        sections.append(("Most words wrong", _table(shown)))
    pictures = sorted((folder / "transcripts").glob("*.png"))
    if pictures:
        picture = f"![signals with their texts](transcripts/{pictures[-1].name})\n"
        sections.append(("Validation recordings, as they were read last", picture))
    return sections


def error_rate_by(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Recordings, words, errors and word error rate of each value of ``column``."""
    table = rows.groupby(column).agg(
        recordings=("words", "size"), words=("words", "sum"), errors=("errors", "sum")
    )
    table["word error rate"] = (table["errors"] / table["words"]).round(4)
    return table.reset_index()


def _phrases(rows: pd.DataFrame) -> pd.DataFrame:
    right = rows["reference"] == rows["nearest"]
    table = right.groupby(rows["reference"]).agg(right="sum", recordings="size")
    table["accuracy"] = (table["right"] / table["recordings"]).round(4)
    return table.sort_values("accuracy").reset_index().rename(columns={"reference": "phrase"})


def _table(table: pd.DataFrame) -> str:
    return markdown_cells(table).to_markdown(index=False) + "\n"
