"""The part of sweep.md on jobs that repeat a measurement: seeds, and folds with their people."""

from __future__ import annotations

import shlex
from pathlib import Path

import pandas as pd

from experiments.reports.markdown import markdown, score
from experiments.runs.folds import (
    Fold,
    pool_confusions,
    pool_scores,
    read_folds,
    write_confusions,
)
from experiments.runs.run_folder import read_run
from experiments.sweeps.table import FOLDS, REPEATED, format_setting, settings_of, split_recipes

CONFUSIONS = "confusion_matrix"


def is_repeated(table: pd.DataFrame) -> bool:
    """Whether these jobs differ in the seed or the fold."""
    return bool({*REPEATED} & {*settings_of(table)})


def repeats_section(folder: Path, table: pd.DataFrame) -> list[str]:
    """Return the parts of sweep.md on ``table``, whose jobs repeat one or several recipes.

    Recipes are ranked by their mean score. Repeats of one recipe are not: a fold is easy or hard
    because of its people, and a seed good or bad by chance.
    """
    names = [name for name in settings_of(table) if name in REPEATED]
    recipes = sorted(split_recipes(table), key=_rank_of)
    shown = [_summarize(of, [n for n in settings_of(table) if n not in REPEATED]) for of in recipes]
    parts = [
        f"Jobs that differ in {' and '.join(names)} alone repeat one recipe; they are not ranked "
        "against each other.\n",
        markdown(pd.DataFrame(shown)),
    ]
    if {*FOLDS} & {*names}:
        for of in recipes:
            parts += _format_folds(folder, of, is_single=len(recipes) == 1)
    best = recipes[0]
    if best["score"].notna().any() and len(recipes) > 1:
        parts += ["To repeat the best recipe:\n", f"```\n{_command(best, names)}\n```\n"]
    parts += ["Intervals of the mean, and other runs beside these:\n"]
    parts += [f"```\npython run.py stage=summary input={shlex.quote(str(folder))}\n```\n"]
    return parts


def _rank_of(recipe: pd.DataFrame) -> float:
    rank = recipe["rank"].min()
    return float("inf") if pd.isna(rank) else float(rank)


def _summarize(recipe: pd.DataFrame, settings: list[str]) -> dict[str, object]:
    """Return one row: how often it ran, and its scores' mean, standard deviation and extremes."""
    scores, tests = recipe["score"].dropna(), recipe["test"].dropna()
    row: dict[str, object] = {"rank": "" if scores.empty else int(recipe["rank"].min())}
    row |= {name: format_setting(recipe[name].iloc[0]) for name in settings}
    row |= {"jobs": ", ".join(recipe["job"]), "with a score": f"{len(scores)} of {len(recipe)}"}
    for name, values in ((recipe["metric"].iloc[0], scores), ("test", tests)):
        row[f"{name} mean"] = score(values.mean())
        row["± sd" if values is scores else "test ± sd"] = score(values.std())
        row["from – to" if values is scores else "test from – to"] = (
            f"{score(values.min())} – {score(values.max())}" if len(values) else ""
        )
    return row


def _format_folds(folder: Path, recipe: pd.DataFrame, is_single: bool) -> list[str]:
    """Return who was left out in each fold, and the score over all of them."""
    folds = read_folds([read_run(folder / job) for job in recipe["job"]])
    title = "### Folds" if is_single else f"### Folds of jobs {', '.join(recipe['job'])}"
    if not folds:
        return [f"{title}\n", "No fold was tested.\n"]
    by_job = {fold.run.folder.name: fold for fold in folds}
    first = recipe["job"].iloc[0]
    parts = [
        f"{title}\n",
        markdown(pd.DataFrame([_fold_row(row, by_job) for _, row in recipe.iterrows()])),
    ]
    missing = len(recipe) - len(folds)
    if missing:
        parts.append(f"warning: {missing} of {len(recipe)} folds have no test and are left out.\n")
    pooled = pool_scores(folds)
    if pooled:
        parts.append(f"All folds together: {pooled.describe()}\n")
    counts = pool_confusions(folds)
    if counts is not None:
        path = folder / f"{CONFUSIONS}{'' if is_single else f'_{first}'}.csv"
        write_confusions(counts, path)
        parts.append(f"![Confusion matrix of all folds]({path.stem}.png)\n")
    return parts


def _fold_row(row: pd.Series, by_job: dict[str, Fold]) -> dict[str, object]:
    fold = by_job.get(row["job"])
    names = [name for name in (*FOLDS, "seed") if name in row]
    shown = {name: row[name] for name in names} | {"left out": fold.left_out if fold else ""}
    shown |= {"job": row["job"], row["metric"]: score(row["score"])}
    shown["epoch"] = score(row["best_epoch"], ".0f")
    shown["test"] = score(row["test"])
    shown["samples"] = score(row["test_n"], ",.0f")
    if row["status"] != "finished":
        shown["status"] = row["status"]
    return shown


def _command(recipe: pd.DataFrame, names: list[str]) -> str:
    """Return the command that runs all repeats of a recipe."""
    texts = shlex.split(recipe["overrides"].iloc[0])
    fixed = [text for text in texts if text.lstrip("+~").partition("=")[0] not in names]
    values = [f"{n}={','.join(dict.fromkeys(recipe[n].dropna().astype(str)))}" for n in names]
    return f"python run.py -m {shlex.join([*fixed, *values])}"
