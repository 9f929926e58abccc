"""stage=summary: the story of a run, epoch by epoch, or several runs side by side.

Run folders are only read. Nothing in them is run: no checkpoint is opened, and config.yaml is read
as plain YAML.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import timedelta
from io import StringIO
from os.path import commonpath
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from omegaconf import DictConfig, ListConfig

from experiments.build import write_config
from experiments.console import quiet, tell
from experiments.report import OVERFITTING_GAP, _milestones, _score_of_both
from experiments.results import best_epoch

SHOWN_EPOCHS = 40  # rows of the table, at most; summary.csv has all epochs
CLEARLY = 0.1  # of the best score so far, or of the way from the worst one to it
LOSS_RISE = 1.2  # validation loss over its lowest: overfitting
IN_A_ROW = 3  # epochs that must agree before it is called overfitting
LONG_AGO = 10  # epochs without a better score, and a quarter of the run
SHOWN_SETTINGS = 30  # differing ones in summary.md; summary.csv has all
SHOWN_KEYS = 4  # differing settings in a row of the table of runs
LEVELS = 3  # outputs/multirun/<date>/<run> is found in outputs
MARKS = ("config.yaml", "metrics.csv", "metrics.json")  # one of them makes a run folder
ABOUT_RUNS = ("fit", "validate", "test")  # stages whose folders hold scores
OF_THE_FOLDER = ("run_dir", "run_id", "resume")  # settings that differ between any two runs
# Settings, by the last part of their names, that repeat another one unless set by hand.
COPIES = {
    "max_epochs": "epochs",
    "max_lr": "optimizer.lr",
    "monitor": "monitor.metric",
    "mode": "monitor.mode",
}
NOTES = {
    "initial": "the first epoch",
    "best": "the first epoch with the best score",
    "drop": f"the score is clearly worse than the best so far: by more than {CLEARLY:.0%} of it, "
    "or of the way from the worst so far to it, whichever is more",
    "recovery": "after a drop, the score is back within half of that",
    "overfitting": f"the first of {IN_A_ROW} epochs after the best with a training loss below the "
    "best epoch's, and a score clearly worse than the best or a validation loss "
    f"{LOSS_RISE - 1:.0%} above its lowest",
    "NaN": "the training loss is not a finite number; metrics.csv may show it as an empty cell",
    "cut short": "the last epoch has no training values: the run ended within it",
    "last": "the last epoch",
}


@dataclass
class Run:
    """What a run folder holds, as far as it can be read.

    Attributes:
        folder: where it is.
        name: what it is called in tables.
        settings: config.yaml, flattened: ``{"optimizer.lr": 0.001, …}``.
        numbers: metrics.json; empty where there is none.
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
        names = ("monitor.metric", "callbacks.best.monitor")
        return str(next((self.settings[n] for n in names if self.settings.get(n)), ""))

    @property
    def mode(self) -> str:
        """``max`` or ``min``; empty where the configuration says neither."""
        names = ("monitor.mode", "callbacks.best.mode")
        found = str(next((self.settings[n] for n in names if self.settings.get(n)), ""))
        return found if found in ("max", "min") else ""

    @property
    def sign(self) -> int:
        """What scores are multiplied by so that more is better."""
        return 1 if self.mode == "max" else -1

    @property
    def scores(self) -> pd.Series:
        """The monitored metric of every epoch."""
        return self.column(self.metric)

    @property
    def best(self) -> int | None:
        """The first epoch with the best score."""
        return best_epoch(self.epochs, self.metric, self.mode) if self.mode else None

    @property
    def best_score(self) -> float:
        return float(self.scores[self.best]) if self.best is not None else float("nan")

    @property
    def headline(self) -> str:
        """The test score with an interval, such as ``test/acc``; empty where nothing was tested."""
        tested = [name for name in self.numbers if name.startswith("test/")]
        found = [n for n in tested if {f"{n}_low", f"{n}_high"} <= set(tested)]
        return found[0] if found else ""

    @property
    def cut_short(self) -> bool:
        """Whether the last epoch was validated and its training values never came."""
        training = self.epochs.filter(regex="^train/")
        if training.shape[1] < 2:  # a NaN loss alone would look the same
            return False
        return bool(
            training.iloc[-1].isna().all() and self.column("train/loss").iloc[:-1].notna().all()
        )

    @property
    def nan_epochs(self) -> list[int]:
        """Epochs whose training loss is not finite."""
        losses = self.column("train/loss")
        known = losses.iloc[:-1] if self.cut_short else losses
        present = "train/loss" in self.epochs
        return [int(e) for e in known.index[~np.isfinite(known)]] if present else []

    @property
    def checkpoints(self) -> list[Path]:
        return sorted((self.folder / "checkpoints").glob("*.ckpt"))

    def column(self, name: str) -> pd.Series:
        """A column of metrics.csv; NaN throughout where there is none."""
        return self.epochs.get(name, pd.Series(np.nan, self.epochs.index))

    def epoch_of(self, file: Path) -> int | None:
        """The epoch that a checkpoint was saved after, told by its name; None: unknown."""
        counted = re.fullmatch(r"epoch_(\d+)", file.stem)
        if counted:
            return int(counted[1])
        ends = {"best": self.best, "last": int(self.epochs.index[-1]) if len(self.epochs) else None}
        return ends.get(file.stem)

    def status(self) -> str:
        """``finished``, ``stopped by NaN``, ``unfinished: no metrics.json``, or the problem."""
        if any(line.startswith("NaN stop") for line in self.said()):
            return "stopped by NaN"
        if self.problem:
            return self.problem
        ended = "finished" if self.numbers else "unfinished: no metrics.json"
        nan = self.nan_epochs
        return f"{ended}, training loss NaN from epoch {nan[0]}" if nan else ended

    def said(self) -> list[str]:
        """What the run's own report says of how it ended."""
        path = self.folder / "report.md"
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        return re.findall(r"^- ((?:NaN stop|Early stopping ended).*)$", text, re.MULTILINE)

    def seconds(self) -> float | None:
        """From config.yaml to the last numbers, by the files' times; None: unknown.

        A resumed run wrote config.yaml anew, and a copy may have lost the times.
        """
        start = self.folder / "config.yaml"
        ends = [self.folder / name for name in ("metrics.json", "metrics.csv")]
        end = next((path for path in ends if path.is_file()), None)
        if end is None or not start.is_file() or self.settings.get("resume"):
            return None
        taken = end.stat().st_mtime - start.stat().st_mtime
        return taken if taken >= 1 else None


