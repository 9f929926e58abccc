"""Write the tables of docs/results.md that docs/results/*.json hold.

python -m tests.helpers.results_page
"""

from __future__ import annotations

import re
from pathlib import Path

from experiments.result_tables.render import describe_measurement, format_result_table
from experiments.result_tables.result_file import read_result_file
from tests.helpers.paths import ROOT

PAGE = ROOT / "docs" / "results.md"
FOLDER = ROOT / "docs" / "results"
BLOCK = re.compile(r"(<!-- results/([\w-]+)\.json: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def render_block(match: re.Match[str]) -> str:
    """Return the table that the comment at its head names."""
    results = read_result_file(FOLDER / f"{match[2]}.json")
    table = format_result_table(results, match[3])
    return f"{match[1]}{table}\n{describe_measurement(results)}{match[4]}"


def render_page(page: str) -> str:
    """Return the page with the tables of the files."""
    return BLOCK.sub(render_block, page)


def list_tables(page: str) -> set[tuple[str, str]]:
    """Return the file and the table of each block of the page."""
    return {(match[2], match[3]) for match in BLOCK.finditer(page)}


def list_files() -> list[Path]:
    """Return the committed results."""
    return sorted(FOLDER.glob("*.json"))


if __name__ == "__main__":
    PAGE.write_text(render_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
