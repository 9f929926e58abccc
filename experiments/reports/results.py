"""The final numbers of a run: metrics.json, and the facts that the report is written from."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig

from datamodules.base import PreparedDataModule
from experiments.checkpoints.card import ModelCard
from experiments.launch.console import tell
from modules.base import TaskModule


@dataclass
class Results:
    """What a run left: read from its folder, so that a resumed run is told as a whole.

    Attributes:
        folder: the run folder.
        card: what the checkpoint says of itself.
        numbers: what metrics.json holds.
        counts: samples a split, class and group.
        wrong: sentences on what went wrong.
        primary_metric: the metric that the run is judged by, without ``test/``.
        primary_metric_name: what people call it.
    """

    folder: Path
    card: ModelCard
    numbers: dict[str, Any]
    counts: pd.DataFrame
    wrong: list[str] = field(default_factory=list)
    primary_metric: str = "acc"
    primary_metric_name: str = "accuracy"

    @property
    def epochs(self) -> pd.DataFrame:
        """metrics.csv, indexed by epoch; empty where nothing was trained."""
        path = self.folder / "metrics.csv"
        return pd.read_csv(path, index_col="epoch") if path.exists() else pd.DataFrame()

    @property
    def predictions(self) -> pd.DataFrame:
        """predictions.csv; empty where nothing was tested."""
        return read_predictions(self.folder)


def read_predictions(folder: Path) -> pd.DataFrame:
    """Return predictions.csv of a run folder; empty where nothing was tested."""
    path = folder / "predictions.csv"
    names = ("id", "group", "label", "prediction", "runner_up", "reference", "nearest")
    text = dict.fromkeys(names, str)
    if not path.exists():
        return pd.DataFrame(columns=list(text))
    return pd.read_csv(path, dtype=text, keep_default_na=False)


def gather(
    config: DictConfig,
    module: TaskModule,
    data: PreparedDataModule,
    scores: dict[str, float],
    wrong: list[str],
) -> Results:
    """Put a finished run's facts together and write metrics.json."""
    folder = Path(config.run_dir)
    judged_by = (module.primary_metric, module.primary_metric_name)
    results = Results(folder, module.card, {}, data.counts(), wrong, *judged_by)
    table, metric = results.epochs, config.monitor.metric
    numbers: dict[str, Any] = {
        "task": config.task,
        "parameters": count_parameters(module),
        "epochs": len(table),
        "best_epoch": best_epoch(table, metric, config.monitor.mode),
        "simulated": data.prepared.simulated,
        "trained_on_simulated": module.card.simulated,
    }
    if numbers["best_epoch"] is not None:
        numbers |= table.loc[numbers["best_epoch"]].dropna().to_dict()
    # A test whose samples are all of one recording has no interval: null in JSON.
    numbers |= {name: None if math.isnan(value) else value for name, value in scores.items()}
    for name in COUNTS & numbers.keys():
        numbers[name] = int(numbers[name])
    results.numbers = numbers
    text = json.dumps(numbers, indent=2) + "\n"
    (folder / "metrics.json").write_text(text, encoding="utf-8")
    return results


def count_parameters(module: TaskModule) -> int:
    """Numbers that the network learned; an exported file says how many in its metadata."""
    if module.takes_stored_frames:
        return int(module.net.network.about.get("parameters", 0))
    return sum(parameter.numel() for parameter in module.net.parameters())


def best_epoch(table: pd.DataFrame, metric: str, mode: str) -> int | None:
    """Return the last epoch with the best value of ``metric``; None where there is none."""
    values = table[metric].dropna() if metric in table else pd.Series(dtype=float)
    if values.empty:
        return None
    best = values.max() if mode == "max" else values.min()
    return int(str(values.index[values == best][-1]))


def warn_of_untrained(data: PreparedDataModule) -> list[str]:
    """What the set holds and the model never saw counts as errors, and is named."""
    note = data.unseen_class_warning()
    if note:
        tell(f"warning: {note}")
    return [note] if note else []


def tell_scores(module: TaskModule, scores: dict[str, float]) -> None:
    """The line that people wait for."""
    name = f"test/{module.primary_metric}"
    tell(
        f"Test: {module.primary_metric_name} {scores[name]:.4f} of {int(scores['test/n']):,} "
        f"samples ({interval_of(name, scores)})"
    )


def tell_validation(module: TaskModule, scores: dict[str, float], count: int) -> None:
    """Print the score of ``count`` validation samples."""
    score = f"{module.primary_metric_name} {scores[f'val/{module.primary_metric}']:.4f}"
    tell(f"Validation: {score} of {count:,} samples")


COUNTS = {"test/n", *(f"{p}/seen_{of}" for p in ("val", "test") for of in ("n", "groups"))}
NO_INTERVAL = "no interval: a single group, whose recordings are unknown or only one"


def interval_of(name: str, scores: dict[str, Any]) -> str:
    """Return the 95 % interval of a score in words, or why there is none."""
    low, high = scores[f"{name}_low"], scores[f"{name}_high"]
    if low is None or high is None or math.isnan(low):
        return NO_INTERVAL
    return f"95 % interval {low:.4f} to {high:.4f}"
