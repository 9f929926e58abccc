"""Several runs side by side: where they differ, how they rank, and repeats put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t

from experiments.reports.markdown import markdown, score
from experiments.runs.folds import pool_scores, read_folds
from experiments.runs.run_folder import Run

OF_THE_FOLDER = ("run_dir", "run_id", "resume")  # settings that differ between any two runs
# Settings, beside those of the split, that decide which samples are validated.
DECIDE = ("seed", "fold", "data_dir", "calibrate", "size")


def tell_several(runs: list[Run]) -> tuple[str, pd.DataFrame]:
    """summary.md and the table of several runs, a row each."""
    differing = {task: differences(of) for task, of in _group(runs, lambda r: r.task).items()}
    saved = pd.DataFrame([_row(one, differing[one.task]) for one in runs])
    whole = ["parameters", "best_epoch", "test_n"]
    saved[whole] = saved[whole].convert_dtypes()  # whole, also where some are missing
    ranked = _group(runs, lambda r: f"{r.task}, {r.metric} ({r.mode})")
    parts = [
        f"# Summary of {len(runs)} runs\n",
        markdown(_shown(runs, saved)),
        "Test scores come with their 95 % interval and their samples.\n",
        *[_what_differs(task, table) for task, table in differing.items() if table.size],
        *[f"{one.name}: {remark}\n" for one in runs for remark in one.remarks],
        "## Ranking\n",
        *[_ranking(title, of) for title, of in ranked.items()],
        *_repeats(runs),
        *_folds(runs),
    ]
    return "\n".join(parts), saved


def _group(runs: list[Run], key: Callable[[Run], str]) -> dict[str, list[Run]]:
    groups: dict[str, list[Run]] = {}
    for one in runs:
        groups.setdefault(key(one), []).append(one)
    return groups


def comparable(one: Run) -> dict[str, str]:
    """Settings as text, without those that tell no more than where the run is."""
    where, known_as = (str(one.settings.get(name) or "") for name in ("run_dir", "run_id"))
    kept = {k: v for k, v in one.settings.items() if k not in OF_THE_FOLDER}
    text = {k: "null" if v is None else str(v) for k, v in kept.items()}
    text = {k: v.replace(where, ".") if where else v for k, v in text.items()}
    return {k: v for k, v in text.items() if v != known_as or "." not in k}


def differences(runs: list[Run]) -> pd.DataFrame:
    """The settings in which runs of a task differ: a row a run (its name), a column a setting.

    A setting that only repeats another one (``datamodule.seed`` of ``seed``) is left out.
    """
    readable = {one.name: comparable(one) for one in runs if one.settings}
    table = pd.DataFrame.from_dict(readable, orient="index").fillna("(absent)")
    table = table.loc[:, table.nunique() > 1]
    absent = (table == "(absent)").any()  # those of one network alone come last
    columns = sorted(table, key=lambda name: (absent[name], str(name).count("."), str(name)))
    return table[[name for name in columns if not _is_copy(str(name), table)]]


def _is_copy(name: str, table: pd.DataFrame) -> bool:
    original = name.rpartition(".")[2]
    return original != name and original in table and table[original].equals(table[name])


def _row(one: Run, differing: pd.DataFrame) -> dict[str, Any]:
    """A row of summary.csv: numbers as they are."""
    name, numbers = one.primary_metric, one.numbers
    settings = differing.loc[one.name] if one.name in differing.index else {}
    return {
        "run": one.name,
        "task": one.task,
        **settings,
        "parameters": numbers.get("parameters"),
        "epochs_done": len(one.epochs),
        "best_epoch": one.best,
        "metric": one.metric,
        "best_validation": one.best_score,
        "test_metric": name,
        "test": numbers.get(name),
        "test_low": numbers.get(f"{name}_low"),
        "test_high": numbers.get(f"{name}_high"),
        "test_n": numbers.get("test/n"),
        "status": one.status(),
        "checkpoints_mb": sum(file.stat().st_size for file in one.checkpoints) / 1e6,
    }


def _shown(runs: list[Run], saved: pd.DataFrame) -> pd.DataFrame:
    """The table in summary.md: ``saved`` as text."""
    best = saved["metric"] + " " + saved["best_validation"].map(score)
    return pd.DataFrame(
        {
            "run": saved["run"],
            "task": saved["task"],
            "parameters": [score(count, ",.0f") for count in saved["parameters"]],
            "epochs": saved["epochs_done"].replace(0, ""),
            "best epoch": [score(epoch, ".0f") for epoch in saved["best_epoch"]],
            "best validation": best.where(saved["best_validation"].notna(), ""),
            "test": [one.tested for one in runs],
            "status": saved["status"],
            "checkpoints, MB": saved["checkpoints_mb"].map("{:.2f}".format),
        }
    )


def _what_differs(task: str, table: pd.DataFrame) -> str:
    """Settings by run, whichever way is narrower."""
    shown = table.rename_axis(index="run", columns="setting")
    narrow = shown if shown.shape[1] <= len(shown) else shown.T
    return f"## What differs: {task}\n\n{markdown(narrow.reset_index())}"


def _ranking(title: str, runs: list[Run]) -> str:
    ranked = [one for one in runs if one.best is not None and not one.problem]
    left = ", ".join(one.name for one in runs if one not in ranked)
    lines = [f"Not ranked, for there is no score: {left}.\n"] if left else []
    if not ranked:
        return lines[0]
    scores = pd.Series([one.sign * one.best_score for one in ranked])
    table = pd.DataFrame(
        {
            "rank": scores.rank(method="min", ascending=False).astype(int),
            "run": [one.name for one in ranked],
            "best validation": [score(one.best_score) for one in ranked],
            "epoch": [one.best for one in ranked],
            "test": [one.tested for one in ranked],
        }
    )
    table = table.sort_values("rank", kind="stable")
    return "\n".join([f"{title}:\n", markdown(table), *_unlike(ranked), *lines])


def _unlike(runs: list[Run]) -> list[str]:
    """A warning where the runs were not validated on the same samples, as far as settings tell."""
    names = [n for n in differences(runs) if n in DECIDE or str(n).startswith("split.")]
    if not names:
        return []
    return [
        f"They differ in {', '.join(names)}, so their validation samples may not be the same ones, "
        "and ranks may compare unlike things.\n"
    ]


def _repeats(runs: list[Run]) -> list[str]:
    shown = pd.DataFrame([row for by in ("seed", "fold") for row in repeats(runs, by)])
    if shown.empty:
        return []
    for name in ("mean", "standard deviation"):
        shown[name] = shown[name].map(score)
    for name in ("95 % interval", "by Student's t"):
        shown[name] = [" – ".join(map(score, ends)) for ends in shown[name]]
    shown = shown.fillna("")  # runs repeated over seeds have no list of folds
    return [
        f"## Repeats\n\n{markdown(shown)}\nRuns that differ in the seed alone, or in the fold "
        "alone; of several with the same one the first counts. The interval of the mean is "
        "bootstrapped over the n runs; with few of them it is narrower than it should be, and "
        "Student's t, which takes their scores for normally distributed, is the safer one.\n"
    ]


def _folds(runs: list[Run]) -> list[str]:
    """Return who was left out in each fold, and the score over all folds."""
    parts: list[str] = []
    for group in group_repeats(runs, "fold"):
        folds = read_folds(list(group.values()))
        if not folds:
            continue
        rows = [(fold.run.name, fold.left_out, fold.run.tested) for fold in folds]
        parts += ["## Folds\n", markdown(pd.DataFrame(rows, columns=["run", "left out", "test"]))]
        if pooled := pool_scores(folds):
            parts.append(f"All folds together: {pooled.describe()}\n")
    return parts


def repeats(runs: list[Run], by: str) -> list[dict[str, Any]]:
    """Mean, standard deviation and intervals of the score of runs that differ in ``by`` alone.

    The score is the test score, or the best validation score where nothing was tested.

    Args:
        runs: of any tasks.
        by: ``seed`` or ``fold``.
    """
    return [_repeat(group, by) for group in group_repeats(runs, by)]


def group_repeats(runs: list[Run], by: str) -> list[dict[str, Run]]:
    """Return the runs that differ in ``by`` alone, by its value; each group has several."""
    groups: dict[Any, dict[str, Run]] = {}
    for of in _group([one for one in runs if one.settings], lambda one: one.task).values():
        settings = [comparable(one) for one in of]
        same = {k for known in settings for k in known if k == by or k.endswith(f".{by}")}
        # datamodule.seed follows seed in all of them; datamodule.simulator.seed stays.
        follows = {k for k in same if all(s.get(k, s.get(by)) == s.get(by) for s in settings)}
        for one, known in zip(of, settings, strict=True):
            rest = frozenset((k, v) for k, v in known.items() if k not in follows)
            groups.setdefault(rest, {}).setdefault(known.get(by, ""), one)
    return [group for group in groups.values() if len(group) > 1]


def _repeat(group: dict[str, Run], by: str) -> dict[str, Any]:
    runs = list(group.values())
    metric = next((one.primary_metric for one in runs if one.primary_metric), "")
    found = [one.numbers.get(metric) if metric else one.best_score for one in runs]
    scores = pd.Series(found, dtype=float)
    scores = scores[np.isfinite(scores)]
    return {
        "task": runs[0].task,
        "runs": ", ".join(one.name for one in runs),
        by: ", ".join(group),
        "score": metric or runs[0].metric,
        "n": len(scores),
        "mean": scores.mean(),
        "standard deviation": scores.std(),
        "95 % interval": bootstrap_interval(scores.to_numpy()) if len(scores) > 1 else (),
        "by Student's t": t_interval(scores.to_numpy()) if len(scores) > 1 else (),
    }


def bootstrap_interval(
    scores: np.ndarray, draws: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of the mean of ``scores`` (n,): the percentile bootstrap over runs.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    rng = np.random.default_rng(seed)
    means = rng.choice(scores, (draws, len(scores))).mean(axis=1)  # (draws, n) → (draws,)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def t_interval(scores: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean of ``scores`` (n,), n > 1, by Student's t with n - 1 degrees.

    Source: Student, The Probable Error of a Mean, Biometrika 6, 1908.
    """
    half = float(t.ppf(0.975, len(scores) - 1) * scores.std(ddof=1) / np.sqrt(len(scores)))
    return float(scores.mean()) - half, float(scores.mean()) + half