def run(config: DictConfig) -> None:
    """Write summary.md and summary.csv of the run, or the runs, that ``input`` names.

    Raises:
        ValueError: no input, or nothing in it can be read.
    """
    quiet()
    runs = read_runs(config.input)
    own = Path(config.run_dir)
    if own.resolve() in [one.folder.resolve() for one in runs]:
        raise ValueError(f"{own} is the run that is read; name another folder as hydra.run.dir=")
    text, table = tell_one(runs[0]) if len(runs) == 1 else tell_several(runs)
    folder = write_config(config)
    (folder / "summary.md").write_text(text, encoding="utf-8")
    table.to_csv(folder / "summary.csv", index=False)
    tell(text)
    tell(f"Run folder: {folder}")


# Reading


def read_runs(given: Any) -> list[Run]:
    """The runs that ``input`` names: a run folder, a folder of run folders, or a list of both.

    Raises:
        ValueError: nothing is named, or no run in it can be read.
    """
    named = list(given) if isinstance(given, list | tuple | ListConfig) else [given]
    paths = [Path(str(name)) for name in named if name not in (None, "")]
    found = [folder for path in paths for folder in find_runs(path)]
    folders = list({folder.resolve(): folder for folder in found}.values())
    if not folders:
        raise ValueError(
            "stage=summary needs input=<a run folder>, 'input=[RUN1,RUN2]' or a folder of runs, "
            "such as outputs/asl/2026-01-31_12-00-00 or outputs/asl"
        )
    runs = [read_run(path, name) for path, name in zip(folders, _names(folders), strict=True)]
    if all(one.problem and not one.numbers for one in runs) or (len(runs) == 1 and runs[0].problem):
        raise ValueError("; ".join(one.problem for one in runs))
    return runs


def find_runs(path: Path) -> list[Path]:
    """``path`` where it is a run folder, or the run folders below it.

    Folders of other stages (predict, summary …) are left out where they are not named themselves.
    """
    if _is_run(path):
        return [path]
    return sorted(_below(path, LEVELS), key=_counting) or [path]


def _below(path: Path, levels: int) -> list[Path]:
    inside = [p for p in path.glob("*/") if not p.name.startswith(".")] if levels else []
    runs = [p for p in inside if _is_run(p)]
    deeper = [run for p in inside if p not in runs for run in _below(p, levels - 1)]
    return [p for p in runs if _settings(p)[0].get("stage", "fit") in ABOUT_RUNS] + deeper


def _is_run(path: Path) -> bool:
    return any((path / name).is_file() for name in MARKS)


def _counting(path: Path) -> list[tuple[int, str]]:
    """Run 2 before run 10."""
    parts = re.split(r"(\d+)", str(path))
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _names(folders: list[Path]) -> list[str]:
    """The shortest that tells folders apart: what lies below the folder that holds them all."""
    whole = [folder.resolve() for folder in folders]
    if len(whole) == 1:
        return [whole[0].name]
    common = commonpath(whole)
    return [str(folder.relative_to(common)) for folder in whole]


def read_run(folder: Path, name: str = "") -> Run:
    """What ``folder`` holds; what cannot be read is named in ``problem``."""
    found = Run(folder, name or folder.name, problem=_not_a_run(folder))
    if found.problem:
        return found
    found.settings, wrong_settings = _settings(folder)
    found.numbers, wrong_numbers = _numbers(folder / "metrics.json")
    found.epochs, found.remarks, wrong_epochs = _epochs(folder / "metrics.csv")
    found.remarks += [wrong_numbers] if wrong_numbers else []
    found.problem = wrong_settings or wrong_epochs or _not_monitored(found)
    return found


