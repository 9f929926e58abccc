"""sweep.csv, sweep.md and sweep.png: the results of the jobs in a sweep folder."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from omegaconf import DictConfig

from experiments.reports.markdown import bullets, interval, markdown, score
from experiments.sweeps.importance import Importance, measure_importance
from experiments.sweeps.job_status import Job
from experiments.sweeps.plots import draw
from experiments.sweeps.repeats import is_repeated, repeats_section
from experiments.sweeps.table import comparable, format_setting, settings_of, tabulate
from unvoiced.text import markdown_document, spreadsheet_cells


def write_sweep(folder: Path, jobs: list[Job], config: DictConfig, command: str) -> Path:
    """Write sweep.csv, sweep.md and sweep.png into ``folder``; return the path of sweep.md.

    Args:
        config: of the multirun.
        command: that started it.
    """
    table = tabulate(jobs)
    spreadsheet_cells(table).to_csv(folder / "sweep.csv", index=False)
    shares = {title: measure_importance(of, config) for title, of in comparable(table)}
    path = folder / "sweep.md"
    text = format_sweep(folder, table, shares, command)
    path.write_text(markdown_document(text), encoding="utf-8")
    draw(comparable(table), shares, folder / "sweep.png")
    return path


def format_sweep(
    folder: Path, table: pd.DataFrame, shares: dict[str, Importance], command: str
) -> str:
    """Return sweep.md; pooled confusion matrices are written beside it."""
    states = ", ".join(f"{n} {status}" for status, n in table["status"].value_counts().items())
    parts = [
        f"# Sweep {folder.name}\n",
        f"{len(table)} jobs: {states}.\n",
        f"```\n{command}\n```\n",
        "The same command resumes the sweep: finished jobs are not run again.\n",
        *[_format_group(folder, title, of, shares[title]) for title, of in comparable(table)],
        "![Scores](sweep.png)\n",
        *_format_unfinished(table),
    ]
    return "\n".join(parts)


def _format_group(folder: Path, title: str, of: pd.DataFrame, importance: Importance) -> str:
    if of["rank"].isna().all():
        return f"## {title}\n\nNo job has a score.\n"
    results = repeats_section(folder, of) if is_repeated(of) else _format_ranking(folder, of)
    return "\n".join([f"## {title}\n", *results, *_format_importance(importance)])


def _format_ranking(folder: Path, of: pd.DataFrame) -> list[str]:
    ranked = of[of["rank"].notna()].sort_values("rank", kind="stable")
    best = ranked.iloc[0]
    return [
        markdown(format_jobs(ranked, settings_of(of))),
        f"The best is job {best['job']} (`{folder / str(best['job'])}`). To repeat it:\n",
        f"```\npython run.py {best['overrides']}\n```\n",
    ]


def format_jobs(ranked: pd.DataFrame, settings: list[str]) -> pd.DataFrame:
    """Return the columns that sweep.md shows of ranked jobs, as text."""
    shown = ranked[["rank", "job", *settings]].copy()
    shown[settings] = shown[settings].map(format_setting)
    shown[ranked["metric"].iloc[0]] = ranked["score"].map(score)
    shown["epoch"] = [score(epoch, ".0f") for epoch in ranked["best_epoch"]]
    if ranked["test"].notna().any():
        name = ranked["test_metric"].iloc[0]
        shown[name] = [_format_test(row) for _, row in ranked.iterrows()]
    shown["seconds"] = ranked["seconds"].map(lambda value: score(value, ".0f"))
    if (ranked["status"] != "finished").any():
        shown["status"] = ranked["status"]
    return shown


def _format_test(row: pd.Series) -> str:
    if pd.isna(row["test"]):
        return ""
    return f"{score(row['test'])} {interval(row['test_low'], row['test_high'])}"


def _format_importance(importance: Importance) -> list[str]:
    if not importance.shares:
        return [f"Importance of settings: {importance.note}.\n"] if importance.note else []
    shown = pd.DataFrame(
        [(name, f"{share:.3f}") for name, share in importance.shares.items()],
        columns=["setting", "importance"],
    )
    return [f"### Importance\n\n{markdown(shown)}\n{importance.note}\n"]


def _format_unfinished(table: pd.DataFrame) -> list[str]:
    failed = table[table["status"] == "failed"]
    lines = [
        f"{', '.join(of['job'])}: {error}" for error, of in failed.groupby("error", sort=False)
    ]
    where = "By job; each has its `error.txt`, and sweep.csv its overrides."
    parts = [f"## Failed\n\n{bullets(lines)}\n{where}\n"] if lines else []
    left = table[table["status"] == "unfinished"]
    if len(left):
        parts.append(f"Not finished (running, or killed): {', '.join(left['job'])}.\n")
    return parts
