"""The cells of the tables that ``results=`` asks for, and the jobs that measure them.

Every multirun may import this: slow imports are in functions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from experiments.launch.overrides import quote_values
from experiments.launch.settings.result_rules import RESULT_SETS
from unvoiced.plain_data import show_value

# Settings that the rows decide.
SET_BY_ROWS = ("data_dir", "experiment", "fold", "seed", "split", "stage", "task", "ckpt_path")
BEST_CHECKPOINT = Path("checkpoints", "best.ckpt")


@dataclass(frozen=True)
class Row:
    """A row of a table: one recipe, tested on people that it did not train on.

    Attributes:
        table: the name of its table.
        name: its name in the table.
        title: of the table, in Markdown.
        fit: overrides of the training.
        data: name of the set that trains (``results.<name>=``); None for simulated data.
        folds: values of ``fold=``; none for a split without folds.
        seeds: number of seeds, from 0.
        test: overrides of a separate test; empty if the test of the training counts.
        test_data: name of the set of that test.
    """

    table: str
    name: str
    title: str
    fit: tuple[str, ...]
    data: str | None = None
    folds: tuple[int, ...] = ()
    seeds: int = 1
    test: tuple[str, ...] = ()
    test_data: str | None = None

    @property
    def sets(self) -> list[str]:
        """Names of the prepared sets that the row needs."""
        return [name for name in (self.data, self.test_data) if name]


@dataclass(frozen=True)
class Cell:
    """One measurement of a row.

    Attributes:
        row: that it belongs to.
        seed: of the training.
        fold: that is left out; None for a split without folds.
        fit: overrides of the job that trains.
        test: overrides of the job that tests, without ``ckpt_path=``; empty if there is none.
    """

    row: Row
    seed: int
    fold: int | None
    fit: tuple[str, ...]
    test: tuple[str, ...] = ()


def has_tables(config: DictConfig) -> bool:
    """Return whether a command asks for tables of results."""
    return bool(OmegaConf.select(config, "results.tables"))


def refuse_swept_tables(config: DictConfig) -> None:
    """Refuse several values of ``results=`` or its settings, which no grid can combine.

    Raises:
        ValueError: with the setting and a valid value.
    """
    from experiments.launch.command import typed_overrides

    for one in typed_overrides(config):
        key = one.key_or_group
        if key.partition(".")[0] == "results" and one.is_sweep_override():
            advice = "Use results=all, or a command for each table"
            if key != "results":
                advice = f"Write a list as {key}=[a,b]"
            raise ValueError(f"{key}= has several values; expected one. {advice}.")


def read_rows(config: DictConfig) -> list[Row]:
    """Return the rows of all tables that ``results=`` names, as ``results.rows=`` selects them.

    Raises:
        ValueError: ``results.rows=`` names a row that no table has.
    """
    settings = config.results
    tables = OmegaConf.to_container(settings.tables, resolve=True)
    assert isinstance(tables, dict)
    rows = [
        _read_row(str(table), str(name), content, node, settings.seeds)
        for table, content in tables.items()
        for name, node in content["rows"].items()
    ]
    if settings.rows is None:
        return rows
    unknown = {*settings.rows} - {row.name for row in rows}
    if unknown:
        names = ", ".join(dict.fromkeys(row.name for row in rows))
        raise ValueError(f"results.rows has no row {', '.join(sorted(unknown))}; rows: {names}.")
    return [row for row in rows if row.name in settings.rows]


def _read_row(
    table: str, name: str, shared: dict[str, Any], own: dict[str, Any], seeds: int | None
) -> Row:
    """Return a row: its overrides follow those of its table, other settings replace them."""
    node = {"seeds": 1, **shared, **own}
    fit = (*shared.get("fit", ()), *own.get("fit", ()))
    texts = {key: node.get(key) for key in ("data", "test_data")}
    lists = {key: tuple(node.get(key) or ()) for key in ("test", "folds")}
    return Row(table, name, node["title"], fit, seeds=seeds or node["seeds"], **texts, **lists)


def split_runnable(rows: list[Row], config: DictConfig) -> tuple[list[Row], list[Row]]:
    """Return the rows with their prepared sets given, and the others."""
    runnable = [row for row in rows if all(config.results[name] for name in row.sets)]
    return runnable, [row for row in rows if row not in runnable]


def list_cells(config: DictConfig) -> list[Cell]:
    """Return the cells to measure, one seed after the other, so that any time gives whole tables.

    Raises:
        ValueError: no row can run, or a typed setting is one that the rows decide.
    """
    rows, missing = split_runnable(read_rows(config), config)
    if not rows:
        names = dict.fromkeys(name for row in missing for name in row.sets)
        needed = ", ".join(f"results.{name}=" for name in names)
        raise ValueError(f"results= has no prepared set to measure; set {needed}<a prepared set>.")
    require_sets(config, rows)
    typed = list_typed(config)
    cells = [cell for row in rows for cell in _list_row_cells(row, config, typed)]
    return sorted(cells, key=lambda cell: cell.seed)


def list_typed(config: DictConfig) -> tuple[str, ...]:
    """Return the typed overrides that all jobs take, such as ``epochs=1``.

    Raises:
        ValueError: one of them is swept, or is one that the rows decide.
    """
    from experiments.launch.command import typed_overrides

    typed = []
    for one in typed_overrides(config):
        key = one.key_or_group
        if key.partition(".")[0] == "results":
            continue
        if key in SET_BY_ROWS:
            raise ValueError(
                f"{key}= has no effect with results=, as its rows set it. Choose rows with "
                "results.rows=, seeds with results.seeds= and sets with results.<set>=."
            )
        if one.is_sweep_override():
            raise ValueError(f"{key}= has several values; with results= it takes one value.")
        typed.append(str(one.input_line))
    return tuple(typed)


def _list_row_cells(row: Row, config: DictConfig, typed: tuple[str, ...]) -> list[Cell]:
    """Return the cells of a row; all folds of a separate test share one training."""
    cells = []
    for seed in range(row.seeds):
        fit = (*row.fit, f"seed={seed}", *_data_override(row.data, config), *typed)
        for fold in row.folds or (None,):
            held = () if fold is None else (f"fold={fold}",)
            cell = Cell(row, seed, fold, fit)
            if row.test:
                test = ("stage=test", *row.test, *held, *_data_override(row.test_data, config))
                cells.append(replace(cell, test=test))
            else:
                cells.append(replace(cell, fit=(*fit, *held)))
    return cells


def _data_override(name: str | None, config: DictConfig) -> list[str]:
    if name is None:
        return []
    folders = config.results[name]
    return quote_values([f"data_dir={folders}"])


def list_trainings(cells: Iterable[Cell]) -> list[tuple[str, ...]]:
    """Return the overrides of each training once."""
    return list(dict.fromkeys(cell.fit for cell in cells))


def list_test_overrides(cell: Cell, folder: Path) -> tuple[str, ...]:
    """Return the overrides of a cell's own test, given the run folder of its training."""
    return (*cell.test, *quote_values([f"ckpt_path={folder / BEST_CHECKPOINT}"]))


