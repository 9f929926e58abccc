"""Grids of one and two settings, with jobs that fail, become NaN or are killed."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.sweeps.callback import describe_failures, format_command
from experiments.sweeps.importance import measure_importance
from experiments.sweeps.job_status import find_jobs
from experiments.sweeps.report import format_sweep, write_sweep
from experiments.sweeps.table import group_comparable, list_settings, split_recipes, tabulate_jobs
from tests.helpers.command_line import run_command
from tests.helpers.prepared_sets import write_hands
from tests.helpers.sweeps import SMOKE_OVERRIDES, make_multirun, write_job, write_trained_job

STATES = ("finished", "failed", "unfinished", "no score")


def make_job(folder: Path, overrides: list[str], state: str, value: float) -> None:
    """Write the folder that a job in this state leaves."""
    if state == "finished":
        write_trained_job(folder, value, overrides)
    elif state == "no score":
        write_job(folder, overrides, "finished", value=None, seconds=1.0)
    elif state == "failed":
        write_job(folder, overrides, "failed", error="ValueError: no epoch ended", seconds=1.0)
    else:
        write_job(folder, overrides, "unfinished")


def format_folder(folder: Path) -> tuple[pd.DataFrame, str]:
    config = make_multirun(folder)
    table = tabulate_jobs(find_jobs(folder))
    shares = {title: measure_importance(of, config) for title, of in group_comparable(table)}
    return table, format_sweep(folder, table, shares, format_command(config))


@settings(max_examples=15)
@given(
    names=st.sampled_from([("seed",), ("fold",), ("lr",), ("lr", "seed"), ("lr", "net.size")]),
    sizes=st.tuples(st.integers(2, 5), st.integers(2, 5)),
    data=st.data(),
)
def test_any_grid_gets_its_report(names, sizes, data, tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("grid")
    values = product(*(range(size) for size, _ in zip(sizes, names, strict=False)))
    for number, row in enumerate(list(values)):
        overrides = [f"{name}={value}" for name, value in zip(names, row, strict=True)]
        state = data.draw(st.sampled_from(STATES))
        make_job(folder / str(number), overrides, state, data.draw(st.floats(0, 1)))
    table, text = format_folder(folder)
    assert text.startswith("# Sweep") and "nan" not in text.lower()
    scored = table[table["score"].notna()]
    assert scored["rank"].notna().all() and table["rank"].notna().sum() == len(scored)
    for recipe in split_recipes(table):  # repeats are not ranked against each other
        assert recipe["rank"].nunique() <= 1
    failures = describe_failures(find_jobs(folder))
    bad = table[table["status"] != "finished"]
    assert bool(failures) == bool(len(bad))
    assert all(f"  {name}: " in failures for name in bad["job"].head(10))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_one_setting_with_different_scores_writes_all_files(count: int, tmp_path: Path) -> None:
    for number in range(count):
        write_trained_job(tmp_path / str(number), 0.1 * (number + 1), [f"optimizer.lr={number}"])
    config = make_multirun(tmp_path)
    text = write_sweep(tmp_path, find_jobs(tmp_path), config, format_command(config)).read_text()
    assert f"The best is job {count - 1} " in text
    assert "Importance of settings: unknown: no value was run twice" in text
    assert {"sweep.csv", "sweep.md", "sweep.png"} <= {path.name for path in tmp_path.iterdir()}


def test_repeats_are_one_recipe_and_recipes_are_ranked_by_their_mean(tmp_path: Path) -> None:
    scores = {("0.1", 0): 0.5, ("0.1", 1): 0.9, ("0.2", 0): 0.7, ("0.2", 1): 0.8}
    for number, ((lr, seed), value) in enumerate(scores.items()):
        write_trained_job(tmp_path / str(number), value, [f"optimizer.lr={lr}", f"seed={seed}"])
    table, text = format_folder(tmp_path)
    assert table["rank"].tolist() == [2, 2, 1, 1]  # 0.70 and 0.75, though 0.9 is the largest
    assert "The best is job" not in text
    assert "python run.py -m optimizer.lr=0.2 seed=0,1" in text
    assert "0.7500 |" in text and "0.7000 – 0.8000" in text


def test_names_of_columns_do_not_hide_settings(tmp_path: Path) -> None:
    for number, seed in enumerate((0, 1, 2)):
        write_trained_job(tmp_path / str(number), 0.1 * seed, [f"seed={seed}"])
    table = tabulate_jobs(find_jobs(tmp_path))
    assert list_settings(table) == ["seed"] and np.isfinite(table["score"]).all()


# ---- as a user types it


@pytest.mark.slow
def test_a_sweep_over_seeds_is_summarized(tmp_path: Path) -> None:
    data = write_hands(tmp_path / "set", each=4)
    folder = tmp_path / "S"
    done = run_command(
        "-m", "seed=0,1", *SMOKE_OVERRIDES, f"data_dir={data}", f"hydra.sweep.dir={folder}"
    )
    assert done.returncode == 0 and "raised" not in done.stderr, done.stderr
    assert f"Sweep: {folder / 'sweep.md'}" in done.stdout
    assert "Jobs that differ in seed alone" in (folder / "sweep.md").read_text()


@pytest.mark.slow
def test_a_grid_with_failing_and_nan_jobs(tmp_path: Path) -> None:
    grid, bad = ("net.hidden_size=8,-3", "optimizer.lr=1e-3,1e30"), [1, 2, 3]
    data, folder = write_hands(tmp_path / "set", each=4), tmp_path / "S"
    done = run_command(
        "-m", *grid, *SMOKE_OVERRIDES, f"data_dir={data}", f"hydra.sweep.dir={folder}"
    )
    table = pd.read_csv(folder / "sweep.csv")
    assert table.index[table["status"] != "finished"].tolist() == bad
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert "raised" not in done.stderr and (folder / "sweep.md").exists()
    for number in bad:
        assert f"\n  {number}: " in done.stderr
