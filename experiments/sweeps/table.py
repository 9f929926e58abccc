"""The jobs of a sweep as a table: sweep.csv, and ranks among comparable jobs."""

from __future__ import annotations

import shlex
from typing import Any

import pandas as pd

from experiments.launch.monitor import metric_mode
from experiments.launch.plain_yaml import read_plain_yaml
from experiments.runs.run_folder import Run, read_run
from experiments.sweeps.job_status import Job

# Columns of sweep.csv before and after the settings.
FIRST_COLUMNS = ["job", "task", "rank", "status"]
LAST_COLUMNS = [
    *("metric", "mode", "score", "test_metric", "test", "test_low", "test_high", "test_n"),
    *("best_epoch", "epochs_done", "parameters", "seconds", "error", "overrides"),
]
FOLD_SETTINGS = ("fold", "split.fold")
REPEATING_SETTINGS = ("seed", *FOLD_SETTINGS)  # their values repeat a measurement


def tabulate_jobs(jobs: list[Job]) -> pd.DataFrame:
    """Return sweep.csv: one row per job, one column per setting that differs.

    Jobs are ranked within comparable ones. Jobs that differ in ``REPEATING_SETTINGS`` alone repeat
    one recipe and share the rank of their mean score.
    """
    rows = pd.DataFrame([_tabulate_job(job) for job in jobs])
    settings = pd.DataFrame([job.settings for job in jobs]).drop(columns="task", errors="ignore")
    differing = settings.loc[:, settings.nunique(dropna=False) > 1]
    table = pd.concat([rows[FIRST_COLUMNS], differing, rows[LAST_COLUMNS]], axis=1)
    for title, of in group_comparable(table):
        for rank, recipe in _rank_recipes(of, is_max=title.endswith("(max)")):
            table.loc[recipe.index[recipe["score"].notna()], "rank"] = rank
    whole = ["rank", "best_epoch", "epochs_done", "parameters", "test_n"]
    table[whole] = table[whole].astype("Int64")
    return table


def split_recipes(table: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the jobs by recipe: those of one recipe differ in ``REPEATING_SETTINGS`` alone."""
    names = [name for name in list_settings(table) if name not in REPEATING_SETTINGS]
    keys = [str(tuple(row)) for row in table[names].fillna("").astype(str).to_numpy()]
    return [of for _, of in table.groupby(pd.Series(keys, table.index), sort=False)]


def _rank_recipes(table: pd.DataFrame, is_max: bool) -> list[tuple[int, pd.DataFrame]]:
    recipes = split_recipes(table)
    means = pd.Series([of["score"].mean() for of in recipes])
    ranks = means.rank(method="min", ascending=not is_max)
    return [(int(r), of) for r, of in zip(ranks, recipes, strict=True) if pd.notna(r)]


def _tabulate_job(job: Job) -> dict[str, Any]:
    run = read_run(job.folder)
    monitor = _read_monitor(run)
    is_finished = job.status == "finished"
    row = {
        "job": job.folder.name,
        **monitor,
        **run.tabulate_test(),
        "rank": None,
        "status": "stopped by NaN" if is_finished and run.was_stopped_by_nan else job.status,
        "score": run.numbers.get(monitor["metric"]) if is_finished else None,
        "best_epoch": run.numbers.get("best_epoch"),
        "epochs_done": len(run.epochs),
        "parameters": run.numbers.get("parameters"),
        "seconds": run.measures.get("seconds") or job.seconds,  # of all processes of a run
        "error": job.error,
        "overrides": shlex.join(job.overrides),
    }
    return row | {"score": pd.to_numeric(row["score"], errors="coerce")}


def _read_monitor(run: Run) -> dict[str, str]:
    """Return task, metric and mode; if a job failed early, only Hydra's copy has them."""
    if run.metric:
        return {"task": run.task, "metric": run.metric, "mode": run.mode}
    path = run.folder / ".hydra" / "config.yaml"
    content = read_plain_yaml(path) if path.is_file() else {}
    content = content if isinstance(content, dict) else {}
    monitor = content.get("monitor")
    metric = str(monitor.get("metric", "")) if isinstance(monitor, dict) else ""
    return {
        "task": str(content.get("task", "unknown")),
        "metric": metric,
        "mode": metric_mode(metric),  # Hydra's copy holds the interpolation
    }


def group_comparable(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the jobs of each task and metric, titled ``asl, val/acc (max)``."""
    groups = table.groupby(["task", "metric", "mode"], sort=False)
    return [(f"{task}, {metric} ({mode})", of) for (task, metric, mode), of in groups]


def list_settings(table: pd.DataFrame) -> list[str]:
    """Return the columns of settings in which these jobs differ."""
    columns = [name for name in table if name not in FIRST_COLUMNS + LAST_COLUMNS]
    return [name for name in columns if table[name].nunique(dropna=False) > 1]


def to_yaml(value: Any) -> str:
    """Return the value of a setting for a table: long numbers with four digits."""
    if pd.isna(value):
        return ""
    try:
        return str(value) if len(str(value)) < 8 else f"{float(value):.4g}"
    except ValueError:
        return str(value)
