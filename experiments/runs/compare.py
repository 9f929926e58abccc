"""Summary of several runs: how they differ, how they rank, and repeats of one recipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from experiments.reports.checkpoints import list_checkpoints
from experiments.reports.markdown import format_duration, format_number, format_table
from experiments.runs.folds import pool_scores, read_folds
from experiments.runs.run_folder import MEASURES, Run
from experiments.runs.statistics import bootstrap_interval, t_interval

# Settings that differ between any two runs, and labels and loggers, which change no result.
FOLDER_SETTINGS = ("run_dir", "run_id", "resume", "run_name", "run_group", "run_tags", "log_best")
LOGGER_PREFIX = "logger."
# Settings, in addition to the split's, that decide which samples are validated.
SAMPLE_SETTINGS = ("seed", "fold", "data_dir", "calibrate", "size")


def summarize_runs(runs: list[Run]) -> tuple[str, pd.DataFrame]:
    """Return summary.md and the table of summary.csv, one row per run."""
    differing = {task: find_differences(of) for task, of in _group(runs, lambda r: r.task).items()}
    table = pd.DataFrame([_tabulate_run(run, differing[run.task]) for run in runs])
    whole = ["parameters", "best_epoch", "test_n"]
    table[whole] = table[whole].convert_dtypes()  # integers, also where some are missing
    ranked = _group(runs, lambda run: f"{run.task}, {run.metric} ({run.mode})")
    parts = [
        f"# Summary of {len(runs)} runs\n",
        format_table(_format_cells(runs, table)),
        "Test scores come with their 95 % interval and their samples. The gap is training minus "
        "validation accuracy at the best epoch.\n",
        *[_format_differences(task, of) for task, of in differing.items() if of.size],
        *[f"{run.name}: {remark}\n" for run in runs for remark in run.remarks],
        "## Ranking\n",
        *[_format_ranking(title, of) for title, of in ranked.items()],
        *_format_repeats(runs),
        *_format_folds(runs),
    ]
    return "\n".join(parts), table


def _group(runs: list[Run], key: Callable[[Run], str]) -> dict[str, list[Run]]:
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return groups


# ---- settings


def comparable_settings(run: Run) -> dict[str, str]:
    """Return the settings as text, without those of the run folder, its labels and loggers."""
    run_dir, run_id = (str(run.settings.get(name) or "") for name in ("run_dir", "run_id"))
    ignored = {k for k in run.settings if k in FOLDER_SETTINGS or k.startswith(LOGGER_PREFIX)}
    kept = {k: v for k, v in run.settings.items() if k not in ignored}
    text = {k: "null" if v is None else str(v) for k, v in kept.items()}
    text = {k: v.replace(run_dir, ".") if run_dir else v for k, v in text.items()}
    return {k: v for k, v in text.items() if v != run_id or "." not in k}


def find_differences(runs: list[Run]) -> pd.DataFrame:
    """Return the settings in which runs of a task differ: one row per run, one column per setting.

    A setting that only repeats another one (``datamodule.seed`` and ``seed``) is left out.
    """
    settings = {run.name: comparable_settings(run) for run in runs if run.settings}
    table = pd.DataFrame.from_dict(settings, orient="index").fillna("(absent)")
    table = table.loc[:, table.nunique() > 1]
    is_absent = (table == "(absent)").any()  # settings of one network come last
    columns = sorted(table, key=lambda name: (is_absent[name], str(name).count("."), str(name)))
    return table[[name for name in columns if not _is_copy(str(name), table)]]


def _is_copy(name: str, table: pd.DataFrame) -> bool:
    original = name.rpartition(".")[2]
    return original != name and original in table and table[original].equals(table[name])


def _format_differences(task: str, table: pd.DataFrame) -> str:
    """Return settings by run, or runs by setting if that is narrower."""
    by_run = table.rename_axis(index="run", columns="setting")
    narrow = by_run if by_run.shape[1] <= len(by_run) else by_run.T
    return f"## What differs: {task}\n\n{format_table(narrow.reset_index())}"


# ---- the table


def _tabulate_run(run: Run, differing: pd.DataFrame) -> dict[str, Any]:
    """Return a row of summary.csv."""
    settings = differing.loc[run.name] if run.name in differing.index else {}
    gap = run.curve.find_gap()
    return {
        "run": run.name,
        "task": run.task,
        **settings,
        "parameters": run.numbers.get("parameters"),
        "epochs_done": len(run.epochs),
        "best_epoch": run.curve.best,
        "metric": run.metric,
        "best_validation": run.curve.best_score,
        "gap": gap.difference if gap else None,
        **run.tabulate_test(),
        **{name: run.measures.get(name) for name in MEASURES},
        "status": run.describe_status(),
        "checkpoints_mb": sum(f.stat().st_size for f in list_checkpoints(run.folder)) / 1e6,
    }


def _format_cells(runs: list[Run], table: pd.DataFrame) -> pd.DataFrame:
    """Return the table of summary.md: fewer columns, as text."""
    best = table["metric"] + " " + table["best_validation"].map(format_number)
    return pd.DataFrame(
        {
            "run": table["run"],
            "task": table["task"],
            "parameters": [format_number(count, ",.0f") for count in table["parameters"]],
            "epochs": table["epochs_done"].replace(0, ""),
            "best epoch": [format_number(epoch, ".0f") for epoch in table["best_epoch"]],
            "best validation": best.where(table["best_validation"].notna(), ""),
            "gap": table["gap"].map(lambda gap: format_number(gap, "+.4f")),
            "test": [run.test_score for run in runs],
            "duration": [_format_measure(run, "seconds") for run in runs],
            "peak memory, MiB": [_format_measure(run, "peak_memory_mb") for run in runs],
            "status": table["status"],
            "checkpoints, MB": table["checkpoints_mb"].map("{:.2f}".format),
        }
    )


def _format_measure(run: Run, name: str) -> str:
    value = run.measures.get(name)
    if value is None:
        return ""
    return format_duration(value) if name == "seconds" else f"{value:,.0f}"


# ---- ranking


def _format_ranking(title: str, runs: list[Run]) -> str:
    ranked = [run for run in runs if run.curve.best is not None and not run.problem]
    unranked = ", ".join(run.name for run in runs if run not in ranked)
    lines = [f"Not ranked, for there is no score: {unranked}.\n"] if unranked else []
    if not ranked:
        return lines[0]
    scores = pd.Series([run.curve.gains[run.curve.best] for run in ranked])
    table = pd.DataFrame(
        {
            "rank": scores.rank(method="min", ascending=False).astype(int),
            "run": [run.name for run in ranked],
            "best validation": [format_number(run.curve.best_score) for run in ranked],
            "epoch": [run.curve.best for run in ranked],
            "test": [run.test_score for run in ranked],
        }
    )
    table = table.sort_values("rank", kind="stable")
    return "\n".join([f"{title}:\n", format_table(table), *_warn_other_samples(ranked), *lines])


def _warn_other_samples(runs: list[Run]) -> list[str]:
    """Return a warning if settings differ that decide which samples are validated."""
    settings = find_differences(runs)
    names = [n for n in settings if n in SAMPLE_SETTINGS or str(n).startswith("split.")]
    if not names:
        return []
    return [
        f"They differ in {', '.join(names)}: their validation samples may differ too, and then the "
        "ranks do not compare like with like.\n"
    ]


# ---- repeats


def _format_repeats(runs: list[Run]) -> list[str]:
    repeats = [row for by in ("seed", "fold") for row in summarize_repeats(runs, by)]
    table = pd.DataFrame(repeats)
    if table.empty:
        return []
    for name in ("mean", "standard deviation"):
        table[name] = table[name].map(format_number)
    for name in ("95 % interval", "by Student's t"):
        table[name] = [" – ".join(map(format_number, ends)) for ends in table[name]]
    table = table.fillna("")  # runs repeated over seeds have no list of folds
    return [
        f"## Repeats\n\n{format_table(table)}\nRuns that differ in the seed alone, or in the fold "
        "alone; of several with the same one the first counts. The interval of the mean is "
        "bootstrapped over the n runs; with few runs it is too narrow, and Student's t, which "
        "assumes normally distributed scores, is safer.\n"
    ]


def _format_folds(runs: list[Run]) -> list[str]:
    """Return the groups that each fold left out, and the score over all folds."""
    parts: list[str] = []
    for group in group_repeats(runs, "fold"):
        folds = read_folds(list(group.values()))
        if not folds:
            continue
        rows = [(fold.run.name, fold.left_out, fold.run.test_score) for fold in folds]
        table = pd.DataFrame(rows, columns=["run", "left out", "test"])
        parts += ["## Folds\n", format_table(table)]
        if pooled := pool_scores(folds):
            parts.append(f"All folds together: {pooled.describe()}\n")
    return parts


def summarize_repeats(runs: list[Run], by: str) -> list[dict[str, Any]]:
    """Return mean, deviation and intervals of the scores of runs that differ in ``by`` alone.

    The score is the test score, or the best validation score if no run was tested.

    Args:
        runs: of any tasks.
        by: ``seed`` or ``fold``.
    """
    return [_summarize_group(group, by) for group in group_repeats(runs, by)]


def group_repeats(runs: list[Run], by: str) -> list[dict[str, Run]]:
    """Return groups of runs that differ in ``by`` alone, by its value; each has several."""
    groups: dict[Any, dict[str, Run]] = {}
    for of in _group([run for run in runs if run.settings], lambda run: run.task).values():
        settings = [comparable_settings(run) for run in of]
        keys = {k for known in settings for k in known if k == by or k.endswith(f".{by}")}
        # datamodule.seed follows seed in all of them; datamodule.simulator.seed stays.
        follows = {k for k in keys if all(s.get(k, s.get(by)) == s.get(by) for s in settings)}
        for run, known in zip(of, settings, strict=True):
            rest = frozenset((k, v) for k, v in known.items() if k not in follows)
            groups.setdefault(rest, {}).setdefault(known.get(by, ""), run)
    return [group for group in groups.values() if len(group) > 1]


def _summarize_group(group: dict[str, Run], by: str) -> dict[str, Any]:
    runs = list(group.values())
    metric = next((run.test_metric for run in runs if run.test_metric), "")
    values = [run.numbers.get(metric) if metric else run.curve.best_score for run in runs]
    scores = pd.Series(values, dtype=float)
    scores = scores[np.isfinite(scores)]
    has_interval = len(scores) > 1
    return {
        "task": runs[0].task,
        "runs": ", ".join(run.name for run in runs),
        by: ", ".join(group),
        "score": metric or runs[0].metric,
        "n": len(scores),
        "mean": scores.mean(),
        "standard deviation": scores.std(),
        "95 % interval": bootstrap_interval(scores.to_numpy()) if has_interval else (),
        "by Student's t": t_interval(scores.to_numpy()) if has_interval else (),
    }
