"""Compare two results.json: which rows and people differ by more than chance between seeds."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t

from experiments.reports.markdown import format_table
from experiments.result_tables.result_file import CellResult, ResultFile
from unvoiced.text import markdown_text

FALSE_ALARM = 0.05  # probability that a row without a difference shows one
ALL_PEOPLE = "all"


@dataclass(frozen=True)
class Comparison:
    """A person or session of a row, or all of them together, in two files.

    Attributes:
        table, row: names.
        person: the name; ``ALL_PEOPLE`` for all of them.
        first, second: the mean over seeds in each file.
        tolerance: the largest difference that chance between seeds explains; None if no person
            was measured with several seeds.
    """

    table: str
    row: str
    person: str
    first: float
    second: float
    tolerance: float | None

    @property
    def is_within_tolerance(self) -> bool | None:
        """Agreement of the two values within the tolerance; None if there is no tolerance."""
        if self.first == self.second:
            return True
        if self.tolerance is None:
            return None
        return abs(self.first - self.second) <= self.tolerance


def compare_results(first: ResultFile, second: ResultFile) -> list[Comparison]:
    """Return the comparison of all rows that both files have, person by person.

    Raises:
        ValueError: the files share no measured row.
    """
    compared = [
        comparison
        for table, content in first.tables.items()
        for row in content["rows"]
        for comparison in _compare_rows(
            first.list_row_cells(table, row), second.list_row_cells(table, row)
        )
    ]
    if not compared:
        raise ValueError(
            "input=: the two results.json share no measured row of the same people. Give two files "
            "of the same results=."
        )
    return compared


def _compare_rows(first: list[CellResult], second: list[CellResult]) -> list[Comparison]:
    """Return one comparison per person that both measured, and one of these together.

    The tolerance of a person is Welch's with the variance between seeds pooled over all people
    and both files, and Bonferroni's correction for the number of people.
    """
    sides = [_rate_people(cells) for cells in (first, second)]
    people = sorted({*sides[0]} & {*sides[1]})
    if not people:
        return []
    rates = [{name: list(side[name].values()) for name in people} for side in sides]
    spread = _pool_spread([values for side in rates for values in side.values()])
    count = len(people) + 1
    compared = [
        Comparison(
            *(first[0].table, first[0].row, name),
            *(float(np.mean(side[name])) for side in rates),
            _find_tolerance(spread, [len(side[name]) for side in rates], count),
        )
        for name in people
    ]
    return [*compared, _compare_all(first[0], sides, people, count)]


def _rate_people(cells: list[CellResult]) -> dict[str, dict[int, float]]:
    """Return the rate of each person by seed."""
    rates: dict[str, dict[int, float]] = defaultdict(dict)
    for cell in cells:
        for name, (counted, total) in cell.groups.items():
            rates[name][cell.seed] = counted / total
    return rates


def _pool_spread(values: list[list[float]]) -> tuple[float, int]:
    """Return the variance between seeds, and its degrees of freedom, over all people."""
    freedom = sum(len(one) - 1 for one in values)
    squares = sum(float(((np.array(one) - np.mean(one)) ** 2).sum()) for one in values)
    return (squares / freedom if freedom else 0.0), freedom


def _find_tolerance(spread: tuple[float, int], seeds: list[int], count: int) -> float | None:
    variance, freedom = spread
    if not freedom:
        return None
    quantile = float(t.ppf(1 - FALSE_ALARM / (2 * count), freedom))
    return quantile * float(np.sqrt(variance * sum(1 / one for one in seeds)))


def _compare_all(
    cell: CellResult, sides: list[dict[str, dict[int, float]]], people: list[str], count: int
) -> Comparison:
    """Return the comparison of the means over people, of the seeds that have all of them."""
    means = []
    for side in sides:
        seeds = set.intersection(*({*side[name]} for name in people))
        means.append([float(np.mean([side[name][seed] for name in people])) for seed in seeds])
    if not all(means):  # no seed has all people
        means = [[float(np.mean([next(iter(side[n].values())) for n in people]))] for side in sides]
    tolerance = _find_tolerance(_pool_spread(means), [len(one) for one in means], count)
    first, second = (float(np.mean(one)) for one in means)
    return Comparison(cell.table, cell.row, ALL_PEOPLE, first, second, tolerance)


def count_equal_cells(first: ResultFile, second: ResultFile) -> tuple[int, int]:
    """Return how many cells of one seed and configuration have equal counts, and of how many."""
    known = {_cell_key(cell): cell.groups for cell in first.cells if cell.groups}
    pairs = [
        (known[_cell_key(cell)], cell.groups)
        for cell in second.cells
        if cell.groups and _cell_key(cell) in known
    ]
    return sum(one == other for one, other in pairs), len(pairs)


def _cell_key(cell: CellResult) -> tuple[Any, ...]:
    origin = (str(cell.origin.get("configuration")), str(cell.origin.get("data")))
    return cell.table, cell.row, cell.seed, cell.fold, *origin


def format_comparison(first: ResultFile, second: ResultFile) -> str:
    """Return the comparison as Markdown: the verdict, then the cells that do not agree."""
    compared = compare_results(first, second)
    wrong = [one for one in compared if one.is_within_tolerance is False]
    unknown = [one for one in compared if one.is_within_tolerance is None]
    equal, of = count_equal_cells(first, second)
    parts = [
        "# Comparison of two results\n",
        f"{len(compared) - len(wrong) - len(unknown)} of {len(compared)} cells agree within the "
        f"spread over seeds, {len(wrong)} do not, {len(unknown)} cannot be judged without several "
        "seeds. A cell is a person or session of a row, or all of them; by chance alone one row in "
        f"{1 / FALSE_ALARM:.0f} shows a difference.\n",
        f"{equal} of {of} measurements of the same seed, configuration and data are equal to the "
        "last sample.\n",
        *_list_differences(first, second),
    ]
    for title, shown in (("Disagree", wrong), ("Not judged", unknown), ("All cells", compared)):
        if shown:
            parts += [f"## {title}\n", format_table(_tabulate(shown), markdown_text)]
    return "\n".join(parts)


def _list_differences(first: ResultFile, second: ResultFile) -> list[str]:
    """Return sentences on different code and data, and on rows of one file alone."""
    kinds = {"code": "code", "sets": "prepared sets", "settings": "settings"}
    other = [name for k, name in kinds.items() if first.origin.get(k) != second.origin.get(k)]
    notes = [f"The files differ in {' and '.join(other)}. "] if other else []
    rows = [
        {(table, row) for table, content in one.tables.items() for row in content["rows"]}
        for one in (first, second)
    ]
    alone = sorted(".".join(names) for names in rows[0] ^ rows[1])
    if alone:
        notes.append(f"Only one file has {markdown_text(', '.join(alone))}. ")
    return ["".join(notes).rstrip() + "\n"] if notes else []


def _tabulate(compared: list[Comparison]) -> pd.DataFrame:
    verdicts = {True: "agrees", False: "disagrees", None: "unknown"}
    return pd.DataFrame(
        {
            "table": [one.table for one in compared],
            "row": [one.row for one in compared],
            "person": [one.person for one in compared],
            "first": [f"{one.first:.4f}" for one in compared],
            "second": [f"{one.second:.4f}" for one in compared],
            "difference": [f"{one.second - one.first:+.4f}" for one in compared],
            "tolerance": [
                "" if one.tolerance is None else f"{one.tolerance:.4f}" for one in compared
            ],
            "verdict": [verdicts[one.is_within_tolerance] for one in compared],
        }
    )
