"""The tables of conf/results: their rows, their jobs, and the collection of their results."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from experiments.launch.command import ValidateCommand, validate_command
from experiments.launch.settings.result_rules import accepts_tables
from experiments.launch.settings.suggestions import CONF, list_known_keys
from experiments.result_tables.collect import collect_results, hash_code
from experiments.result_tables.plan import (
    list_cells,
    list_trainings,
    read_rows,
    refuse_swept_tables,
)
from experiments.result_tables.render import count_outdated_cells
from experiments.result_tables.sweeper import list_tests
from experiments.sweeps.job_status import find_jobs, split_override
from tests.helpers.commands import compose_arguments
from tests.helpers.sweeps import write_trained_job

FILES = sorted((CONF / "results").glob("*.yaml"))


def read_tables(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text()).get("results", {}).get("tables", {})


@pytest.mark.parametrize("path", [p for p in FILES if p.stem != "all"], ids=lambda p: p.stem)
def test_every_override_of_a_table_is_a_setting_or_a_choice(path: Path) -> None:
    tables = read_tables(path)
    assert tables and accepts_tables(tables)
    nodes = [node for table in tables.values() for node in (table, *table["rows"].values())]
    for text in (text for node in nodes for text in (*node.get("fit", ()), *node.get("test", ()))):
        key, value = split_override(text)
        assert key in list_known_keys() or (CONF / key / f"{value}.yaml").is_file(), text


@pytest.mark.slow
@pytest.mark.parametrize("path", [p for p in FILES if p.stem != "all"], ids=lambda p: p.stem)
def test_the_last_row_of_a_table_is_a_valid_command(path: Path, tmp_path: Path) -> None:
    table = [*read_tables(path).values()][-1]
    row = [*table["rows"].values()][-1]
    arguments = [*table.get("fit", ()), *row.get("fit", ()), f"hydra.run.dir={tmp_path / 'run'}"]
    validate_command(compose_arguments(arguments))


@pytest.fixture(autouse=True)
def set_task(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the meta.json of all prepared sets."""
    meta = {"task": "asl"}
    monkeypatch.setattr("datamodules.store.validation.read_meta_file", lambda _: meta)
    return meta


def compose_tables(folder: Path, *arguments: str) -> Any:
    (folder / "meta.json").touch()
    config = compose_arguments(["results=asl", f"results.letters={folder}", *arguments])
    config.hydra.overrides.task = list(arguments)
    return config


def test_a_row_needs_its_sets_and_tests_share_a_training(
    tmp_path: Path, set_task: dict[str, Any]
) -> None:
    config = compose_tables(tmp_path, "epochs=1")
    cells = list_cells(config)
    assert {cell.row.name for cell in cells} == {"simulated", "recommended"}
    assert len(cells) == 36 and len(list_trainings(cells)) == 3 + 18
    assert [cell.seed for cell in cells] == sorted(cell.seed for cell in cells)
    assert all("epochs=1" in cell.fit for cell in cells)
    assert cells[0].fit == ("task=asl", "seed=0", "epochs=1")
    assert "fold=0" in cells[0].test

    set_task["task"] = "lipread"
    with pytest.raises(ValueError, match="set of task 'lipread'; expected one of task asl"):
        list_cells(config)
    set_task["task"] = "asl"
    config.results.letters = None
    with pytest.raises(ValueError, match=r"set results\.letters="):
        list_cells(config)
    config.results.letters = str(tmp_path / "missing")
    with pytest.raises(ValueError, match="does not exist"):
        list_cells(config)
    (tmp_path / "missing").mkdir()
    with pytest.raises(ValueError, match="expected a prepared set"):
        list_cells(config)
    config.results.rows = ["simulated", "sim"]
    with pytest.raises(ValueError, match="has no row sim; rows: simulated, recommended"):
        read_rows(config)
    for check, typed, message in (
        (list_cells, "fold=1", "as its rows set it"),
        (list_cells, "epochs=1,2", "several values"),
        (refuse_swept_tables, "results=asl,emg", "Use results=all"),
        (refuse_swept_tables, "results.letters=a,b", r"as results\.letters=\[a,b\]"),
    ):
        config.results.letters, config.results.rows = str(tmp_path), None
        config.hydra.overrides.task = [typed]
        with pytest.raises(ValueError, match=message):
            check(config)


def test_results_of_jobs_are_collected_by_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.result_tables.collect.hash_set", lambda _: "hash")
    config = compose_tables(tmp_path, "results.seeds=1", "results.rows=[simulated]")
    config.hydra.overrides.task = []
    cells = list_cells(config)
    assert not list_tests(cells, tmp_path)  # nothing is trained
    write_trained_job(tmp_path / "0", 0.9, list(cells[0].fit))
    tests = list_tests(cells, tmp_path)
    assert len(tests) == 6 and tests[0][-1].endswith("checkpoints/best.ckpt")
    write_trained_job(tmp_path / "1", 0.8, tests[0])
    table = {"id": range(3), "group": "s1", "label": list("AAB"), "prediction": list("AAA")}
    rows = pd.DataFrame(table)
    rows.to_csv(tmp_path / "1" / "predictions.csv", index=False)
    results = collect_results(tmp_path, find_jobs(tmp_path), config)
    assert [cell.status for cell in results.cells] == ["finished"] + ["unfinished"] * 5
    assert results.cells[0].groups == {"s1": [2, 3]}
    assert count_outdated_cells(results) == 1  # no data is named "hash"
    results.cells[0].origin["data"].append("hash")
    assert count_outdated_cells(results) == 0


def test_the_hash_of_the_code_follows_its_files(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    before = hash_code(tmp_path)
    (tmp_path / "conf" / "a.yaml").write_text("a: 1\n")
    assert hash_code(tmp_path) != before


def test_tables_need_a_multirun(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    config = compose_tables(tmp_path)
    with pytest.raises(SystemExit, match="Add -m: run.py -m results=asl"):
        ValidateCommand().on_run_start(config)