def _not_a_run(folder: Path) -> str:
    if not folder.exists():
        return f"input={folder} does not exist"
    if not folder.is_dir():
        return f"input={folder} is a file; name the run folder that it is in"
    if not _is_run(folder):
        return f"input={folder} is not a run folder: it has none of {', '.join(MARKS)}"
    return ""


def _not_monitored(found: Run) -> str:
    if not found.metric or not found.mode:
        return (
            f"{found.folder / 'config.yaml'} has no monitor.metric with monitor.mode max or min, "
            "so there is no telling which epoch is the best; add both"
        )
    if found.scores.isna().all():
        there = ", ".join(map(str, found.epochs.columns))
        return (
            f"{found.folder / 'metrics.csv'} has no value of {found.metric}, which config.yaml "
            f"monitors; it has {there}"
        )
    return ""


def _settings(folder: Path) -> tuple[dict[str, Any], str]:
    """config.yaml flattened, as plain YAML (no tags, no interpolations), and what is wrong."""
    path = folder / "config.yaml"
    if not path.is_file():
        return {}, f"{path} is missing, so there is no telling which metric was monitored"
    try:
        text = path.read_text(encoding="utf-8")
        # This suite writes none, and a stranger's few lines of them may grow without end.
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            return {}, f"{path} has YAML aliases, which no run writes; it was not read"
        content = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        return {}, f"{path} is no plain YAML: {' '.join(str(error).split())}"
    return (
        (flatten(content), "") if isinstance(content, dict) else ({}, f"{path} holds no settings")
    )


def flatten(node: dict[Any, Any], before: str = "") -> dict[str, Any]:
    """Nested dicts as one with dotted keys; lists are values."""
    flat: dict[str, Any] = {}
    for key, value in node.items():
        nested = isinstance(value, dict) and value
        flat |= flatten(value, f"{before}{key}.") if nested else {f"{before}{key}": value}
    return flat


def _numbers(path: Path) -> tuple[dict[str, Any], str]:
    if not path.is_file():
        return {}, ""
    try:
        numbers = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        return {}, f"metrics.json is damaged ({error}) and was not used"
    if not isinstance(numbers, dict):
        return {}, "metrics.json holds no table and was not used"
    told = {k: v for k, v in numbers.items() if "/" not in k or isinstance(v, int | float)}
    return told, ""


def _epochs(path: Path) -> tuple[pd.DataFrame, list[str], str]:
    """metrics.csv by epoch, remarks on what was damaged, and why there is nothing to tell."""
    if not path.is_file():
        return pd.DataFrame(), [], f"{path} is missing: no epoch ended, or nothing was trained"
    text, remarks = path.read_text(encoding="utf-8", errors="replace"), []
    if text.strip() and not text.endswith("\n"):  # the write was broken off, maybe in a number
        text = text.rpartition("\n")[0] + "\n"
        remarks.append("The last line of metrics.csv does not end, and was left out.")
    try:
        table = pd.read_csv(StringIO(text), on_bad_lines="skip")
    except (pd.errors.EmptyDataError, pd.errors.ParserError):
        return pd.DataFrame(), remarks, f"{path} is empty: no epoch ended"
    if "epoch" not in table:
        return pd.DataFrame(), remarks, f"{path} has no column epoch: it is no table of a run"
    table = table.apply(pd.to_numeric, errors="coerce").dropna(subset="epoch")
    table = table.astype({"epoch": int}).drop_duplicates("epoch", keep="last")
    table = table.set_index("epoch").sort_index()
    return table, remarks, "" if len(table) else f"{path} is empty: no epoch ended"


# One run


def tell_one(found: Run) -> tuple[str, pd.DataFrame]:
    """summary.md and the table of all epochs of one run."""
    story = tell_epochs(found)
    head = [f"# Summary of {found.name}\n", _headline(found)]
    head += [f"{remark}\n" for remark in found.remarks]
    parts = [
        *head,
        _setup(found),
        _shown(story, found),
        _which(found),
        _files(found),
        "## Key observations\n\n" + _bullets(observations(found, story)),
        "\n".join(_milestones(found.epochs, found.metric, found.mode)),
        "## What to do next time\n\n" + _bullets(advice(found, story)),
    ]
    return "\n".join(part for part in parts if part), written(story).reset_index()


def _headline(found: Run) -> str:
    facts = [f"Task {found.task}; {found.status()}; {len(found.epochs):,} epochs"]
    facts += [f"about {_clock(found.seconds())} (h:mm:ss, by the files' times)"] * bool(
        found.seconds()
    )
    if found.headline:
        facts.append(f"{found.headline} {_test_score(found)}")
    return "; ".join(facts) + ".\n"


def _test_score(found: Run) -> str:
    name, numbers = found.headline, found.numbers
    if not name:
        return ""
    low, high = _score(numbers[f"{name}_low"]), _score(numbers[f"{name}_high"])
    samples = f" of {numbers['test/n']:,}" if isinstance(numbers.get("test/n"), int) else ""
    return f"{_score(numbers[name])} ({low} to {high}){samples}"


