"""sweep.csv, sweep.md and sweep.png: what came of the jobs in a sweep folder."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig

from experiments.reports.markdown import bullets, markdown, score
from experiments.sweeps.importance import importance
from experiments.sweeps.job_status import Job
from experiments.sweeps.plots import draw
from experiments.sweeps.table import comparable, settings_of, tabulate

REPEATED = ("seed", "fold")  # settings whose values repeat a measurement


def write_sweep(folder: Path, jobs: list[Job], config: DictConfig, command: str) -> Path:
    """Write sweep.csv, sweep.md and sweep.png into ``folder``; returns the path of sweep.md.

    Args:
        config: of the multirun.
        command: that started it.
    """
    table = tabulate(jobs)
    table.to_csv(folder / "sweep.csv", index=False)
    shares = {title: importance(of, config) for title, of in comparable(table)}
    draw(comparable(table), shares, folder / "sweep.png")
    path = folder / "sweep.md"
    path.write_text(tell_sweep(folder, table, shares, command), encoding="utf-8")
    return path


def tell_sweep(
    folder: Path, table: pd.DataFrame, shares: dict[str, pd.DataFrame], command: str
) -> str:
    """sweep.md."""
    states = ", ".join(f"{n} {status}" for status, n in table["status"].value_counts().items())
    parts = [
        f"# Sweep {folder.name}\n",
        f"{len(table)} jobs: {states}.\n",
        f"```\n{command}\n```\n",
        "The same command goes on where it was: finished jobs are not run again.\n",
        *[_tell_group(folder, title, of, shares[title]) for title, of in comparable(table)],
        "![Scores](sweep.png)\n",
        *_unfinished(table),
        *_repeated(folder, table),
    ]
    return "\n".join(parts)


def _tell_group(folder: Path, title: str, of: pd.DataFrame, shares: pd.DataFrame) -> str:
    ranked = of[of["rank"].notna()].sort_values("rank", kind="stable")
    parts = [f"## {title}\n"]
    if ranked.empty:
        return "\n".join([*parts, "No job has a score.\n"])
    best = ranked.iloc[0]
    return "\n".join(
        [
            *parts,
            markdown(_shown(ranked, settings_of(of))),
            f"The best is job {best['job']} (`{folder / str(best['job'])}`). To repeat it:\n",
            f"```\npython run.py {best['overrides']}\n```\n",
            *_tell_importance(shares),
        ]
    )


def _shown(ranked: pd.DataFrame, settings: list[str]) -> pd.DataFrame:
    shown = ranked[["rank", "job", *settings]].copy()
    shown[settings] = shown[settings].map(_short)
    shown[ranked["metric"].iloc[0]] = ranked["score"].map(score)
    shown["epoch"] = [score(epoch, ".0f") for epoch in ranked["best_epoch"]]
    if ranked["test"].notna().any():
        name = ranked["test_metric"].iloc[0]
        shown[name] = [_bounded(row) for _, row in ranked.iterrows()]
    shown["seconds"] = ranked["seconds"].map(lambda value: score(value, ".0f"))
    if (ranked["status"] != "finished").any():
        shown["status"] = ranked["status"]
    return shown


def _bounded(row: pd.Series) -> str:
    if pd.isna(row["test"]):
        return ""
    return f"{score(row['test'])} ({score(row['test_low'])} to {score(row['test_high'])})"


def _short(value: Any) -> str:
    """A setting as a table shows it: 0.0012345678 with four digits; sweep.csv has all of them."""
    if pd.isna(value):
        return ""
    try:
        return str(value) if len(str(value)) < 8 else f"{float(value):.4g}"
    except ValueError:
        return str(value)


def _tell_importance(shares: pd.DataFrame) -> list[str]:
    if shares.empty:
        return [f"Importance of settings: {shares.attrs['why']}.\n"] if shares.attrs else []
    shown = shares.assign(importance=shares["importance"].map("{:.3f}".format))
    return [f"### Importance\n\n{markdown(shown)}\n{shares.attrs['how']}\n"]


def _unfinished(table: pd.DataFrame) -> list[str]:
    failed = table[table["status"] == "failed"]
    lines = [
        f"{', '.join(of['job'])}: {error}" for error, of in failed.groupby("error", sort=False)
    ]
    told = "By job; each has its `error.txt`, and sweep.csv its overrides."
    parts = [f"## Failed\n\n{bullets(lines)}\n{told}\n"] if lines else []
    left = table[table["status"] == "unfinished"]
    if len(left):
        parts.append(f"Not finished (running, or killed): {', '.join(left['job'])}.\n")
    return parts


def _repeated(folder: Path, table: pd.DataFrame) -> list[str]:
    names = [name for name in REPEATED if name in settings_of(table)]
    if not names:
        return []
    return [
        f"## Repeats\n\nMean, standard deviation and interval over {' and '.join(names)}:\n\n"
        f"```\npython run.py stage=summary input={shlex.quote(str(folder))}\n```\n"
    ]
