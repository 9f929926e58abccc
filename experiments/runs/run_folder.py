"""Run folders as they are: read as far as they can be, and what is wrong with them is named."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from io import StringIO
from os.path import commonpath
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import ListConfig

from experiments.launch.plain_yaml import read_plain_yaml
from experiments.launch.renaming import rename_settings
from experiments.reports.markdown import interval, score
from experiments.reports.results import best_epoch

LEVELS = 3  # outputs/multirun/<date>/<run> is found in outputs
MARKS = ("config.yaml", "metrics.csv", "metrics.json")  # one of them makes a run folder
ABOUT_RUNS = ("fit", "validate", "test")  # stages whose folders hold scores


@dataclass(eq=False)
class Run:
    """What a run folder holds, as far as it can be read.

    Attributes:
        folder: where it is.
        name: what it is called in tables.
        settings: config.yaml, flattened: ``{"optimizer.lr": 0.001, …}``.
        numbers: the task and the numbers of metrics.json; empty where there is none.
        epochs: metrics.csv, indexed by epoch.
        remarks: what was damaged, and how it was read.
        problem: why its epochs cannot be told; empty where they can.
    """

    folder: Path
    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)
    epochs: pd.DataFrame = field(default_factory=pd.DataFrame)
    remarks: list[str] = field(default_factory=list)
    problem: str = ""

    @property
    def task(self) -> str:
        return str(self.settings.get("task") or self.numbers.get("task") or "unknown")

    @property
    def metric(self) -> str:
        """The monitored metric; empty where the configuration names none."""
        return str(self.settings.get("monitor.metric") or "")

    @property
    def mode(self) -> str:
        """``max`` or ``min``; empty where the configuration says neither."""
        mode = str(self.settings.get("monitor.mode"))
        return mode if mode in ("max", "min") else ""

    @property
    def sign(self) -> int:
        """What scores are multiplied by so that more is better."""
        return 1 if self.mode == "max" else -1

    @property
    def scores(self) -> pd.Series:
        """The monitored metric of every epoch."""
        return self.column(self.metric)

    @property
    def losses(self) -> pd.Series:
        """The training loss of every epoch."""
        return self.column("train/loss")

    @property
    def best(self) -> int | None:
        """The first epoch with the best score."""
        return best_epoch(self.epochs, self.metric, self.mode) if self.mode else None

    @property
    def best_score(self) -> float:
        return float(self.scores[self.best]) if self.best is not None else float("nan")

    @property
    def primary_metric(self) -> str:
        """The test score with an interval, such as ``test/acc``; empty where nothing was tested."""
        bounded = (n for n in self.numbers if {f"{n}_low", f"{n}_high"} <= set(self.numbers))
        return next((name for name in bounded if name.startswith("test/")), "")

    @property
    def tested(self) -> str:
        """``test/acc 0.6000 (0.5500 to 0.6500) of 1,500``; empty where nothing was tested."""
        name, numbers = self.primary_metric, self.numbers
        if not name:
            return ""
        bounds = interval(*(numbers[f"{name}{end}"] for end in ("_low", "_high")))
        samples = f" of {numbers['test/n']:,}" if "test/n" in numbers else ""
        return f"{name} {score(numbers[name])} {bounds}{samples}"

    @property
    def cut_short(self) -> bool:
        """Whether the last epoch was validated and its training values never came."""
        training = self.epochs.filter(regex="^train/")
        several = training.shape[1] > 1  # a NaN loss alone would look the same
        missing = training.tail(1).isna().all(axis=None)
        return bool(several and missing and self.losses.iloc[:-1].notna().all())

    @property
    def nan_epochs(self) -> list[int]:
        """Epochs whose training loss is not finite."""
        if "train/loss" not in self.epochs:
            return []
        known = self.losses.iloc[: -1 if self.cut_short else None]
        return [int(e) for e in known.index[~np.isfinite(known)]]

    @property
    def checkpoints(self) -> list[Path]:
        return sorted((self.folder / "checkpoints").glob("*.ckpt"))

    def column(self, name: str) -> pd.Series:
        """A column of metrics.csv; NaN throughout where there is none."""
        return self.epochs.get(name, pd.Series(np.nan, self.epochs.index))

    def epoch_of(self, file: Path) -> int | None:
        """The epoch that a checkpoint was saved after, told by its name; None: unknown."""
        if counted := re.fullmatch(r"epoch_(\d+)", file.stem):
            return int(counted[1])
        last = int(self.epochs.index[-1]) if len(self.epochs) else None
        return {"best": self.best, "last": last}.get(file.stem)

    def status(self) -> str:
        """``finished``, ``stopped by NaN``, ``unfinished: no metrics.json``, or the problem."""
        if any(line.startswith("NaN stop") for line in self.said()):
            return "stopped by NaN"
        if self.problem:
            return self.problem
        ended = "finished" if self.numbers else "unfinished: no metrics.json"
        nan = f", training loss NaN from epoch {self.nan_epochs[0]}" if self.nan_epochs else ""
        return ended + nan

    def said(self) -> list[str]:
        """What the run's own report says of how it ended."""
        path = self.folder / "report.md"
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        return re.findall(r"^- ((?:NaN stop|Early stopping ended).*)$", text, re.MULTILINE)