def _setup(found: Run) -> str:
    names = {
        "network": "net._target_",
        "optimizer": "optimizer._target_",
        "learning rate": "optimizer.lr",
        "weight decay": "optimizer.weight_decay",
        "schedule": "scheduler.build._target_",
        "batch size": "datamodule.batch_size",
        "epochs at most": "trainer.max_epochs",
        "precision": "trainer.precision",
        "seed": "seed",
        "data": "data_dir",
    }
    known = {k: found.settings[n] for k, n in names.items() if found.settings.get(n) is not None}
    rows = [
        (k, str(v).rsplit(".", 1)[-1] if "_target_" in names[k] else v) for k, v in known.items()
    ]
    parameters = found.numbers.get("parameters")
    rows += [("parameters", f"{parameters:,}")] if isinstance(parameters, int) else []
    table = pd.DataFrame(rows, columns=["setting", "value"])
    return f"## Model and configuration\n\n{_markdown(table)}" if rows else ""


def tell_epochs(found: Run) -> pd.DataFrame:
    """Every epoch: the score, the best so far, losses, learning rate, checkpoint files, notes."""
    signed = (found.sign * found.scores).cummax().ffill()
    rates = [name for name in found.epochs if str(name).startswith("lr-")]
    columns = {
        f"best {found.metric}": found.sign * signed,
        found.metric: found.scores,
        "train/loss": found.column("train/loss"),
        "val/loss": found.column("val/loss"),
        "learning rate": found.column(str(rates[0]) if rates else ""),
    }
    files: dict[int, list[str]] = {}
    for file in found.checkpoints:
        files.setdefault(found.epoch_of(file) or 0, []).append(file.name)
    notes = find_notes(found)
    story = pd.DataFrame(columns)
    story["checkpoint"] = [", ".join(files.get(int(e), [])) for e in story.index]
    story["notes"] = [", ".join(notes.get(int(e), [])) for e in story.index]
    return story


def find_notes(found: Run) -> dict[int, list[str]]:
    """The notes of each epoch that has some, by the rules in NOTES."""
    ends = {"initial": [found.epochs.index[0]], "best": [found.best]}
    dropped, recovered = _drops(found.sign * found.scores.dropna())
    middle = {"drop": dropped, "recovery": recovered, "overfitting": _overfitting(found)[:1]}
    last = [found.epochs.index[-1]]
    end = {"NaN": found.nan_epochs, "cut short": last * found.cut_short, "last": last}
    notes: dict[int, list[str]] = {}
    for name, epochs in (ends | middle | end).items():
        for epoch in epochs:
            notes.setdefault(int(epoch), []).append(name)
    return notes


def _margin(best: float, worst: float) -> float:
    """How much worse than ``best`` is clearly worse."""
    return CLEARLY * max(abs(best), best - worst)


def _drops(scores: pd.Series) -> tuple[list[int], list[int]]:
    """Epochs at which ``scores`` (more is better) fell clearly, and at which they were back."""
    down, up = [], []
    best = worst = float(scores.iloc[0])
    for epoch, score in scores.items():
        margin = _margin(best, worst)
        if len(down) == len(up) and best - score > margin:
            down.append(int(str(epoch)))
        elif len(down) > len(up) and best - score <= margin / 2:
            up.append(int(str(epoch)))
        best, worst = max(best, score), min(worst, score)
    return down, up


def _overfitting(found: Run) -> list[int]:
    """Epochs after the best that overfit, from the first of ``IN_A_ROW`` on."""
    best, table = found.best, found.epochs[found.scores.notna()]
    losses, lowest = found.column("train/loss"), found.column("val/loss").cummin()
    scores = found.sign * found.scores
    worse = scores < scores[best] - _margin(scores[best], scores.loc[:best].min())
    surer = found.column("val/loss") > LOSS_RISE * lowest
    after = ((losses < losses[best]) & (worse | surer))[table.index][table.index > best]
    in_a_row = after.astype(int).rolling(IN_A_ROW).sum() == IN_A_ROW
    if not in_a_row.any():
        return []
    first = int(np.argmax(in_a_row)) - IN_A_ROW + 1
    return [int(e) for e in after.index[first:][after.iloc[first:]]]


def shown_epochs(story: pd.DataFrame, limit: int = SHOWN_EPOCHS) -> list[int]:
    """The epochs that tell the story: first, best, last, noted ones, and those with a checkpoint.

    Where they are too many, the turns go before the epochs whose only note is NaN, and those
    before checkpoints alone; what is left of a kind is spread evenly.
    """
    notes = story["notes"].str.replace("NaN", "").str.strip(", ")
    nan = story.index[story["notes"].str.contains("NaN")]
    main = notes.str.contains("initial|best|overfitting|last|cut short")
    kinds = [
        story.index[main].union(nan[[0, -1]] if len(nan) else nan),
        story.index[notes != ""],
        nan,
        story.index[story["checkpoint"] != ""],
    ]
    chosen: list[int] = []
    for kind in kinds:
        more = [int(e) for e in kind if int(e) not in chosen]
        places = np.linspace(0, len(more) - 1, min(len(more), limit - len(chosen)))
        chosen += [more[round(place)] for place in places]
    return sorted(chosen)


