"""Write the tables of docs/results.md and docs/results/*.md that docs/results/*.json hold.

python -m tests.helpers.results_page
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from experiments.reports.markdown import format_table
from experiments.result_tables.render import (
    METRIC_NAMES,
    describe_measurement,
    format_result_table,
    format_summary,
)
from experiments.result_tables.result_file import read_result_file
from experiments.result_tables.summaries import summarize_row
from tests.helpers.paths import ROOT

FOLDER = ROOT / "docs" / "results"
OVERVIEW = ROOT / "docs" / "results.md"
OVERVIEW_FILES = ("asl", "lipread", "vsr", "emg")
OVERVIEW_COLUMNS = ["mean", "± over seeds", "95 % interval over people", "worst", "of", "seeds"]
BLOCK = re.compile(r"(<!-- ([\w-]+)\.json: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
OVERVIEW_BLOCK = re.compile(r"(<!-- overview -->\n).*?(<!-- end -->)", re.DOTALL)


def render_block(match: re.Match[str]) -> str:
    """Return the table that the comment at its head names."""
    results = read_result_file(FOLDER / f"{match[2]}.json")
    table = format_result_table(results, match[3])
    return f"{match[1]}{table}\n{describe_measurement(results)}{match[4]}"


def render_overview(match: re.Match[str]) -> str:
    """Return the table of all recipes."""
    table = pd.DataFrame([row for name in OVERVIEW_FILES for row in _list_rows(name)]).fillna("")
    return f"{match[1]}{format_table(table, str)}\n{match[2]}"


def _list_rows(name: str) -> Iterator[dict[str, str]]:
    results = read_result_file(FOLDER / f"{name}.json")
    for table, facts in results.tables.items():
        for row, texts in facts["rows"].items():
            summary = summarize_row(results.list_row_cells(table, row))
            if summary is not None:
                cells = format_summary(summary, [])
                place = f"[{facts['title']}](results/{name}.md)"
                head = {"tested on": place, "score": METRIC_NAMES[summary.metric]}
                yield {
                    "recipe": texts["title"],
                    **head,
                    **{column: cells[column] for column in OVERVIEW_COLUMNS},
                }


def render_page(page: str) -> str:
    """Return the page with the tables of the files."""
    return OVERVIEW_BLOCK.sub(render_overview, BLOCK.sub(render_block, page))


def list_tables(page: str) -> set[tuple[str, str]]:
    """Return the file and the table of each block of the page."""
    return {(match[2], match[3]) for match in BLOCK.finditer(page)}


def list_files() -> list[Path]:
    """Return the committed results."""
    return sorted(FOLDER.glob("*.json"))


def list_pages() -> list[Path]:
    """Return the pages with tables of results."""
    return [OVERVIEW, *sorted(FOLDER.glob("*.md"))]


if __name__ == "__main__":
    for path in list_pages():
        path.write_text(render_page(path.read_text(encoding="utf-8")), encoding="utf-8")
