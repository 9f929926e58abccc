"""Sections of sweep.md on jobs that repeat a measurement: seeds, and folds with their people."""

from __future__ import annotations

import shlex
from pathlib import Path

import pandas as pd

from callbacks.outputs.confusion_matrix import save_confusion_matrix
from experiments.reports.markdown import format_number, format_table
from experiments.runs.folds import Fold, pool_confusions, pool_scores, read_folds
from experiments.runs.run_folder import read_run
from experiments.sweeps.job_status import split_override
from experiments.sweeps.table import (
    FOLD_SETTINGS,
    REPEATING_SETTINGS,
    list_settings,
    split_recipes,
    to_yaml,
)


def is_repeated(table: pd.DataFrame) -> bool:
    """Return whether these jobs differ in the seed or the fold."""
    return bool({*REPEATING_SETTINGS} & {*list_settings(table)})


def format_repeats(folder: Path, table: pd.DataFrame) -> list[str]:
    """Return the sections on ``table``, a table of jobs that repeat one or several recipes.

    Recipes are ranked by their mean score. Repeats of one recipe are not: folds differ in their
    people, and seeds by chance.
    """
    settings = list_settings(table)
    repeated = [name for name in settings if name in REPEATING_SETTINGS]
    others = [name for name in settings if name not in REPEATING_SETTINGS]
    recipes = sorted(split_recipes(table), key=_find_rank)
    rows = [_summarize_recipe(recipe, others) for recipe in recipes]
    parts = [
        f"Jobs that differ in {' and '.join(repeated)} alone repeat one recipe; they are not "
        "ranked against each other.\n",
        format_table(pd.DataFrame(rows)),
    ]
    if {*FOLD_SETTINGS} & {*repeated}:
        for recipe in recipes:
            parts += _format_folds(folder, recipe, is_single=len(recipes) == 1)
    if recipes[0]["score"].notna().any() and len(recipes) > 1:
        command = _format_command(recipes[0], repeated)
        parts += ["To repeat the best recipe:\n", f"```\n{command}\n```\n"]
    parts += ["Intervals of the mean, and a comparison with other runs:\n"]
    parts += [f"```\npython run.py stage=summary input={shlex.quote(str(folder))}\n```\n"]
    return parts


def _find_rank(recipe: pd.DataFrame) -> float:
    rank = recipe["rank"].min()
    return float("inf") if pd.isna(rank) else float(rank)


def _summarize_recipe(recipe: pd.DataFrame, settings: list[str]) -> dict[str, object]:
    """Return one row: jobs, and mean, standard deviation and extremes of their scores."""
    scores, tests = recipe["score"].dropna(), recipe["test"].dropna()
    row: dict[str, object] = {"rank": "" if scores.empty else int(recipe["rank"].min())}
    row |= {name: to_yaml(recipe[name].iloc[0]) for name in settings}
    row |= {"jobs": ", ".join(recipe["job"]), "with a score": f"{len(scores)} of {len(recipe)}"}
    metric = recipe["metric"].iloc[0]
    for name, prefix, values in ((metric, "", scores), ("test", "test ", tests)):
        ends = [format_number(values.min()), format_number(values.max())]
        row[f"{name} mean"] = format_number(values.mean())
        row[f"{prefix}± sd"] = format_number(values.std())
        row[f"{prefix}from – to"] = " – ".join(ends) if len(values) else ""
    return row


def _format_folds(folder: Path, recipe: pd.DataFrame, is_single: bool) -> list[str]:
    """Return the groups that each fold left out, and the score over all folds."""
    folds = read_folds([read_run(folder / job) for job in recipe["job"]])
    title = "### Folds" if is_single else f"### Folds of jobs {', '.join(recipe['job'])}"
    if not folds:
        return [f"{title}\n", "No fold was tested.\n"]
    by_job = {fold.run.folder.name: fold for fold in folds}
    rows = [_tabulate_fold(row, by_job.get(row["job"])) for _, row in recipe.iterrows()]
    parts = [f"{title}\n", format_table(pd.DataFrame(rows))]
    missing = len(recipe) - len(folds)
    if missing:
        parts.append(f"warning: {missing} of {len(recipe)} folds have no test and are left out.\n")
    pooled = pool_scores(folds)
    if pooled:
        parts.append(f"All folds together: {pooled.describe()}\n")
    counts = pool_confusions(folds)
    if counts is not None:
        suffix = "" if is_single else f"_{recipe['job'].iloc[0]}"
        path = folder / f"confusion_matrix{suffix}.csv"
        save_confusion_matrix(counts, path)
        parts.append(f"![Confusion matrix of all folds]({path.stem}.png)\n")
    return parts


def _tabulate_fold(row: pd.Series, fold: Fold | None) -> dict[str, object]:
    names = [name for name in (*FOLD_SETTINGS, "seed") if name in row]
    shown = {name: row[name] for name in names} | {"left out": fold.left_out if fold else ""}
    shown |= {"job": row["job"], row["metric"]: format_number(row["score"])}
    shown["epoch"] = format_number(row["best_epoch"], ".0f")
    shown["test"] = format_number(row["test"])
    shown["samples"] = format_number(row["test_n"], ",.0f")
    if row["status"] != "finished":
        shown["status"] = row["status"]
    return shown


def _format_command(recipe: pd.DataFrame, repeated: list[str]) -> str:
    """Return the command that runs all repeats of a recipe."""
    overrides = shlex.split(recipe["overrides"].iloc[0])
    fixed = [text for text in overrides if split_override(text)[0] not in repeated]
    values = [f"{n}={','.join(dict.fromkeys(recipe[n].dropna().astype(str)))}" for n in repeated]
    return f"python run.py -m {shlex.join([*fixed, *values])}"
