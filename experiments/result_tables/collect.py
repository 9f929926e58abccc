"""Collect the results of the cells from their run folders, and write results.json."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from datamodules.store.fingerprint import hash_set
from experiments.reports.provenance import CHECKOUT, read_git_state, read_versions
from experiments.reports.results import read_predictions
from experiments.result_tables.plan import (
    Cell,
    Row,
    list_cells,
    list_test_overrides,
    list_typed,
    read_rows,
)
from experiments.result_tables.render import format_results
from experiments.result_tables.result_file import (
    METRIC_PATTERN,
    CellResult,
    ResultFile,
    write_result_file,
)
from experiments.runs.compare import comparable_settings
from experiments.runs.folds import POOLED_METRICS, count_scores
from experiments.runs.run_folder import Run, read_run
from experiments.sweeps.job_status import Job
from unvoiced.text import markdown_document
from unvoiced.validation import is_number

SOURCES = ("run.py", "conf", "unvoiced", "experiments", "modules", "datamodules", "callbacks")
SOURCE_SUFFIXES = (".py", ".yaml", ".js")
KEPT_ORIGIN = ("device", "devices", "precision", "seconds", "started")
PATH_SETTINGS = ("data_dir", "ckpt_path", "raw_dir", "input")
HASH_CHARACTERS = 16
METRIC_DIGITS = 6


def write_tables(folder: Path, jobs: list[Job], config: DictConfig) -> ResultFile:
    """Write results.json and results.md into the sweep folder, and return the results."""
    results = collect_results(folder, jobs, config)
    write_result_file(folder / "results.json", results)
    text = markdown_document(format_results(results))
    (folder / "results.md").write_text(text, encoding="utf-8")
    return results


def collect_results(folder: Path, jobs: list[Job], config: DictConfig) -> ResultFile:
    """Return the results of all cells of a sweep, also of those without any."""
    by_key = {job.key: job for job in jobs}
    cells = list_cells(config)
    rows = {cell.row.name for cell in cells}
    measured = [row for row in read_rows(config) if row.name in rows]
    results = [_collect_cell(cell, by_key) for cell in cells]
    return ResultFile(_describe_tables(measured, config), results, describe_origin(config))


def _describe_tables(rows: list[Row], config: DictConfig) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for row in rows:
        title = str(config.results.tables[row.table].title)
        table = tables.setdefault(row.table, {"title": title, "rows": {}})
        texts = {"title": row.title, "fit": [*row.fit], "test": [*row.test], "sets": row.sets}
        table["rows"][row.name] = texts
    return tables


def describe_origin(config: DictConfig) -> dict[str, Any]:
    """Return commit, hash of the code, versions, machine, time, sets and typed settings."""
    sets = {name for row in read_rows(config) for name in row.sets if config.results[name]}
    folders = {name: config.results[name] for name in sorted(sets)}
    hashes = {
        name: [hash_set(Path(one)) for one in ([value] if isinstance(value, str) else value)]
        for name, value in folders.items()
    }
    return {
        "choice": str(config.hydra.runtime.choices.get("results")),
        "settings": [text for text in list_typed(config) if not text.startswith(PATH_SETTINGS)],
        "git": read_git_state(CHECKOUT),
        "code": hash_code(CHECKOUT),
        "versions": read_versions(),
        "machine": {
            "system": platform.system(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
        },
        "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "sets": hashes,
    }


def hash_code(checkout: Path) -> str:
    """Return a hash of the program's source and configuration, without tests and documentation."""
    digest = hashlib.blake2b(digest_size=HASH_CHARACTERS)
    for source in SOURCES:
        root = checkout / source
        files = [root] if root.is_file() else sorted(root.rglob("*"))
        for path in files:
            if path.suffix in SOURCE_SUFFIXES:
                digest.update(f"{path.relative_to(checkout).as_posix()}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def _collect_cell(cell: Cell, jobs: dict[tuple[str, ...], Job]) -> CellResult:
    training = jobs.get(tuple(sorted(cell.fit)))
    job = training
    if cell.test and training:
        job = jobs.get(tuple(sorted(list_test_overrides(cell, training.folder))))
    names = (cell.row.table, cell.row.name, cell.seed, cell.fold)
    if job is None or job.status != "finished" or training is None:
        failed = [one for one in (training, job) if one and one.status == "failed"]
        return CellResult(*names, "failed" if failed else "unfinished")
    run, trained = read_run(job.folder), read_run(training.folder)
    metrics = {
        name: round(value, METRIC_DIGITS)
        for name, value in run.numbers.items()
        if METRIC_PATTERN.fullmatch(name) and is_number(value)
    }
    metric = run.test_metric if run.test_metric in POOLED_METRICS else ""
    groups = count_groups(run, metric) if metric else {}
    return CellResult(*names, "finished", metric, metrics, groups, _describe_cell(run, trained))


def count_groups(run: Run, metric: str) -> dict[str, list[int]]:
    """Return the counts of ``metric`` and their totals, of each tested person or session."""
    rows = read_predictions(run.folder)
    counted, total = count_scores(rows, metric)
    table = rows[["group"]].assign(counted=counted, total=total).groupby("group").sum()
    return {str(name): [int(row["counted"]), int(row["total"])] for name, row in table.iterrows()}


def _describe_cell(run: Run, trained: Run) -> dict[str, Any]:
    """Return commit, device and time of a cell, and hashes of its configuration and data."""
    facts, trained_facts = _read_facts(run.folder), _read_facts(trained.folder)
    git = facts.get("git") if isinstance(facts.get("git"), dict) else {}
    both = [one.get("data") for one in (trained_facts, facts)]
    hashes = [str(value) for data in both if isinstance(data, dict) for value in data.values()]
    return {
        **{name: facts.get(name) for name in KEPT_ORIGIN},
        "training_seconds": trained.measures.get("seconds"),
        "commit": git.get("commit"),
        "is_clean": git.get("is_clean"),
        "data": list(dict.fromkeys(hashes)),
        "configuration": hash_settings(trained),
        "parameters": run.numbers.get("parameters"),
    }


def _read_facts(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    facts = content.get("run") if isinstance(content, dict) else None
    return facts if isinstance(facts, dict) else {}


def hash_settings(run: Run) -> str:
    """Return a hash of the settings of a run, without folders, labels and loggers."""
    settings = comparable_settings(run)
    kept = {k: v for k, v in settings.items() if k.rpartition(".")[2] not in PATH_SETTINGS}
    text = json.dumps(kept, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=HASH_CHARACTERS).hexdigest()