def _shown(story: pd.DataFrame, found: Run) -> str:
    rows = written(story.loc[shown_epochs(story)])
    for name in (f"best {found.metric}", found.metric, "val/loss"):
        rows[name] = story.loc[rows.index, name].map(_score)
    rows["train/loss"] = [
        loss if loss in ("", "NaN") else _score(loss) for loss in rows["train/loss"]
    ]
    rows["learning rate"] = rows["learning rate"].map(lambda rate: _score(rate, ".4g"))
    used = [name for name in NOTES if rows["notes"].str.contains(name).any()]
    rules = _bullets([f"{name}: {NOTES[name]}" for name in used])
    title = f"## Epochs\n\n{found.metric} ({found.mode}): {len(rows)} of {len(story):,} epochs; "
    return f"{title}summary.csv has all.\n\n{_markdown(rows.reset_index())}\n{rules}"


def written(story: pd.DataFrame) -> pd.DataFrame:
    """The table as summary.csv has it: a training loss that is no number is called NaN."""
    nan = story["notes"].str.contains("NaN") & story["train/loss"].isna()
    losses = story["train/loss"].astype(object).where(story["train/loss"].notna(), "")
    return story.assign(**{"train/loss": losses.mask(nan, "NaN")})


def best_checkpoint(found: Run) -> tuple[Path, int] | None:
    """The checkpoint with the best score, and its epoch; None where no file has a score."""
    epochs = {file: found.epoch_of(file) for file in found.checkpoints}
    scored = {f: e for f, e in epochs.items() if e in found.scores.dropna().index}
    if not scored:
        return None
    order = sorted(scored, key=lambda f: (-found.sign * found.scores[scored[f]], f.stem != "best"))
    return order[0], int(str(scored[order[0]]))


def _which(found: Run) -> str:
    use = best_checkpoint(found)
    title = "## Which checkpoint to use\n\n"
    if use is None:
        return f"{title}None: the folder holds no checkpoint of an epoch with a {found.metric}.\n"
    file, epoch = use
    score = f"{found.metric} {_score(found.scores[epoch])}"
    if epoch == found.best:
        why = f"it holds epoch {epoch}, which has the best {score}"
    else:
        why = (
            f"it holds epoch {epoch} with {score}, the best that was kept; the best epoch, "
            f"{found.best} with {_score(found.best_score)}, has no file"
        )
    return f"{title}**`checkpoints/{file.name}`**: {why}.\n"


def _files(found: Run) -> str:
    if not found.checkpoints:
        return ""
    use = best_checkpoint(found)
    rows = []
    for file in found.checkpoints:
        epoch = found.epoch_of(file)
        score = found.scores.get(epoch) if epoch else None
        purpose = "to resume" if file.stem == "last" else ""
        purpose = "saved after a NaN" if epoch in found.nan_epochs else purpose
        purpose = "use this one" if use and file == use[0] else purpose
        rows.append((f"checkpoints/{file.name}", epoch or "", _score(score), _mb(file), purpose))
    table = pd.DataFrame(rows, columns=["file", "epoch", found.metric, "MB", "for"])
    told = "Epochs are told by the file names; `best` and `last` by metrics.csv. "
    total = f"Together {sum(f.stat().st_size for f in found.checkpoints) / 1e6:.2f} MB.\n"
    return f"## Checkpoints\n\n{_markdown(table)}\n{told}{total}"


def _mb(file: Path) -> str:
    return f"{file.stat().st_size / 1e6:.2f}"


def observations(found: Run, story: pd.DataFrame) -> list[str]:
    """What the numbers show, a sentence each."""
    return [
        *_to_the_best(found),
        *_since_the_best(found),
        *_falls(found),
        *_told_overfitting(found),
        *_told_nan(found),
        *_told_rate(story),
        *found.said(),
    ]


def _to_the_best(found: Run) -> list[str]:
    best, first, scores = found.best, int(found.epochs.index[0]), found.scores
    lines = [
        f"Best: epoch {best}, {found.metric} {_score(scores[best])}, "
        f"training loss {_loss_at(found, best)}."
    ]
    if best != first:
        lines.append(
            f"From epoch {first} to {best}: {found.metric} {_score(scores[first]) or '–'} → "
            f"{_score(scores[best])}, training loss {_loss_at(found, first)} → "
            f"{_loss_at(found, best)}."
        )
    return lines + _gap(found)


def _gap(found: Run) -> list[str]:
    score = _score_of_both(found.epochs)
    at_best = found.epochs.loc[found.best]
    gap = at_best[f"train/{score}"] - at_best[f"val/{score}"] if score else np.nan
    if not np.isfinite(gap):
        return []
    much = f", more than {OVERFITTING_GAP}" if gap > OVERFITTING_GAP else ""
    return [f"Train–validation gap at the best epoch: {gap:+.4f} of {score}{much}."]