def read_runs(given: Any) -> list[Run]:
    """The runs that ``input`` names: a run folder, a folder of run folders, or a list of both.

    Raises:
        ValueError: nothing is named, or no run in it can be read.
    """
    named = list(given) if isinstance(given, list | tuple | ListConfig) else [given]
    found = [one for name in named if name not in (None, "") for one in find_runs(Path(str(name)))]
    runs = list({one.folder.resolve(): one for one in found}.values())
    if not runs:
        raise ValueError(
            "stage=summary needs input=<a run folder>, 'input=[RUN1,RUN2]' or a folder of runs, "
            "such as outputs/asl/2026-01-31_12-00-00 or outputs/asl"
        )
    if all(one.problem and not one.numbers for one in runs) or (len(runs) == 1 and runs[0].problem):
        raise ValueError("; ".join(one.problem for one in runs))
    if len(runs) > 1:  # the shortest names that tell them apart
        common = commonpath([one.folder.resolve() for one in runs])
        for one in runs:
            one.name = str(one.folder.resolve().relative_to(common))
    return runs


def find_runs(path: Path) -> list[Run]:
    """The run in ``path`` where it is a run folder, or those below it, run 2 before run 10.

    Folders of other stages (predict, summary …) are left out where they are not named themselves.
    """
    if _is_run(path):
        return [read_run(path)]
    return sorted(_below(path, LEVELS), key=_counting) or [read_run(path)]


def _below(path: Path, levels: int) -> list[Run]:
    found: list[Run] = []
    for folder in path.glob("[!.]*/") if levels else ():
        found += [read_run(folder)] if _is_run(folder) else _below(folder, levels - 1)
    return [one for one in found if one.settings.get("stage", "fit") in ABOUT_RUNS]


def _is_run(path: Path) -> bool:
    return any((path / name).is_file() for name in MARKS)


def _counting(one: Run) -> list[str | int]:
    parts = re.split(r"(\d+)", str(one.folder))  # text and numbers take turns
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]


def read_run(folder: Path) -> Run:
    """What ``folder`` holds; what cannot be read is named in ``problem``."""
    found = Run(folder, folder.resolve().name)
    try:
        _refuse_other_folders(folder)
        _read_numbers(found)
        found.settings = _read_settings(folder / "config.yaml")
        _read_epochs(found)
        _refuse_unmonitored(found)
    except ValueError as error:
        found.problem = str(error)
    return found


def _refuse_other_folders(folder: Path) -> None:
    if not folder.exists():
        raise ValueError(f"input={folder} does not exist")
    if not folder.is_dir():
        raise ValueError(f"input={folder} is a file; name the run folder that it is in")
    if not _is_run(folder):
        raise ValueError(f"input={folder} is not a run folder: it has none of {', '.join(MARKS)}")


def _refuse_unmonitored(found: Run) -> None:
    if not found.metric or not found.mode:
        raise ValueError(
            f"{found.folder / 'config.yaml'} has no monitor.metric with monitor.mode max or min, "
            "so there is no telling which epoch is the best; add both"
        )
    if found.scores.isna().all():
        raise ValueError(
            f"{found.folder / 'metrics.csv'} has no value of {found.metric}, which config.yaml "
            f"monitors; it has {', '.join(map(str, found.epochs.columns))}"
        )


def _read_settings(path: Path) -> dict[str, Any]:
    """config.yaml flattened, as plain YAML: no tags, no interpolations."""
    if not path.is_file():
        raise ValueError(f"{path} is missing, so there is no telling which metric was monitored")
    content = read_plain_yaml(path)
    if not isinstance(content, dict) or not content:
        raise ValueError(f"{path} holds no settings")
    content = rename_settings(content, str(content.get("task")), {})
    return pd.json_normalize(content).to_dict("records")[0]


def _is_score(name: str, value: Any) -> bool:
    """Whether metrics.json holds a number; the ends of an interval may be null: there is none."""
    has_no_end = value is None and name.endswith(("_low", "_high"))
    return has_no_end or isinstance(value, int | float)


def _read_numbers(found: Run) -> None:
    path = found.folder / "metrics.json"
    try:
        numbers = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        numbers, found.remarks = {}, [f"metrics.json is damaged ({error}) and was not used"]
    if not isinstance(numbers, dict):
        numbers, found.remarks = {}, ["metrics.json holds no table and was not used"]
    found.numbers = {k: v for k, v in numbers.items() if k == "task" or _is_score(k, v)}


def _read_epochs(found: Run) -> None:
    """metrics.csv by epoch, as far as it was written."""
    path = found.folder / "metrics.csv"
    if not path.is_file():
        raise ValueError(f"{path} is missing: no epoch ended, or nothing was trained")
    text = path.read_text(encoding="utf-8", errors="replace")
    if text.strip() and not text.endswith("\n"):  # the write was broken off, maybe in a number
        text = text.rpartition("\n")[0] + "\n"
        found.remarks.append("The last line of metrics.csv does not end, and was left out.")
    try:
        table = pd.read_csv(StringIO(text), on_bad_lines="skip")
    except (pd.errors.EmptyDataError, pd.errors.ParserError):
        table = pd.DataFrame(columns=["epoch"])
    if "epoch" not in table:
        raise ValueError(f"{path} has no column epoch: it is no table of a run")
    table = table.apply(pd.to_numeric, errors="coerce").dropna(subset="epoch")
    if table.empty:
        raise ValueError(f"{path} is empty: no epoch ended")
    table = table.astype({"epoch": int}).drop_duplicates("epoch", keep="last")
    found.epochs = table.set_index("epoch").sort_index()