def require_sets(config: DictConfig, rows: list[Row]) -> None:
    """Refuse prepared sets of the rows that do not exist, are not prepared or of another task.

    Raises:
        ValueError: with the setting and the path.
    """
    from datamodules.store.samples import META_NAME
    from datamodules.store.validation import read_meta_file
    from experiments.launch.requirements import require_path

    for name in dict.fromkeys(name for row in rows for name in row.sets):
        key, value = f"results.{name}", config.results[name]
        require_path(key, value, " stage=prepare makes it.")
        for folder in [value] if isinstance(value, str) else value:
            if not Path(folder, META_NAME).is_file():
                raise ValueError(
                    f"{key}={folder} has no {META_NAME}; expected a prepared set, which "
                    "stage=prepare makes."
                )
            task = read_meta_file(Path(folder, META_NAME)).get("task")
            if task != RESULT_SETS[name]:
                raise ValueError(
                    f"{key}={folder} is a set of task {show_value(task)}; expected one of task "
                    f"{RESULT_SETS[name]}."
                )


def count_cells(cells: list[Cell]) -> str:
    """Return how many cells and trainings there are, in words."""
    rows, trainings = len({cell.row for cell in cells}), len(list_trainings(cells))
    return f"{len(cells)} cells of {rows} rows, which {trainings} trainings measure"