def _since_the_best(found: Run) -> list[str]:
    scores, losses = found.scores.dropna(), found.column("train/loss")
    last = int(scores.index[-1])
    if last == found.best:
        return []
    finite = losses[np.isfinite(losses)]
    loss = ""
    if len(finite) and int(finite.index[-1]) > int(str(found.best)):
        end = int(finite.index[-1])
        when = f" at epoch {end}, the last that is a number" if end != last else ""
        loss = f", training loss {_loss_at(found, found.best)} → {_loss_at(found, end)}{when}"
    return [
        f"From the best epoch to {last}: {found.metric} {_score(found.best_score)} → "
        f"{_score(scores[last])}{loss}."
    ]


def _falls(found: Run) -> list[str]:
    scores = found.scores.dropna()
    down, up = _drops(found.sign * scores)
    lines = []
    for place, epoch in enumerate(down[:3]):
        before = (found.sign * scores.loc[: epoch - 1]).idxmax()
        back = f"back at epoch {up[place]}" if place < len(up) else "not back until the end"
        lines.append(
            f"Drop at epoch {epoch}: {found.metric} {_score(scores[epoch])} after "
            f"{_score(scores[before])} at epoch {before}; {back}."
        )
    return [*lines, f"{len(down) - 3} more drops."] if len(down) > 3 else lines


def _told_overfitting(found: Run) -> list[str]:
    epochs = _overfitting(found)
    if not epochs:
        return []
    scores, validation = found.scores, found.column("val/loss")
    end = epochs[-1]
    rise = f", validation loss {_score(validation[end])}" if pd.notna(validation[end]) else ""
    lowest = f" (lowest {_score(validation.min())} at epoch {validation.idxmin()})" if rise else ""
    return [
        f"Overfitting from epoch {epochs[0]} on: by epoch {end} the training loss is "
        f"{_loss_at(found, end)}, {found.metric} {_score(scores[end])}{rise}{lowest}."
    ]


def _told_nan(found: Run) -> list[str]:
    epochs = found.nan_epochs
    if not epochs:
        return []
    lines = [
        f"The training loss is not finite in {len(epochs)} of {len(found.epochs):,} epochs, from "
        f"{epochs[0]} to {epochs[-1]}."
    ]
    scores = found.scores[epochs].dropna()
    if len(scores) > 1 and scores.nunique() == 1:
        lines.append(f"In all of them {found.metric} is {_score(scores.iloc[0])}.")
    only = [epochs == [found.epochs.index[-1]], len(found.epochs.filter(regex="^train/").T) == 1]
    if all(only):
        lines.append("An empty cell in the last row may also mean that the run ended within it.")
    return [" ".join(lines)]


def _told_rate(story: pd.DataFrame) -> list[str]:
    rates = story["learning rate"].dropna()
    if rates.empty:
        return []
    top = rates.idxmax()
    if rates.nunique() == 1:
        return [f"The learning rate stayed at {rates.iloc[0]:.4g}."]
    ends = f"from {rates.iloc[0]:.4g} to {rates.iloc[-1]:.4g}"
    highest = (
        f", highest {rates[top]:.4g} at epoch {top}" if top not in rates.index[[0, -1]] else ""
    )
    return [f"The learning rate went {ends}{highest}."]


def advice(found: Run, story: pd.DataFrame) -> list[str]:
    """What follows for the next run."""
    lines = early_stopping_advice(found)
    if found.nan_epochs or found.status() == "stopped by NaN":
        lines.append(
            "Against NaN: a lower learning rate (optimizer.lr=), stronger clipping "
            "(trainer.gradient_clip_val=) or trainer.precision=32-true; callbacks.nan_stop ends a "
            "run at the first NaN."
        )
    if story["notes"].str.contains("overfitting").any():
        lines.append(
            "Against overfitting: more people, stronger augmentation, more dropout or weight decay "
            "(optimizer.weight_decay=), or a smaller network."
        )
    if found.best == story.index[-1] and not found.nan_epochs:
        lines.append("The last epoch is the best: more epochs (epochs=) may still help.")
    return lines or ["Nothing that these numbers ask for."]


