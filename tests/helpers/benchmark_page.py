"""Generate the measured parts of docs/benchmarks.md from docs/benchmarks/*.json.

python -m tests.helpers.benchmark_page                        # renew the page
python -m tests.helpers.benchmark_page NAME=RUN ...           # also take in RUN/benchmark.json

A part stands between ``<!-- benchmark NAME -->`` and ``<!-- end of benchmark -->``.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path, PurePath
from typing import Any

from experiments.benchmarks.report import REPORT_NAME, format_machine
from experiments.benchmarks.tables import Row, Table, format_table
from tests.helpers.paths import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
FOLDER = ROOT / "docs" / "benchmarks"
PART = re.compile(r"<!-- benchmark (\w+) -->\n.*?<!-- end of benchmark -->", re.DOTALL)
DROPPED = ("hydra.run.dir=",)  # arguments that change nothing that is measured


def take_in(name: str, run: Path) -> None:
    """Copy the benchmark.json of a run without paths of the machine."""
    report = json.loads((run / REPORT_NAME).read_text(encoding="utf-8"))
    report["command"] = shorten_command(report["command"])
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps(report, indent=1, ensure_ascii=False)
    (FOLDER / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


def shorten_command(command: str) -> str:
    """Return a command without the run folder, and with the last part alone of whole paths."""
    words = [word for word in shlex.split(command) if not word.startswith(DROPPED)]
    return " ".join(_shorten_path(word) for word in words)


def _shorten_path(word: str) -> str:
    key, sign, value = word.rpartition("=")
    return f"{key}{sign}{PurePath(value).name if value.startswith('/') else value}"


def read_tables(report: dict[str, Any]) -> list[Table]:
    """Return the tables of a benchmark.json."""
    return [
        Table(**table | {"rows": tuple(Row(**row) for row in table["rows"])})
        for table in report["tables"]
    ]


def render_part(name: str) -> str:
    """Return the part of a page that a file of docs/benchmarks describes."""
    report = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    day, commit = report["time"][:10], (report["commit"] or "unknown")[:9]
    lines = [f"`{report['command']}` ({day}, commit {commit}; {format_machine(report['machine'])})"]
    for table in read_tables(report):
        lines += [f"{table.title}:", format_table(table), *[table.note] * bool(table.note)]
    body = "\n\n".join(lines)
    return f"<!-- benchmark {name} -->\n\n{body}\n\n<!-- end of benchmark -->"


def list_parts(page: str) -> list[str]:
    """Return the names of the parts of a page."""
    return PART.findall(page)


def render_page(page: str) -> str:
    """Return a page with each part as its file describes it."""
    return PART.sub(lambda found: render_part(found[1]), page)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        name, _, run = argument.partition("=")
        take_in(name, Path(run))
    PAGE.write_text(render_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
