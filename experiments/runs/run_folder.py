"""Read run folders as far as possible, and report their defects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from io import StringIO
from os.path import commonpath
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import ListConfig

from datamodules.readers.files import natural_key
from experiments.launch.names.renaming import rename_settings
from experiments.launch.plain_yaml import read_plain_yaml
from experiments.reports.markdown import format_interval, format_number
from experiments.reports.run_facts import read_measure, read_milestone_seconds
from experiments.reports.training_curve import TrainingCurve

SEARCH_DEPTH = 3  # outputs/multirun/<date>/<run> is found from outputs
RUN_FILES = ("config.yaml", "metrics.csv", "metrics.json")  # any of them makes a run folder
MEASURES = ("seconds", "peak_memory_mb", "peak_gpu_memory_mb")
SCORED_STAGES = ("fit", "validate", "test")  # stages with scores in their folders


@dataclass(eq=False)
class Run:
    """The content of a run folder, as far as it can be read.

    Attributes:
        folder: its path.
        name: its name in tables.
        settings: config.yaml, flattened: ``{"optimizer.lr": 0.001, …}``.
        numbers: the task and the numbers of metrics.json; empty without one.
        measures: the ``MEASURES`` of metrics.json; None where older runs have none.
        milestone_seconds: seconds until each milestone, by its epoch.
        epochs: metrics.csv, indexed by epoch.
        remarks: damaged parts, and how they were read.
        problem: why the epochs cannot be read; empty if they can.
    """

    folder: Path
    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)
    measures: dict[str, float | None] = field(default_factory=dict)
    milestone_seconds: dict[int, float] = field(default_factory=dict)
    epochs: pd.DataFrame = field(default_factory=pd.DataFrame)
    remarks: list[str] = field(default_factory=list)
    problem: str = ""

    @property
    def task(self) -> str:
        """The task; ``unknown`` if neither file has it."""
        return str(self.settings.get("task") or self.numbers.get("task") or "unknown")

    @property
    def metric(self) -> str:
        """The monitored metric; empty if the configuration has none."""
        return str(self.settings.get("monitor.metric") or "")

    @property
    def mode(self) -> str:
        """``max`` or ``min``; empty if the configuration has neither."""
        mode = str(self.settings.get("monitor.mode"))
        return mode if mode in ("max", "min") else ""

    @cached_property
    def curve(self) -> TrainingCurve:
        """The epochs with the monitored metric."""
        return TrainingCurve(self.epochs, self.metric, self.mode)

    @property
    def test_metric(self) -> str:
        """The test score that has an interval, such as ``test/acc``; empty if not tested."""
        bounded = (n for n in self.numbers if {f"{n}_low", f"{n}_high"} <= set(self.numbers))
        return next((name for name in bounded if name.startswith("test/")), "")

    @property
    def test_score(self) -> str:
        """``test/acc 0.6000 (0.5500 to 0.6500) of 1,500``; empty if not tested."""
        name, numbers = self.test_metric, self.numbers
        if not name:
            return ""
        bounds = format_interval(*(numbers[f"{name}{end}"] for end in ("_low", "_high")))
        samples = f" of {numbers['test/n']:,}" if "test/n" in numbers else ""
        return f"{name} {format_number(numbers[name])} {bounds}{samples}"

    def tabulate_test(self) -> dict[str, Any]:
        """Return the columns of the test score in summary.csv and sweep.csv."""
        name, numbers = self.test_metric, self.numbers
        return {
            "test_metric": name,
            "test": numbers.get(name),
            "test_low": numbers.get(f"{name}_low"),
            "test_high": numbers.get(f"{name}_high"),
            "test_n": numbers.get("test/n"),
        }

    @property
    def was_stopped_by_nan(self) -> bool:
        """Whether the NaN guard ended the run."""
        return any(line.startswith("NaN stop") for line in self.list_endings())

    def describe_status(self) -> str:
        """Return ``finished``, ``stopped by NaN``, ``unfinished: …``, or the problem."""
        if self.was_stopped_by_nan:
            return "stopped by NaN"
        if self.problem:
            return self.problem
        status = "finished" if self.numbers else "unfinished: no metrics.json"
        epochs = self.curve.nan_epochs
        return status + (f", training loss NaN from epoch {epochs[0]}" if epochs else "")

    def list_endings(self) -> list[str]:
        """Return the lines of report.md on how the run ended early."""
        path = self.folder / "report.md"
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        return re.findall(r"^- ((?:NaN stop|Early stopping ended).*)$", text, re.MULTILINE)


# ---- finding run folders


def read_runs(paths: Any) -> list[Run]:
    """Read the runs of ``input``: a run folder, a folder of run folders, or a list of both.

    Raises:
        ValueError: there is no input, or no run in it can be read.
    """
    listed = list(paths) if isinstance(paths, list | tuple | ListConfig) else [paths]
    runs = [run for path in listed if path not in (None, "") for run in find_runs(Path(str(path)))]
    runs = list({run.folder.resolve(): run for run in runs}.values())
    if not runs:
        raise ValueError(
            "stage=summary needs input=<a run folder>, 'input=[RUN1,RUN2]' or a folder of runs, "
            "such as outputs/asl/2026-01-31_12-00-00 or outputs/asl"
        )
    if all(run.problem and not run.numbers for run in runs) or (len(runs) == 1 and runs[0].problem):
        raise ValueError("; ".join(run.problem for run in runs))
    if len(runs) > 1:  # the shortest names that differ
        common = commonpath([run.folder.resolve() for run in runs])
        for run in runs:
            run.name = str(run.folder.resolve().relative_to(common))
    return runs


def find_runs(path: Path) -> list[Run]:
    """Read the run in ``path``, or the runs below it, with run 2 before run 10.

    Folders of other stages (predict, summary, …) are left out below ``path``.
    """
    if _is_run(path):
        return [read_run(path)]
    runs = [read_run(folder) for folder in _find_folders(path, SEARCH_DEPTH)]
    scored = [run for run in runs if run.settings.get("stage", "fit") in SCORED_STAGES]
    return sorted(scored, key=lambda run: natural_key(str(run.folder))) or [read_run(path)]


def _find_folders(path: Path, levels: int) -> Iterator[Path]:
    for folder in path.glob("[!.]*/") if levels else ():
        yield from [folder] if _is_run(folder) else _find_folders(folder, levels - 1)


def _is_run(path: Path) -> bool:
    return any((path / name).is_file() for name in RUN_FILES)


# ---- reading a run folder


def list_checkpoints(task: str) -> list[Path]:
    """Return the best checkpoints of all runs of a task, the newest first."""
    paths = Path("outputs", task).glob("*/checkpoints/best.ckpt")
    return sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)


def read_run(folder: Path) -> Run:
    """Read a run folder; ``problem`` names unreadable files."""
    run = Run(folder, folder.resolve().name)
    try:
        _require_run_folder(folder)
        _read_numbers(run)
        run.settings = _read_settings(folder / "config.yaml")
        _read_epochs(run)
        _require_scores(run)
    except ValueError as error:
        run.problem = str(error)
    return run


def _require_run_folder(folder: Path) -> None:
    if not folder.exists():
        raise ValueError(f"input={folder} does not exist")
    if not folder.is_dir():
        raise ValueError(f"input={folder} is a file; expected the run folder that it is in")
    if not _is_run(folder):
        raise ValueError(
            f"input={folder} is not a run folder; expected one of {', '.join(RUN_FILES)} in it"
        )


def _require_scores(run: Run) -> None:
    if not run.metric or not run.mode:
        raise ValueError(
            f"{run.folder / 'config.yaml'} has no monitor.metric with monitor.mode max or min, by "
            "which the best epoch is chosen. Add both"
        )
    if run.curve.scores.isna().all():
        raise ValueError(
            f"{run.folder / 'metrics.csv'} has no value of {run.metric}, which config.yaml "
            f"monitors; it has {', '.join(map(str, run.epochs.columns))}"
        )


def _read_settings(path: Path) -> dict[str, Any]:
    """Read config.yaml as plain YAML, without tags and interpolations; flatten it."""
    if not path.is_file():
        raise ValueError(f"{path}, which has the monitored metric, is missing")
    content = read_plain_yaml(path)
    if not isinstance(content, dict) or not content:
        raise ValueError(f"{path} holds no settings")
    content = rename_settings(content, {})
    return pd.json_normalize(content).to_dict("records")[0]


def _read_numbers(run: Run) -> None:
    path = run.folder / "metrics.json"
    try:
        numbers = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        numbers, run.remarks = {}, [f"metrics.json is damaged ({error}) and was not used"]
    if not isinstance(numbers, dict):
        numbers, run.remarks = {}, ["metrics.json holds no table and was not used"]
    run.numbers = {k: v for k, v in numbers.items() if k == "task" or _is_score(k, v)}
    run.measures = {name: read_measure(numbers, name) for name in MEASURES}
    run.milestone_seconds = read_milestone_seconds(numbers)


def _is_score(name: str, value: Any) -> bool:
    """Return whether a value is a number; ends of intervals may be null."""
    is_missing_end = value is None and name.endswith(("_low", "_high"))
    return is_missing_end or isinstance(value, int | float)


def _read_epochs(run: Run) -> None:
    """Read metrics.csv, as far as it was written."""
    path = run.folder / "metrics.csv"
    if not path.is_file():
        raise ValueError(f"{path} is missing: no epoch ended, or nothing was trained")
    text = path.read_text(encoding="utf-8", errors="replace")
    if text.strip() and not text.endswith("\n"):  # the write was interrupted, maybe in a number
        text = text.rpartition("\n")[0] + "\n"
        run.remarks.append("The last line of metrics.csv does not end, and was left out.")
    try:
        table = pd.read_csv(StringIO(text), on_bad_lines="skip")
    except (pd.errors.EmptyDataError, pd.errors.ParserError):
        table = pd.DataFrame(columns=["epoch"])
    if "epoch" not in table:
        raise ValueError(f"{path} has no column epoch; expected the table of a run")
    table = table.apply(pd.to_numeric, errors="coerce").dropna(subset="epoch")
    if table.empty:
        raise ValueError(f"{path} is empty: no epoch ended")
    table = table.astype({"epoch": int}).drop_duplicates("epoch", keep="last")
    run.epochs = table.set_index("epoch").sort_index()