def early_stopping_advice(found: Run) -> list[str]:
    """The patience that would have kept the best epoch, where that was long ago."""
    scores = (found.sign * found.scores).dropna()
    better = scores.index[scores > scores.cummax().shift(fill_value=-np.inf)]  # epochs
    best, last = int(better[-1]), int(scores.index[-1])
    if last - best < max(LONG_AGO, last / 4):
        return []
    waited = int(np.diff(better).max()) if len(better) > 1 else 0
    wait = max(waited, LONG_AGO)
    told = f"The best epoch was {last - best} epochs before the last one"
    if last - best <= wait:
        return [f"{told}, no longer than the longest wait for a better one before ({waited})."]
    # Lightning counts validations, not epochs.
    every = found.settings.get("trainer.check_val_every_n_epoch")
    patience = -(-wait // every) if isinstance(every, int) and every > 0 else wait
    return [
        f"{told}; before it, the longest wait for a better one was {waited}. "
        f"callbacks.early_stopping.patience={patience} would have ended the run after epoch "
        f"{best + wait} with the same best epoch, {last - best - wait} epochs sooner."
    ]


# Several runs


def tell_several(runs: list[Run]) -> tuple[str, pd.DataFrame]:
    """summary.md and the table of several runs, a row each."""
    differing = {task: differences(of) for task, of in _by_task(runs).items()}
    rows = pd.DataFrame([_row(one, differing[one.task]) for one in runs])
    saved = pd.DataFrame([_raw(one, differing[one.task]) for one in runs])
    whole = ["parameters", "best_epoch", "test_n"]
    saved[whole] = saved[whole].convert_dtypes()  # whole, also where some are missing
    many = [t for t in differing.values() if t.shape[1] > SHOWN_KEYS]
    parts = [
        f"# Summary of {len(runs)} runs\n",
        _markdown(rows),
        "Durations (h:mm:ss) are told by the files' times, and a copy may have lost them. Test "
        "scores come with their 95 % interval and their samples.\n",
        *[f"## What differs\n\n{_wide(table)}" for table in many],
        *[_remarks(one) for one in runs if one.remarks],
        "## Ranking\n",
        *[_ranking(of) for of in _by_task(runs, monitored=True).values()],
        _repeats(runs),
    ]
    return "\n".join(part for part in parts if part), saved


def _by_task(runs: list[Run], monitored: bool = False) -> dict[str, list[Run]]:
    groups: dict[str, list[Run]] = {}
    for one in runs:
        name = f"{one.task}, {one.metric} ({one.mode})" if monitored else one.task
        groups.setdefault(name, []).append(one)
    return groups


def _remarks(one: Run) -> str:
    return "\n".join(f"{one.name}: {remark}\n" for remark in one.remarks)


def comparable(one: Run) -> dict[str, str]:
    """Settings as text, without those that tell no more than where the run is."""
    where, known_as = (str(one.settings.get(name) or "") for name in ("run_dir", "run_id"))
    settings = {k: _text(v) for k, v in one.settings.items() if k not in OF_THE_FOLDER}
    settings = {k: v.replace(where, ".") if where else v for k, v in settings.items()}
    return {k: v for k, v in settings.items() if v != known_as or "." not in k}


def _text(value: Any) -> str:
    return "null" if value is None else str(value)


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
    """Whether it repeats another setting in every run: the root key of its name, or COPIES."""
    last = name.rpartition(".")[2]
    original = COPIES.get(last, last)
    return original != name and original in table and table[original].equals(table[name])


def _row(one: Run, differing: pd.DataFrame) -> dict[str, str]:
    """A row of the table in summary.md."""
    raw, seconds = _raw(one, differing), one.seconds()
    parameters, epochs = raw["parameters"], len(one.epochs)
    return {
        "run": one.name,
        "task": one.task,
        "differs": _few(one, differing),
        "parameters": f"{parameters:,}" if isinstance(parameters, int) else "",
        "epochs": str(epochs or ""),
        "best epoch": str(one.best or ""),
        "best validation": f"{one.metric} {_score(one.best_score)}" if one.best else "",
        "test": f"{one.headline} {_test_score(one)}" if one.headline else "",
        "duration": _clock(seconds) if seconds else "",
        "status": one.status(),
        "checkpoints, MB": f"{raw['checkpoints_mb']:.2f}",
    }


def _few(one: Run, differing: pd.DataFrame) -> str:
    if one.name not in differing.index:
        return ""
    settings = differing.loc[one.name]
    shown = [f"{name}={value}" for name, value in settings.head(SHOWN_KEYS).items()]
    more = len(settings) - len(shown)
    return ", ".join(shown) + (f" and {more} more below" if more else "")


def _raw(one: Run, differing: pd.DataFrame) -> dict[str, Any]:
    """A row of summary.csv: numbers as they are."""
    name, numbers = one.headline, one.numbers
    settings = dict(differing.loc[one.name]) if one.name in differing.index else {}
    return {
        "run": one.name,
        "task": one.task,
        **settings,
        "parameters": numbers.get("parameters"),
        "epochs": len(one.epochs),
        "best_epoch": one.best,
        "metric": one.metric,
        "best_validation": one.best_score,
        "test_metric": name,
        "test": numbers.get(name),
        "test_low": numbers.get(f"{name}_low"),
        "test_high": numbers.get(f"{name}_high"),
        "test_n": numbers.get("test/n"),
        "seconds": one.seconds(),
        "status": one.status(),
        "checkpoints_mb": sum(file.stat().st_size for file in one.checkpoints) / 1e6,
    }


def _wide(table: pd.DataFrame) -> str:
    """Settings by run, whichever way is narrower."""
    shown = table.iloc[:, :SHOWN_SETTINGS]
    more = table.shape[1] - shown.shape[1]
    narrow = shown if shown.shape[1] <= len(shown) else shown.T
    text = _markdown(narrow.rename_axis("run" if narrow is shown else "setting").reset_index())
    return text + (f"\n{more} more in summary.csv.\n" if more else "")


def _ranking(runs: list[Run]) -> str:
    ranked = [one for one in runs if one.best is not None and not one.problem]
    left = ", ".join(one.name for one in runs if one not in ranked)
    lines = [f"Not ranked, for there is no score: {left}.\n"] if left else []
    if not ranked:
        return "\n".join(lines)
    scores = pd.Series([one.sign * one.best_score for one in ranked])
    ranks = scores.rank(method="min", ascending=False).astype(int)
    rows = [
        (rank, one.name, _score(one.best_score), one.best, _test_score(one))
        for rank, one in sorted(zip(ranks, ranked, strict=True), key=lambda pair: pair[0])
    ]
    title = f"{ranked[0].task}, {ranked[0].metric} ({ranked[0].mode}):\n"
    table = pd.DataFrame(rows, columns=["rank", "run", "best validation", "epoch", "test"])
    return "\n".join([title, _markdown(table), *_unlike(ranked), *lines])


def _unlike(runs: list[Run]) -> list[str]:
    """A warning where the runs were not validated on the same samples, as far as settings tell."""
    decide = ("seed", "fold", "data_dir", "calibrate", "size")
    names = [n for n in differences(runs) if n in decide or str(n).startswith("split.")]
    if not names:
        return []
    return [
        f"They differ in {', '.join(names)}, so their validation samples may not be the same ones, "
        "and ranks may compare unlike things.\n"
    ]


def _repeats(runs: list[Run]) -> str:
    rows = [row for by in ("seed", "fold") for row in repeats(runs, by)]
    if not rows:
        return ""
    shown = pd.DataFrame(rows)
    for name in ("mean", "standard deviation"):
        shown[name] = shown[name].map(_score)
    shown["95 % interval"] = [
        f"{_score(low)} – {_score(high)}".strip(" –") for low, high in shown["95 % interval"]
    ]
    return (
        f"## Repeats\n\n{_markdown(shown)}\nRuns that differ in the seed alone, or in the fold "
        "alone; of several with the same one the first counts. The interval of the mean is "
        "bootstrapped over the n runs; with few of them it is narrower than it should be.\n"
    )


def repeats(runs: list[Run], by: str) -> list[dict[str, Any]]:
    """Mean, standard deviation and interval of the test score of runs that differ in ``by`` alone.

    Args:
        runs: of any tasks.
        by: ``seed`` or ``fold``.
    """
    groups: dict[str, dict[str, Run]] = {}
    for of in _by_task([one for one in runs if one.settings]).values():
        settings = [comparable(one) for one in of]
        same = {k for s in settings for k in s if k == by or k.endswith(f".{by}")}
        # datamodule.seed follows seed in all of them; datamodule.simulator.seed stays.
        follows = {k for k in same if all(s.get(k, s.get(by)) == s.get(by) for s in settings)}
        for one, known in zip(of, settings, strict=True):
            rest = json.dumps({k: v for k, v in known.items() if k not in follows}, sort_keys=True)
            groups.setdefault(rest, {}).setdefault(known.get(by, ""), one)
    return [_repeat(group, by) for group in groups.values() if len(group) > 1]


def _repeat(group: dict[str, Run], by: str) -> dict[str, Any]:
    metric = next((one.headline for one in group.values() if one.headline), "")
    found = {value: one.numbers.get(metric) for value, one in group.items()}
    known = {k: v for k, v in found.items() if isinstance(v, int | float) and np.isfinite(v)}
    scores = np.array(list(known.values()), float)
    several = len(scores) > 1
    return {
        "task": next(iter(group.values())).task,
        "runs": ", ".join(one.name for one in group.values()),
        by: ", ".join(group),
        "score": metric,
        "n": len(scores),
        "mean": scores.mean() if len(scores) else np.nan,
        "standard deviation": scores.std(ddof=1) if several else np.nan,
        "95 % interval": bootstrap_interval(scores) if several else (np.nan, np.nan),
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


# Writing


def _markdown(table: pd.DataFrame) -> str:
    """A Markdown table whose cells stay as they are written: 0.2500 keeps its zeros."""
    text = table.astype(str).map(lambda cell: cell.replace("|", r"\|").replace("\n", " "))
    numbers = [text[name].str.fullmatch(r"[-\d.,e]*|NaN|inf").all() for name in text]
    sides = ["right" if number else "left" for number in numbers]
    return str(text.to_markdown(index=False, disable_numparse=True, colalign=sides)) + "\n"


def _bullets(lines: list[str]) -> str:
    return "".join(f"- {line}\n" for line in lines)


def _score(value: Any, form: str = ".4f") -> str:
    """A number as text; empty where there is none."""
    return "" if value is None or pd.isna(value) else format(float(value), form)


def _loss_at(found: Run, epoch: int | None) -> str:
    """A training loss in a sentence: a number, ``NaN``, ``inf``, or – where none was written."""
    loss = float(found.column("train/loss")[epoch])
    return f"{loss:.4f}" if not np.isnan(loss) else "NaN" if epoch in found.nan_epochs else "–"


def _clock(seconds: float | None) -> str:
    return str(timedelta(seconds=round(seconds or 0)))
