"""The results of a run: metrics.json, and the facts for the report."""

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
from experiments.launch.console import logger
from experiments.reports.provenance import RunRecord
from experiments.reports.training_curve import TrainingCurve
from modules.base import TaskModule


@dataclass
class Results:
    """Results of a run, read from its folder, so that they cover a resumed run as a whole.

    Attributes:
        folder: the run folder.
        card: of the model.
        counts: samples by split, class and group.
        curve: the epochs; without rows if nothing was trained.
        warnings: sentences on problems of the run.
        primary_metric: the metric that the task is judged by, without ``test/``.
        primary_metric_name: its name in sentences.
        numbers: content of metrics.json.
    """

    folder: Path
    card: ModelCard
    counts: pd.DataFrame
    curve: TrainingCurve
    warnings: list[str]
    primary_metric: str
    primary_metric_name: str
    numbers: dict[str, Any] = field(default_factory=dict)

    @property
    def predictions(self) -> pd.DataFrame:
        """predictions.csv; empty if nothing was tested."""
        return read_predictions(self.folder)


def read_predictions(folder: Path) -> pd.DataFrame:
    """Read predictions.csv of a run folder; return an empty table if there is none."""
    path = folder / "predictions.csv"
    names = ("id", "group", "label", "prediction", "runner_up", "reference", "nearest")
    if not path.exists():
        return pd.DataFrame(columns=list(names))
    return pd.read_csv(path, dtype=dict.fromkeys(names, str), keep_default_na=False)


def collect_results(
    config: DictConfig,
    module: TaskModule,
    data: PreparedDataModule,
    scores: dict[str, float],
    warnings: list[str],
    record: RunRecord,
) -> Results:
    """Collect the results of a finished run and write metrics.json."""
    folder = Path(config.run_dir)
    path = folder / "metrics.csv"
    table = pd.read_csv(path, index_col="epoch") if path.exists() else pd.DataFrame()
    curve = TrainingCurve(table, config.monitor.metric, config.monitor.mode)
    names = (module.primary_metric, module.primary_metric_name)
    results = Results(folder, module.card, data.count_samples(), curve, warnings, *names)
    results.numbers = _collect_numbers(config, module, data, curve) | {
        # A test with samples of only one recording has no interval: null in JSON.
        name: None if math.isnan(value) else value
        for name, value in scores.items()
    }
    for name, value in results.numbers.items():
        if name.endswith(("/n", "_n", "/seen_groups")):
            results.numbers[name] = int(value)
    results.numbers["run"] = record.describe(curve)
    text = json.dumps(results.numbers, indent=2) + "\n"
    (folder / "metrics.json").write_text(text, encoding="utf-8")
    return results


def _collect_numbers(
    config: DictConfig, module: TaskModule, data: PreparedDataModule, curve: TrainingCurve
) -> dict[str, Any]:
    numbers: dict[str, Any] = {
        "task": config.task,
        "parameters": count_parameters(module),
        "epochs": len(curve.epochs),
        "best_epoch": curve.best,
        "simulated": data.prepared.simulated,
        "trained_on_simulated": module.card.simulated,
    }
    best = curve.epochs.loc[curve.best].dropna().to_dict() if curve.best is not None else {}
    return numbers | best


def count_parameters(module: TaskModule) -> int:
    """Return the number of the network's parameters; exported files have it in their metadata."""
    if module.takes_stored_frames:
        return int(module.net.network.metadata.get("parameters", 0))
    return sum(parameter.numel() for parameter in module.net.parameters())


def warn_unseen_classes(data: PreparedDataModule) -> list[str]:
    """Print and return a warning on classes without training data, which count as errors."""
    note = data.unseen_class_warning()
    if note:
        logger.warning(note)
    return [note] if note else []


def print_test_score(module: TaskModule, scores: dict[str, float]) -> None:
    """Print the primary metric of the test with its interval."""
    name = f"test/{module.primary_metric}"
    logger.info(
        f"Test: {module.primary_metric_name} {scores[name]:.4f} of {int(scores['test/n']):,} "
        f"samples ({describe_interval(name, scores)}){describe_holds(scores)}"
    )


def print_validation_score(module: TaskModule, scores: dict[str, float], count: int) -> None:
    """Print the primary metric of ``count`` validation samples."""
    score = f"{module.primary_metric_name} {scores[f'val/{module.primary_metric}']:.4f}"
    logger.info(f"Validation: {score} of {count:,} samples")


def describe_holds(scores: dict[str, Any]) -> str:
    """Return the accuracy of holds after that of single frames; empty if there are none."""
    if "test/hold_acc" not in scores:
        return ""
    count = int(scores["test/hold_n"])
    return f", {scores['test/hold_acc']:.4f} of {count:,} holds of up to six frames"


def describe_interval(name: str, scores: dict[str, Any]) -> str:
    """Return the 95 % interval of a score in words, or why there is none."""
    low, high = scores[f"{name}_low"], scores[f"{name}_high"]
    if low is None or high is None or math.isnan(low):
        return "no interval: a single group, whose recordings are unknown or only one"
    return f"95 % interval {low:.4f} to {high:.4f}"
