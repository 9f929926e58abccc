"""Train smoke models and write run folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from filelock import FileLock

from experiments.stages import run_stage
from tests.helpers.compose import compose_command


def train_smoke(folder: Path, *overrides: str) -> Path:
    """Train briefly and return best.ckpt."""
    run_stage(compose_command("debug=smoke", *overrides, run_dir=folder))
    return folder / "checkpoints" / "best.ckpt"


def share_smoke_run(folder: Path, *overrides: str) -> Path:
    """Return the folder of a brief training that all test processes share."""
    finished = folder.with_name(f"{folder.name}_finished")
    with FileLock(f"{folder}.lock"):
        if not finished.exists():
            train_smoke(folder, *overrides)
            finished.touch()
    return folder


def make_metric_table(rows: list[tuple], metric: str = "val/acc") -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["epoch", metric, "train/loss", "lr-AdamW"])


def make_epoch_table(scores: list[float], metric: str = "val/acc") -> pd.DataFrame:
    losses = np.linspace(3, 1, len(scores))
    return make_metric_table([(n + 1, s, losses[n], 0.001) for n, s in enumerate(scores)], metric)


def write_run_folder(
    folder: Path,
    epochs: pd.DataFrame | str | None,
    numbers: dict | None = None,
    checkpoints: tuple[str, ...] = ("best", "last"),
    mode: str = "max",
    **settings: object,
) -> Path:
    """Write a run folder."""
    (folder / "checkpoints").mkdir(parents=True)
    metric = "val/acc" if not isinstance(epochs, pd.DataFrame) else epochs.columns[1]
    seed = settings.get("seed", 0)
    about = {
        "stage": "fit",
        "task": "asl",
        "run_dir": str(folder),
        "run_id": f"id of {folder.name}",
    }
    about |= {"monitor": {"metric": metric, "mode": mode}, "seed": seed, "fold": 0}
    about |= {"datamodule": {"seed": seed, "simulator": {"seed": 0}}}
    about |= {"logger": {"csv": {"path": f"{folder}/metrics.csv"}}}
    (folder / "config.yaml").write_text(yaml.safe_dump(about | settings))
    if isinstance(epochs, pd.DataFrame):
        epochs.to_csv(folder / "metrics.csv", index=False)
    elif epochs is not None:
        (folder / "metrics.csv").write_text(epochs)
    if numbers is not None:
        (folder / "metrics.json").write_text(json.dumps(numbers))
    for name in checkpoints:
        (folder / "checkpoints" / f"{name}.ckpt").write_bytes(bytes(250_000))
    return folder


def make_metrics(score: float) -> dict:
    low, high = score - 0.05, score + 0.05
    return {
        "task": "asl",
        "parameters": 1234567,
        "test/acc": score,
        "test/acc_low": low,
        "test/acc_high": high,
        "test/n": 1500,
    }


def read_metrics(run_folder: Path) -> dict[str, Any]:
    """Return metrics.json of a run."""
    return json.loads((run_folder / "metrics.json").read_text())


def read_scores(run_folder: Path) -> dict[str, Any]:
    """Return metrics.json of a run without the facts on the run, such as its duration."""
    return {k: v for k, v in read_metrics(run_folder).items() if k != "run"}
