"""The jobs of a sweep as a table: what sweep.csv holds, and what is ranked against what."""

from __future__ import annotations

import shlex
from typing import Any

import pandas as pd
import yaml

from experiments.runs.run_folder import Run, read_run
from experiments.sweeps.job_status import Job

# What sweep.csv says of a job beside its settings.
BEFORE = ["job", "task", "rank", "status"]
AFTER = ["metric", "mode", "score", "test_metric", "test", "test_low", "test_high", "test_n"]
AFTER += ["best_epoch", "epochs_done", "parameters", "seconds", "error", "overrides"]


def tabulate(jobs: list[Job]) -> pd.DataFrame:
    """sweep.csv: a row a job, a column a setting that differs; ranks within what is comparable."""
    rows = [_row(job) for job in jobs]
    settings = pd.DataFrame([job.settings for job in jobs]).drop(columns="task", errors="ignore")
    table = pd.DataFrame(rows)
    differing = settings.loc[:, settings.nunique(dropna=False) > 1]
    for title, of in comparable(table):
        sign = 1 if title.endswith("(max)") else -1
        ranks = (sign * of["score"]).rank(method="min", ascending=False)
        table.loc[of.index, "rank"] = ranks
    whole = ["rank", "best_epoch", "epochs_done", "parameters", "test_n"]
    table[whole] = table[whole].astype("Int64")
    return pd.concat([table[BEFORE], differing, table[AFTER]], axis=1)


def _row(job: Job) -> dict[str, Any]:
    run = read_run(job.folder)
    about = _composed(run)
    stopped = job.status == "finished" and run.status() == "stopped by NaN"
    test = run.headline
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
    content = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    monitor = content.get("monitor", {})
    return {
        "task": str(content.get("task", "unknown")),
        "metric": str(monitor.get("metric", "")),
        "mode": str(monitor.get("mode", "")),
    }


def comparable(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The jobs of each task and metric, titled ``asl, val/acc (max)``."""
    groups = table.groupby(["task", "metric", "mode"], sort=False)
    return [(f"{task}, {metric} ({mode})", of) for (task, metric, mode), of in groups]


def settings_of(table: pd.DataFrame) -> list[str]:
    """The columns of settings in which these jobs differ."""
    columns = [name for name in table if name not in BEFORE + AFTER]
    return [name for name in columns if table[name].nunique(dropna=False) > 1]
