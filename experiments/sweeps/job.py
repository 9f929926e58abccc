"""One job of a sweep: it ends with a number or with NaN, and never ends the sweep."""

from __future__ import annotations

import gc
import math
import os
import shutil
import subprocess
import sys
import time
import traceback
from functools import cache
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from datamodules.store.locks import (
    LOCK,
    FolderInUseError,
    describe_self,
    is_locked_by,
    lock_folder,
    read_owner,
)
from experiments.launch.command import validate_job
from experiments.launch.console import tell
from experiments.sweeps.job_status import SWEEP, read_status, write_status
from unvoiced.processes import PARENT_VARIABLE, end_when, end_with_parent

NAN = float("nan")
RUN = Path(__file__).parents[2] / "run.py"
LEFT_OVER = ("checkpoints", "metrics.csv", "metrics.json", "report.md", "error.txt")


def is_job() -> bool:
    """Whether this run is one of a multirun."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def run_job(config: DictConfig) -> float:
    """Run a job and record in status.json how it ended; a finished job is not run again.

    Returns:
        The number that the sweep optimises; NaN where the job failed or has none. Optuna counts
        such a trial as failed and goes on.
    """
    if HydraConfig.initialized():
        hydra = HydraConfig.get()
        end_with_sweep(hydra.launcher._target_, hydra.sweep.dir)
    folder = Path(config.run_dir)
    if runs_apart(config):  # the command of its own locks the folder
        return _run_once(config, folder)
    try:
        with lock_folder(folder, "a job of a sweep"):
            return _run_once(config, folder)
    except FolderInUseError as error:
        tell(f"\nNot run: {error}")
        return NAN


@cache  # a process may run several jobs
def end_with_sweep(target: str, folder: str) -> None:
    """End this process with its sweep, where a launcher started it on the same machine."""
    path = Path(folder) / LOCK
    owner = read_owner(path)
    if owner == describe_self(SWEEP):
        return
    if "joblib" in target:
        end_with_parent(os.getppid())
    elif target.endswith("LocalLauncher"):  # of submitit, whose jobs have a parent in between
        end_when(lambda: not is_locked_by(path, owner))


def _run_once(config: DictConfig, folder: Path) -> float:
    known = read_status(folder)
    if known.get("status") == "finished":
        tell(f"Finished before: {folder}")
        return _number(known.get("value"))
    _make_ready(config, folder, known.get("status"))
    write_status(folder, "unfinished")
    start = time.monotonic()
    try:
        value = _number(_run(config, folder))
    except Exception as error:  # whatever it is, the other jobs can do without this one
        _record_failure(folder, error, time.monotonic() - start)
        return NAN
    finally:
        _tidy_up()
    kept = value if math.isfinite(value) else None
    write_status(folder, "finished", value=kept, seconds=time.monotonic() - start)
    return value


def _number(value: float | None) -> float:
    return NAN if value is None else float(value)


def _make_ready(config: DictConfig, folder: Path, status: str | None) -> None:
    """A job that was killed goes on from its last epoch; one that failed begins anew."""
    if config.stage == "fit" and not config.resume:
        if status == "unfinished" and (folder / "checkpoints" / "last.ckpt").is_file():
            config.resume = str(folder)
            return
        for name in LEFT_OVER:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _run(config: DictConfig, folder: Path) -> float | None:
    validate_job(config)
    if runs_apart(config):
        return _run_apart(config, folder)
    from experiments.stages import run_stage

    return run_stage(config)


def runs_apart(config: DictConfig) -> bool:
    """Whether the job trains on several devices, and so is a command of its own."""
    return config.trainer.strategy != "auto" or config.trainer.devices != 1


def _run_apart(config: DictConfig, folder: Path) -> float | None:
    """The job as a command of its own.

    Where it trains on several devices, Lightning starts the other processes with the command that
    this one was started with, and that is the whole sweep.
    """
    from experiments.runs.run_folder import read_run

    overrides = [text for text in HydraConfig.get().overrides.task if _key(text) != "resume"]
    again = [f"resume={folder}"] if config.resume else []
    command = [*overrides, *again, f"hydra.run.dir='{folder}'", "hydra.output_subdir=null"]
    environment = os.environ | {PARENT_VARIABLE: str(os.getpid())}
    done = subprocess.run(  # noqa: S603 (the command of this very run)
        [sys.executable, str(RUN), *command],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "rror" in line]
        raise ValueError(lines[-1].removeprefix("error: ") if lines else done.stderr[-500:])
    return read_run(folder).numbers.get(config.monitor.metric)


def _key(override: str) -> str:
    return override.lstrip("+~").partition("=")[0]


def _record_failure(folder: Path, error: Exception, seconds: float) -> None:
    line = " ".join(f"{type(error).__name__}: {error}".split())
    (folder / "error.txt").write_text(f"{line}\n\n{traceback.format_exc()}", encoding="utf-8")
    write_status(folder, "failed", error=line, seconds=seconds)
    tell(f"\nFailed: {folder}: {line}")


def _tidy_up() -> None:
    """End what would reach into the next job of this process."""
    wandb = sys.modules.get("wandb")
    if wandb is not None and getattr(wandb, "run", None) is not None:
        wandb.finish()
    gc.collect()  # modules and trainers refer to each other
