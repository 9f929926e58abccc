"""The jobs of a sweep as a table: what sweep.csv holds, and what is ranked against what."""

from __future__ import annotations

import shlex
from typing import Any

import pandas as pd

from experiments.launch.monitor import metric_mode
from experiments.launch.plain_yaml import read_plain_yaml
from experiments.runs.run_folder import Run, read_run
from experiments.sweeps.job_status import Job

# What sweep.csv says of a job beside its settings.
BEFORE = ["job", "task", "rank", "status"]
AFTER = ["metric", "mode", "score", "test_metric", "test", "test_low", "test_high", "test_n"]
AFTER += ["best_epoch", "epochs_done", "parameters", "seconds", "error", "overrides"]
FOLDS = ("fold", "split.fold")
REPEATED = ("seed", *FOLDS)  # settings whose values repeat a measurement


def tabulate(jobs: list[Job]) -> pd.DataFrame:
    """Return sweep.csv: one row per job, one column per setting that differs.

    Jobs are ranked within what is comparable. Jobs that differ in ``REPEATED`` alone repeat one
    measurement: they share the rank of their mean score.
    """
    rows = [_row(job) for job in jobs]
    settings = pd.DataFrame([job.settings for job in jobs]).drop(columns="task", errors="ignore")
    table = pd.DataFrame(rows)
    differing = settings.loc[:, settings.nunique(dropna=False) > 1]
    table = pd.concat([table[BEFORE], differing, table[AFTER]], axis=1)
    for title, of in comparable(table):
        for rank, recipe in _rank(of, largest_first=title.endswith("(max)")):
            table.loc[recipe.index[recipe["score"].notna()], "rank"] = rank
    whole = ["rank", "best_epoch", "epochs_done", "parameters", "test_n"]
    table[whole] = table[whole].astype("Int64")
    return table


def split_recipes(table: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the jobs by recipe: those of one recipe differ in ``REPEATED`` alone."""
    names = [name for name in settings_of(table) if name not in REPEATED]
    keys = [str(tuple(row)) for row in table[names].fillna("").astype(str).to_numpy()]
    return [of for _, of in table.groupby(pd.Series(keys, table.index), sort=False)]


def _rank(table: pd.DataFrame, largest_first: bool) -> list[tuple[int, pd.DataFrame]]:
    recipes = split_recipes(table)
    means = pd.Series([of["score"].mean() for of in recipes])
    ranks = means.rank(method="min", ascending=not largest_first)
    return [(int(r), of) for r, of in zip(ranks, recipes, strict=True) if pd.notna(r)]


def _row(job: Job) -> dict[str, Any]:
    run = read_run(job.folder)
    about = _composed(run)
    stopped = job.status == "finished" and run.status() == "stopped by NaN"
    test = run.primary_metric
    row = {
        "job": job.folder.name,
        "task": about.get("task"),
        "rank": None,
        "status": "stopped by NaN" if stopped else job.status,
        "metric": about["metric"],
        "mode": about["mode"],
        "score": run.numbers.get(about["metric"]) if job.status == "finished" else None,
        "test_metric": test,
        "test": run.numbers.get(test),
        "test_low": run.numbers.get(f"{test}_low"),
        "test_high": run.numbers.get(f"{test}_high"),
        "test_n": run.numbers.get("test/n"),
        "best_epoch": run.numbers.get("best_epoch"),
        "epochs_done": len(run.epochs),
        "parameters": run.numbers.get("parameters"),
        "seconds": job.seconds,
        "error": job.error,
        "overrides": shlex.join(job.overrides),
    }
    return row | {"score": pd.to_numeric(row["score"], errors="coerce")}


def _composed(run: Run) -> dict[str, str]:
    """Task, metric and mode; a job that failed early has them in Hydra's copy alone."""
    if run.metric:
        return {"task": run.task, "metric": run.metric, "mode": run.mode}
    path = run.folder / ".hydra" / "config.yaml"
    content = read_plain_yaml(path) if path.is_file() else {}
    content = content if isinstance(content, dict) else {}
    monitor = content.get("monitor")
    monitor = monitor if isinstance(monitor, dict) else {}
    metric = str(monitor.get("metric", ""))
    return {
        "task": str(content.get("task", "unknown")),
        "metric": metric,
        "mode": metric_mode(metric),  # Hydra's copy holds the interpolation
    }


def comparable(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The jobs of each task and metric, titled ``asl, val/acc (max)``."""
    groups = table.groupby(["task", "metric", "mode"], sort=False)
    return [(f"{task}, {metric} ({mode})", of) for (task, metric, mode), of in groups]


def settings_of(table: pd.DataFrame) -> list[str]:
    """The columns of settings in which these jobs differ."""
    columns = [name for name in table if name not in BEFORE + AFTER]
    return [name for name in columns if table[name].nunique(dropna=False) > 1]


def format_setting(value: Any) -> str:
    """Return a setting as a table shows it: 0.0012345678 with four digits."""
    if pd.isna(value):
        return ""
    try:
        return str(value) if len(str(value)) < 8 else f"{float(value):.4g}"
    except ValueError:
        return str(value)
