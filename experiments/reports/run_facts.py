"""The facts on a run in metrics.json: their section of report.md, and reading them."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from experiments.reports.markdown import format_duration, format_table
from unvoiced.text import count_noun, table_cell


def read_measure(numbers: dict[str, Any], name: str) -> float | None:
    """Return a measurement of a run, such as ``seconds``; None if metrics.json has none.

    Args:
        numbers: content of metrics.json, from anyone.
        name: of the measurement.
    """
    facts = numbers.get("run")
    return _take_number(facts.get(name)) if isinstance(facts, dict) else None


def read_milestone_seconds(numbers: dict[str, Any]) -> dict[int, float]:
    """Return the seconds until each milestone of a run, by its epoch, as far as they are known."""
    facts = numbers.get("run")
    rows = facts.get("milestones") if isinstance(facts, dict) else None
    found = {}
    for row in rows if isinstance(rows, list) else []:
        known = row if isinstance(row, dict) else {}
        epoch, seconds = _take_number(known.get("epoch")), _take_number(known.get("seconds"))
        if epoch is not None and seconds is not None:
            found[int(epoch)] = seconds
    return found


def _take_number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and math.isfinite(value) and value >= 0 else None


# ---- the section of report.md


def format_facts(facts: dict[str, Any]) -> str:
    """Return the section of report.md on ``RunRecord.describe``."""
    versions = ", ".join(f"{k} {v}" for k, v in facts["versions"].items() if v)
    commands = {"command": facts["command"], "resumed command": facts.get("resumed_command", "")}
    rows = {
        **{name: f"`{table_cell(text)}`" for name, text in commands.items() if text},
        "started": facts["started"],
        "duration": _format_durations(facts),
        "speed": _format_speed(facts),
        "device": f"{facts['devices']} × {facts['device']}, precision {facts['precision']}",
        "peak memory": _format_memory(facts),
        "versions": versions,
        "code": _format_git(facts["git"]),
        "data": ", ".join(f"{folder}: hash {code}" for folder, code in facts["data"].items()),
    }
    table = pd.DataFrame({"fact": rows.keys(), "value": rows.values()})
    return f"## Run\n\n{format_table(table[table['value'] != ''])}"


def _format_durations(facts: dict[str, Any]) -> str:
    parts = [format_duration(facts["seconds"])]
    if "training_seconds" in facts:
        parts.append(f"{format_duration(facts['training_seconds'])} of it training")
    if facts.get("seconds_to_best") is not None:
        parts.append(f"best epoch after {format_duration(facts['seconds_to_best'])}")
    if facts["resumes"]:
        parts.append(f"resumed {count_noun(facts['resumes'], 'time')}")
    return ", ".join(parts)


def _format_speed(facts: dict[str, Any]) -> str:
    if "steps_per_second" not in facts:
        return ""
    return (
        f"{facts['steps_per_second']:,.4g} steps and {facts['samples_per_second']:,.0f} samples a "
        f"second in training; {facts['waiting_share']:.1%} of it waiting for data"
    )


def _format_memory(facts: dict[str, Any]) -> str:
    memory, gpu = facts["peak_memory_mb"], facts["peak_gpu_memory_mb"]
    parts = [f"{memory:,.0f} MiB of the process"] if memory is not None else []
    parts += [f"{gpu:,.0f} MiB of tensors on the GPU"] if gpu is not None else []
    return ", ".join(parts)


def _format_git(git: dict[str, Any]) -> str:
    if git["commit"] is None:
        return git["note"] or "no commit yet"
    return f"commit {git['commit']}" + ("" if git["is_clean"] else ", with changes since")
