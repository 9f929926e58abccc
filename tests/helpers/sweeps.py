"""Write the folders of sweeps and their jobs."""

from __future__ import annotations

from pathlib import Path

from omegaconf import OmegaConf

from experiments.sweeps.job_status import write_status
from tests.helpers.runs import make_epoch_table, make_metrics, write_run_folder

SMOKE_OVERRIDES = (
    *("debug=smoke", "callbacks.periodic=null", "callbacks.confidence=null"),
    *("callbacks.confusion_matrix=null", "callbacks.prediction_figures=null"),
)


def write_job(
    folder: Path, overrides: list[str], status: str | None = None, **about: object
) -> Path:
    """Write the files that Hydra and a job leave in the job's folder."""
    (folder / ".hydra").mkdir(parents=True, exist_ok=True)
    (folder / ".hydra" / "overrides.yaml").write_text(OmegaConf.to_yaml(overrides))
    config = {"task": "asl", "monitor": {"metric": "val/acc", "mode": "max"}}
    (folder / ".hydra" / "config.yaml").write_text(OmegaConf.to_yaml(config))
    if status:
        write_status(folder, status, **about)
    return folder


def write_trained_job(folder: Path, value: float, overrides: list[str], **about: object) -> Path:
    """Write the folder of a finished job with the score ``value``."""
    metric = "val/wer" if about.get("mode") == "min" else "val/acc"
    numbers = make_metrics(value) | {metric: value, "best_epoch": 1}
    write_run_folder(folder, make_epoch_table([value], metric), numbers, **about)
    return write_job(folder, overrides, "finished", value=value, seconds=2.0)


def make_multirun(folder: Path, *overrides: str, sweeper: str = "basic"):
    """Return the parts of a multirun's configuration that the code reads."""
    hydra = {"sweep": {"dir": str(folder)}, "sweeper": {"_target_": sweeper, "storage": None}}
    hydra["sweeper"] |= {"n_trials": 4, "n_jobs": 1}
    hydra["overrides"] = {"task": list(overrides), "hydra": ["hydra.mode=MULTIRUN"]}
    return OmegaConf.create({"hydra": hydra})
