"""Write sweep.csv, sweep.md and sweep.png: the results of a sweep folder."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from omegaconf import DictConfig

from experiments.reports.markdown import format_interval, format_list, format_number, format_table
from experiments.sweeps.importance import Importance, measure_importance
from experiments.sweeps.job_status import Job
from experiments.sweeps.plots import draw_sweep
from experiments.sweeps.repeats import format_repeats, is_repeated
from experiments.sweeps.table import (
    group_comparable,
    list_settings,
    tabulate_jobs,
    to_yaml,
)
from unvoiced.text import markdown_document, spreadsheet_cells


def write_sweep(folder: Path, jobs: list[Job], config: DictConfig, command: str) -> Path:
    """Write sweep.csv, sweep.md and sweep.png into ``folder``; return the path of sweep.md.

    Args:
        folder: of the sweep.
        jobs: of the sweep.
        config: of the multirun.
        command: that started it.
    """
    table = tabulate_jobs(jobs)
    spreadsheet_cells(table).to_csv(folder / "sweep.csv", index=False)
    groups = group_comparable(table)
    importances = {title: measure_importance(of, config) for title, of in groups}
    path = folder / "sweep.md"
    text = format_sweep(folder, table, importances, command)
    path.write_text(markdown_document(text), encoding="utf-8")
    draw_sweep(groups, importances, folder / "sweep.png")
    return path


def format_sweep(
    folder: Path, table: pd.DataFrame, importances: dict[str, Importance], command: str
) -> str:
    """Return sweep.md; write pooled confusion matrices next to it."""
    states = ", ".join(f"{n} {status}" for status, n in table["status"].value_counts().items())
    groups = group_comparable(table)
    parts = [
        f"# Sweep {folder.name}\n",
        f"{len(table)} jobs: {states}.\n",
        f"```\n{command}\n```\n",
        "The same command resumes the sweep: finished jobs are not run again.\n",
        *[_format_group(folder, title, of, importances[title]) for title, of in groups],
        "![Scores](sweep.png)\n",
        *_format_unfinished(table),
    ]
    return "\n".join(parts)


def _format_group(folder: Path, title: str, jobs: pd.DataFrame, importance: Importance) -> str:
    if jobs["rank"].isna().all():
        return f"## {title}\n\nNo job has a score.\n"
    results = format_repeats(folder, jobs) if is_repeated(jobs) else _format_ranking(folder, jobs)
    return "\n".join([f"## {title}\n", *results, *_format_importance(importance)])


def _format_ranking(folder: Path, jobs: pd.DataFrame) -> list[str]:
    ranked = jobs[jobs["rank"].notna()].sort_values("rank", kind="stable")
    best = ranked.iloc[0]
    return [
        format_table(format_jobs(ranked, list_settings(jobs))),
        f"The best is job {best['job']} (`{folder / str(best['job'])}`). To repeat it:\n",
        f"```\npython run.py {best['overrides']}\n```\n",
    ]


def format_jobs(ranked: pd.DataFrame, settings: list[str]) -> pd.DataFrame:
    """Return the columns of ranked jobs that sweep.md has, as text."""
    shown = ranked[["rank", "job", *settings]].copy()
    shown[settings] = shown[settings].map(to_yaml)
    shown[ranked["metric"].iloc[0]] = ranked["score"].map(format_number)
    shown["epoch"] = [format_number(epoch, ".0f") for epoch in ranked["best_epoch"]]
    if ranked["test"].notna().any():
        name = ranked["test_metric"].iloc[0]
        shown[name] = [_format_test(row) for _, row in ranked.iterrows()]
    shown["seconds"] = ranked["seconds"].map(lambda value: format_number(value, ".0f"))
    if (ranked["status"] != "finished").any():
        shown["status"] = ranked["status"]
    return shown


def _format_test(row: pd.Series) -> str:
    if pd.isna(row["test"]):
        return ""
    return f"{format_number(row['test'])} {format_interval(row['test_low'], row['test_high'])}"


def _format_importance(importance: Importance) -> list[str]:
    if not importance.shares:
        return [f"Importance of settings: {importance.note}.\n"] if importance.note else []
    rows = [(name, f"{share:.3f}") for name, share in importance.shares.items()]
    table = pd.DataFrame(rows, columns=["setting", "importance"])
    return [f"### Importance\n\n{format_table(table)}\n{importance.note}\n"]


def _format_unfinished(table: pd.DataFrame) -> list[str]:
    failed = table[table["status"] == "failed"]
    errors = failed.groupby("error", sort=False)
    lines = [f"{', '.join(of['job'])}: {error}" for error, of in errors]
    note = "By job; each has its `error.txt`, and sweep.csv its overrides."
    parts = [f"## Failed\n\n{format_list(lines)}\n{note}\n"] if lines else []
    unfinished = table[table["status"] == "unfinished"]
    if len(unfinished):
        parts.append(f"Not finished (running, or killed): {', '.join(unfinished['job'])}.\n")
    return parts
