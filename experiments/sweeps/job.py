"""Run one job of a sweep: it returns a number or NaN, and never ends the sweep."""

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
    LOCK_NAME,
    FolderInUseError,
    describe_process,
    is_locked_by,
    lock_folder,
    read_owner,
)
from experiments.launch.command import validate_job
from experiments.launch.console import logger
from experiments.sweeps.job_status import SWEEP_ACTIVITY, read_status, split_override, write_status
from unvoiced.processes import PARENT_VARIABLE, end_when, end_with_parent

RESULT_FILES = ("checkpoints", "metrics.csv", "metrics.json", "report.md", "error.txt")


def is_job() -> bool:
    """Return whether this run is a job of a multirun."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def run_job(config: DictConfig) -> float:
    """Run a job, unless it is finished, and write how it ended to status.json.

    Returns:
        The number that the sweep optimises; NaN if the job failed or has none. Optuna counts such
        a trial as failed and continues.
    """
    folder = Path(config.run_dir)
    if HydraConfig.initialized():
        hydra = HydraConfig.get()
        end_with_sweep(hydra.launcher._target_, hydra.sweep.dir)
        folder = Path(hydra.runtime.output_dir)  # run_dir= is refused, and may be any folder
    if needs_own_command(config):  # which locks the folder
        return _run_once(config, folder)
    try:
        with lock_folder(folder, "a job of a sweep"):
            return _run_once(config, folder)
    except FolderInUseError as error:
        logger.info(f"\nNot run: {error}")
        return math.nan


@cache  # a process may run several jobs
def end_with_sweep(target: str, folder: str) -> None:
    """End this process with its sweep, if a launcher started it on the same machine."""
    path = Path(folder) / LOCK_NAME
    owner = read_owner(path)
    if owner == describe_process(SWEEP_ACTIVITY):
        return
    if "joblib" in target:
        end_with_parent(os.getppid())
    elif target.endswith("LocalLauncher"):  # submitit has a process in between
        end_when(lambda: not is_locked_by(path, owner))


def _run_once(config: DictConfig, folder: Path) -> float:
    status = read_status(folder)
    if status.get("status") == "finished":
        logger.info(f"Finished before: {folder}")
        return _to_number(status.get("value"))
    _prepare_folder(config, folder, status.get("status"))
    write_status(folder, "unfinished")
    started = time.monotonic()
    try:
        value = _to_number(_run_stage(config, folder))
    except Exception as error:  # the other jobs do not need this one
        _record_failure(folder, error, time.monotonic() - started)
        return math.nan
    finally:
        _clean_up()
    score = value if math.isfinite(value) else None
    write_status(folder, "finished", value=score, seconds=time.monotonic() - started)
    return value


def _to_number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _prepare_folder(config: DictConfig, folder: Path, status: str | None) -> None:
    """Resume a killed job from its last epoch; remove the results of a failed one."""
    if config.stage == "fit" and not config.resume:
        if status == "unfinished" and (folder / "checkpoints" / "last.ckpt").is_file():
            config.resume = str(folder)
            return
        for name in RESULT_FILES:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _run_stage(config: DictConfig, folder: Path) -> float | None:
    validate_job(config)
    if needs_own_command(config):
        return _run_command(config, folder)
    from experiments.stages import run_stage

    return run_stage(config)


def needs_own_command(config: DictConfig) -> bool:
    """Return whether the job trains on several devices, and so needs its own command."""
    return config.trainer.strategy != "auto" or config.trainer.devices != 1


def _run_command(config: DictConfig, folder: Path) -> float | None:
    """Run the job as a command.

    With several devices, Lightning starts the other processes with the command of this process,
    which would be the whole sweep.
    """
    from experiments.runs.run_folder import read_run

    typed = HydraConfig.get().overrides.task
    overrides = [text for text in typed if split_override(text)[0] != "resume"]
    resume = [f"resume={folder}"] if config.resume else []
    labels = [f"run_group='{config.run_group}'", f"run_name='{config.run_name}'"]
    given = {split_override(text)[0] for text in overrides}
    labels = [text for text in labels if split_override(text)[0] not in given]
    command = [*overrides, *resume, *labels, f"hydra.run.dir='{folder}'"]
    command.append("hydra.output_subdir=null")
    environment = os.environ | {PARENT_VARIABLE: str(os.getpid())}
    run_file = Path(__file__).parents[2] / "run.py"
    done = subprocess.run(  # noqa: S603 (the command of this very run)
        [sys.executable, str(run_file), *command],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "rror" in line]
        raise ValueError(lines[-1].removeprefix("error: ") if lines else done.stderr[-500:])
    return read_run(folder).numbers.get(config.monitor.metric)


def _record_failure(folder: Path, error: Exception, seconds: float) -> None:
    line = " ".join(f"{type(error).__name__}: {error}".split())
    (folder / "error.txt").write_text(f"{line}\n\n{traceback.format_exc()}", encoding="utf-8")
    write_status(folder, "failed", error=line, seconds=seconds)
    logger.info(f"\nFailed: {folder}: {line}")


def _clean_up() -> None:
    """Release state that the next job of this process must not share."""
    wandb = sys.modules.get("wandb")
    if wandb is not None and getattr(wandb, "run", None) is not None:
        wandb.finish()
    gc.collect()  # modules and trainers refer to each other
