"""Tables of results as Markdown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from experiments.reports.markdown import format_table
from experiments.result_tables.result_file import ResultFile
from experiments.result_tables.summaries import MIN_PEOPLE, RowSummary, measure_gains, summarize_row
from experiments.runs.statistics import bootstrap_interval
from unvoiced.text import markdown_text

MAX_PEOPLE = 10  # columns of people
MAX_FACT = 40  # characters of a fact from a file
WHOLE_ROW = "whole"  # the last word of the row of an ablation with all ingredients
BRINGS = "the ingredient brings"
METRIC_NAMES = {"test/acc": "accuracy", "test/wer": "word error rate"}


def format_results(results: ResultFile) -> str:
    """Return results.md: all tables, with their origin."""
    parts = ["# Results\n"]
    for name, table in results.tables.items():
        parts += [f"## {markdown_text(table['title'])}\n", format_result_table(results, name)]
    return "\n".join([*parts, describe_measurement(results)])


def format_result_table(results: ResultFile, table: str) -> str:
    """Return a table with one row per recipe and a column per person, and a note on it."""
    rows = results.tables[table]["rows"]
    summaries = {name: summarize_row(results.list_row_cells(table, name)) for name in rows}
    known = {name: summary for name, summary in summaries.items() if summary}
    if not known:
        return "No cell is finished.\n"
    people = list(dict.fromkeys(person for summary in known.values() for person in summary.people))
    shown = people if len(people) <= MAX_PEOPLE else []
    whole_row = next((name for name in rows if name.rpartition("_")[2] == WHOLE_ROW), "")
    whole = results.list_row_cells(table, whole_row)
    lines = []
    for name, summary in known.items():
        cells = results.list_row_cells(table, name)
        gains = {} if name == whole_row else measure_gains(whole, cells)
        texts = {**format_summary(summary, shown), BRINGS: format_gains(gains)}
        lines.append({"recipe": rows[name]["title"], **texts})
    frame = pd.DataFrame(lines)
    frame = frame.loc[:, (frame != "").any()]
    return format_table(frame, _keep_code) + "\n" + "".join(_list_notes(summaries, known))


def _keep_code(text: Any) -> str:
    """Return a cell without markup, apart from `code`."""
    parts = str(text).split("`")
    is_paired = len(parts) % 2 == 1
    escaped = [markdown_text(part) if n % 2 == 0 or not is_paired else part.replace("|", " ")
               for n, part in enumerate(parts)]  # fmt: skip
    return ("`" if is_paired else " ").join(escaped)


def format_summary(summary: RowSummary, people: list[str]) -> dict[str, str]:
    """Return the cells of a row by column."""
    rate = _format_rate
    ends, worst = (summary.low, summary.high), summary.worst
    return {
        **{person: _format_person(summary, person) for person in people},
        "mean": f"**{rate(summary.mean)}**",
        "± over seeds": rate(summary.deviation),
        "95 % interval over people": "" if None in ends else " – ".join(map(rate, ends)),
        "worst": "" if worst is None else f"{rate(summary.people[worst])} ({worst})",
        "holds": "" if summary.holds is None else rate(summary.holds[0]),
        "of": f"{summary.samples:,}",
        "seeds": str(summary.seeds),
    }


def _format_person(summary: RowSummary, person: str) -> str:
    """Return the rate of a person, with the interval over recordings if there is one."""
    rate = _format_rate(summary.people.get(person))
    if person not in summary.ends:
        return rate
    low, high = map(_format_rate, summary.ends[person])
    return f"{rate} ({low} – {high})"


def format_gains(gains: dict[str, float]) -> str:
    """Return the gains of people by an ingredient of a recipe: mean and interval over people.

    Of fewer than ``MIN_PEOPLE`` the gains are listed instead.
    """
    values = np.array([*gains.values()])
    if not len(values):
        return ""
    mean = f"{values.mean():+.3f}"
    if len(values) == 1:
        return mean
    if len(values) < MIN_PEOPLE:
        return f"{mean} ({', '.join(f'{gain:+.3f} of {name}' for name, gain in gains.items())})"
    low, high = bootstrap_interval(values)
    return f"{mean} ({low:+.3f} – {high:+.3f})"


def _format_rate(value: float | None, form: Callable[[float], str] = "{:.3f}".format) -> str:
    return "" if value is None else form(value)


def _list_notes(summaries: dict[str, RowSummary | None], known: dict[str, RowSummary]) -> list[str]:
    """Return sentences on the metric, the holds and the cells without a result."""
    metrics = dict.fromkeys(METRIC_NAMES[summary.metric] for summary in known.values())
    notes = [f"Figures are {' and '.join(metrics)}, means over seeds. "]
    if any(summary.ends for summary in known.values()):
        notes.append(
            "Intervals after single figures are 95 % over recordings, as there are too few people "
            "or sessions to bootstrap over; the mean counts each recording once. "
        )
    holds = {summary.holds[1] for summary in known.values() if summary.holds}
    if holds:
        number = " or ".join(f"{count:,}" for count in sorted(holds))
        notes.append(f"Holds: the accuracy of {number} holds of up to six frames. ")
    for name, summary in summaries.items():
        if summary is None:
            notes.append(f"Not measured: {name}. ")
        elif summary.missing:
            notes.append(f"{summary.missing} cells of {name} have no result yet. ")
    return ["".join(notes).rstrip() + "\n"]


def describe_measurement(results: ResultFile) -> str:
    """Return a sentence on where and when the cells were measured."""
    cells = [cell for cell in results.cells if cell.status == "finished"]
    commits = dict.fromkeys(str(cell.origin.get("commit"))[:12] for cell in cells)
    written = str(results.origin.get("written"))[:MAX_FACT]
    hours = sum_seconds(results) / 3600
    outdated = count_outdated_cells(results)
    warning = f" {outdated} cells were measured on earlier content of a set." if outdated else ""
    return markdown_text(
        f"Measured with {len(cells)} of {len(results.cells)} cells, commit "
        f"{', '.join(commits) or 'unknown'}, {_describe_machines(results)}, {hours:.1f} hours "
        f"in all, written {written}.{warning}"
    ) + "\n"  # fmt: skip


def _describe_machines(results: ResultFile) -> str:
    """Return the number of cores and the devices other than processors."""
    machine = results.origin.get("machine")
    cores = machine.get("cores") if isinstance(machine, dict) else None
    devices = [str(cell.origin.get("device") or "cpu")[:MAX_FACT] for cell in results.cells]
    others = dict.fromkeys(device for device in devices if not device.startswith("cpu"))
    return ", ".join([f"{str(cores)[:MAX_FACT]} cores", *others])


def count_outdated_cells(results: ResultFile) -> int:
    """Return how many finished cells name other data than the sets had in the end."""
    sets = results.origin.get("sets")
    hashes = sets if isinstance(sets, dict) else {}
    count = 0
    for cell in results.cells:
        names = results.tables[cell.table]["rows"][cell.row]["sets"]
        lists = [hashes[name] for name in names if isinstance(hashes.get(name), list)]
        data = cell.origin.get("data")
        known = data if isinstance(data, list) else []
        is_outdated = any(one not in known for ones in lists for one in ones)
        count += cell.status == "finished" and is_outdated
    return count


def sum_seconds(results: ResultFile) -> float:
    """Return the time of all trainings and tests; cells may share a training."""
    cells = [cell.origin for cell in results.cells if cell.status == "finished"]
    trainings = {(str(one.get("configuration")), one.get("training_seconds")) for one in cells}
    trained = {seconds for _, seconds in trainings}
    tests = [one.get("seconds") for one in cells if one.get("seconds") not in trained]
    spent = [*tests, *(seconds for _, seconds in trainings)]
    return sum(one for one in spent if isinstance(one, int | float))
