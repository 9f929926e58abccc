"""results.json: the cells of measured tables and their origin, validated when it is read."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from experiments.launch.settings.result_rules import MAX_FOLD, RESULT_SETS, is_table_name
from unvoiced.files import open_regular
from unvoiced.plain_data import check_number, check_plain, check_text, require_fact

FORMAT_VERSION = 1
MAX_BYTES = 16 << 20
MAX_CELLS = 20_000
MAX_GROUPS = 10_000
LARGEST_COUNT = 10**12
STATES = ("finished", "failed", "unfinished")
HOLD_METRIC, HOLD_COUNT = "test/hold_acc", "test/hold_n"
METRIC_PATTERN = re.compile(r"test/[\w.-]{1,60}", re.ASCII)


@dataclass(frozen=True)
class CellResult:
    """One measurement.

    Attributes:
        table, row: names.
        seed: of the training.
        fold: that was left out; None for a split without folds.
        status: ``finished``, ``failed`` or ``unfinished``.
        metric: the score that is counted by group, ``test/acc`` or ``test/wer``; else empty.
        metrics: scores of the test by name, with their denominators (``test/n``).
        groups: correct samples (of ``test/wer``: errors) and samples (words) of each person.
        origin: commit, hashes of the configuration and the sets, device, seconds.
    """

    table: str
    row: str
    seed: int
    fold: int | None = None
    status: str = "unfinished"
    metric: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    groups: dict[str, list[int]] = field(default_factory=dict)
    origin: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ResultFile:
    """The content of results.json.

    Attributes:
        tables: by name the title and the rows, by name with their recipe.
        cells: all measurements, also those without a result.
        origin: commit, hash of the code, versions, machine, time, settings of the command.
    """

    tables: dict[str, Any]
    cells: list[CellResult]
    origin: dict[str, Any]

    def list_row_cells(self, table: str, row: str) -> list[CellResult]:
        """Return the measurements of a row."""
        return [cell for cell in self.cells if (cell.table, cell.row) == (table, row)]


def write_result_file(path: Path, results: ResultFile) -> None:
    """Write results.json with one line per cell."""
    head = {"format": FORMAT_VERSION, "origin": results.origin, "tables": results.tables}
    text = json.dumps(head, indent=1, ensure_ascii=False).removesuffix("\n}")
    plain = map(asdict, results.cells)
    lines = ",\n  ".join(json.dumps(one, ensure_ascii=False, allow_nan=False) for one in plain)
    path.write_text(f'{text},\n "cells": [\n  {lines}\n ]\n}}\n', encoding="utf-8")


def read_result_file(path: Path) -> ResultFile:
    """Read results.json.

    Raises:
        ValueError: it is too large, damaged, or holds anything else.
    """
    try:
        with open_regular(path) as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES >> 20} MiB")
        content = json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant)
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200].removeprefix("cannot be read: ")
        raise ValueError(f"{path} cannot be read ({reason}); expected a results.json.") from None
    return parse_results(str(path), content)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no finite number")


def parse_results(place: str, content: Any) -> ResultFile:
    """Return validated results; nothing of them is interpolated, built or used as a path.

    Raises:
        ValueError: with the place and the expected value.
    """
    require_fact(place, content, isinstance(content, dict), "the content of a results.json")
    version = content.get("format")
    require_fact(f"{place}: format", version, version == FORMAT_VERSION, f"{FORMAT_VERSION}")
    tables, cells = content.get("tables"), content.get("cells")
    is_list = isinstance(cells, list) and len(cells) <= MAX_CELLS
    require_fact(f"{place}: cells", cells, is_list, f"a list of at most {MAX_CELLS:,} cells")
    _check_tables(f"{place}: tables", tables)
    origin = content.get("origin")
    require_fact(f"{place}: origin", origin, isinstance(origin, dict), "a table")
    check_plain(f"{place}: origin", origin)
    parsed = [_parse_cell(f"{place}: cell {n}", cell, tables) for n, cell in enumerate(cells)]
    places = {(cell.table, cell.row, cell.seed, cell.fold) for cell in parsed}
    require_fact(f"{place}: cells", cells, len(places) == len(parsed), "each cell once")
    return ResultFile(tables, parsed, origin)


def _check_tables(place: str, tables: Any) -> None:
    require_fact(place, tables, isinstance(tables, dict), "tables by name")
    check_plain(place, tables)
    for name, table in tables.items():
        _check_name(f"{place}: a name", name)
        is_table = isinstance(table, dict) and {*table} == {"title", "rows"}
        is_table = is_table and isinstance(table["rows"], dict)
        require_fact(f"{place}.{name}", table, is_table, "a title and rows")
        check_text(f"{place}.{name}.title", table["title"], 1_000)
        for row, content in table["rows"].items():
            _check_name(f"{place}: a row", row)
            _check_row(f"{place}.{name}.{row}", content)


def _check_row(place: str, row: Any) -> None:
    is_row = isinstance(row, dict) and {*row} == {"title", "fit", "test", "sets"}
    require_fact(place, row, is_row, "title, fit, test and sets")
    check_text(f"{place}.title", row["title"], 1_000)
    for key in ("fit", "test", "sets"):
        is_texts = isinstance(row[key], list) and all(isinstance(text, str) for text in row[key])
        require_fact(f"{place}.{key}", row[key], is_texts, "a list of texts")
    known = {*row["sets"]} <= {*RESULT_SETS}
    require_fact(f"{place}.sets", row["sets"], known, f"some of {', '.join(RESULT_SETS)}")


def _parse_cell(place: str, cell: Any, tables: dict[str, Any]) -> CellResult:
    names = {*CellResult.__dataclass_fields__}
    is_cell = isinstance(cell, dict) and {*cell} == names
    require_fact(place, cell, is_cell, f"a cell with {', '.join(sorted(names))}")
    is_known = isinstance(cell["table"], str) and cell["row"] in _list_rows(tables, cell["table"])
    require_fact(f"{place}: row", cell["row"], is_known, "a row of a table of this file")
    check_number(f"{place}: seed", cell["seed"], 0, 2**32, whole=True)
    if cell["fold"] is not None:
        check_number(f"{place}: fold", cell["fold"], 0, MAX_FOLD, whole=True)
    require_fact(f"{place}: status", cell["status"], cell["status"] in STATES, ", ".join(STATES))
    metric = cell["metric"]
    is_metric = metric in ("", "test/acc", "test/wer")
    require_fact(f"{place}: metric", metric, is_metric, "test/acc, test/wer or nothing")
    _check_metrics(f"{place}: metrics", cell["metrics"])
    _check_groups(f"{place}: groups", cell["groups"], metric)
    require_fact(f"{place}: origin", cell["origin"], isinstance(cell["origin"], dict), "a table")
    check_plain(f"{place}: origin", cell["origin"])
    for key in ("seconds", "training_seconds"):
        spent = cell["origin"].get(key)
        check_number(f"{place}: origin.{key}", spent, 0, LARGEST_COUNT, optional=True)
    return CellResult(**cell)


def _list_rows(tables: dict[str, Any], name: str) -> list[str]:
    return list(tables[name]["rows"]) if name in tables else []


def _check_metrics(place: str, metrics: Any) -> None:
    require_fact(place, metrics, isinstance(metrics, dict) and len(metrics) <= 200, "scores")
    for name, value in metrics.items():
        is_metric = isinstance(name, str) and METRIC_PATTERN.fullmatch(name) is not None
        require_fact(f"{place}: a name", name, is_metric, "the name of a test score")
        check_number(f"{place}: {name}", value, -LARGEST_COUNT, LARGEST_COUNT)
    if HOLD_COUNT in metrics:
        check_number(f"{place}: {HOLD_COUNT}", metrics[HOLD_COUNT], 1, LARGEST_COUNT)
        check_number(f"{place}: {HOLD_METRIC}", metrics.get(HOLD_METRIC), 0, 1)


def _check_groups(place: str, groups: Any, metric: str) -> None:
    is_table = isinstance(groups, dict) and len(groups) <= MAX_GROUPS
    require_fact(place, groups, is_table, f"at most {MAX_GROUPS:,} people")
    require_fact(place, groups, bool(metric) or not groups, "no people without a metric")
    for name, counts in groups.items():
        check_text(f"{place}: a name", name, 1_000)
        is_pair = isinstance(counts, list) and len(counts) == 2
        require_fact(f"{place}: {name}", counts, is_pair, "two counts")
        check_number(f"{place}: {name}", counts[1], 1, LARGEST_COUNT, whole=True)
        most = counts[1] if metric == "test/acc" else LARGEST_COUNT
        check_number(f"{place}: {name}", counts[0], 0, most, whole=True)


def _check_name(place: str, name: Any) -> None:
    require_fact(place, name, is_table_name(name), "a name of letters, digits and _.-")
