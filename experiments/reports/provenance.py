"""The origin of a run's numbers: command, code, versions, machine, data, and time."""

from __future__ import annotations

import os
import platform
import subprocess
import time
import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import lightning as L
import torch

from callbacks.run_clock import (
    RunClock,
    RunTimes,
    find_run_clock,
    format_start,
    reset_peak_gpu_memory,
)
from datamodules.base import PreparedDataModule
from datamodules.simulated_sets import simulated_set
from datamodules.store.fingerprint import hash_set
from datamodules.store.joined import list_folders
from experiments.launch.typed_command import format_overrides, format_typed_command
from experiments.reports.observations import find_milestones
from experiments.reports.training_curve import TrainingCurve
from unvoiced.processes import reset_peak_memory

CHECKOUT = Path(__file__).parents[2]
PACKAGES = ("unvoiced", "torch", "lightning", "hydra-core", "torchmetrics", "numpy", "pandas")
GIT_TIMEOUT_S = 10


@dataclass
class RunRecord:
    """Facts on a run that are known before it ends; create it first of all.

    Attributes:
        started_at: ``time.monotonic()`` at the start.
        git: of ``read_git_state``.
        trainer, data: set by ``watch``; ``data`` is the hash of each prepared set.
    """

    started_at: float = field(default_factory=time.monotonic)
    git: dict[str, Any] = field(default_factory=lambda: read_git_state(CHECKOUT))
    trainer: L.Trainer | None = None
    data: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        reset_peak_memory()
        reset_peak_gpu_memory()

    def record_run(self, trainer: L.Trainer, data: PreparedDataModule) -> None:
        """Note the trainer and the data before anything is trained or tested."""
        self.trainer = trainer
        self.data = hash_data(data)
        clock = find_run_clock(trainer)
        if clock is not None:
            clock.begin_at(self.started_at)

    def describe(self, curve: TrainingCurve) -> dict[str, Any]:
        """Return the facts for metrics.json, as plain data; null for those that are unknown."""
        trainer = self.trainer
        assert trainer is not None, "watch comes first"
        times = self._measure(trainer)
        origin = {"command": format_typed_command()}
        if times.resumes:
            origin["resumed_command"] = format_overrides()
        return {
            **origin,
            "started": format_start(times.started),
            "resumes": times.resumes,
            "seconds": times.seconds,
            **describe_speed(times, curve, trainer.world_size),
            "peak_memory_mb": times.memory_mb,
            "peak_gpu_memory_mb": times.gpu_memory_mb,
            "device": describe_device(trainer),
            "devices": trainer.world_size,
            "precision": str(trainer.precision),
            "versions": read_versions(),
            "git": self.git,
            "data": self.data,
        }

    def _measure(self, trainer: L.Trainer) -> RunTimes:
        clock = find_run_clock(trainer)
        if clock is None:
            clock = RunClock()
            clock.begin_at(self.started_at)
        return clock.measure()


def hash_data(data: PreparedDataModule) -> dict[str, str]:
    """Return the hash of each prepared set by its folder; of a simulated one by ``simulated``."""
    folders = {name: Path(name) for name in list_folders(data.data_dir or [])}
    if not folders or data.simulated_share:
        folders["simulated"] = simulated_set(data.simulator, data.task)
    return {name: hash_set(folder) for name, folder in folders.items()}


def describe_speed(times: RunTimes, curve: TrainingCurve, processes: int) -> dict[str, Any]:
    """Return durations and rates of training; empty if nothing was trained.

    Args:
        times: of one process.
        curve: the epochs.
        processes: that trained on as many samples each.
    """
    if not times.training_s or not times.batches:
        return {}
    ends = times.epoch_ends
    return {
        "training_seconds": times.training_s,
        "seconds_to_best": ends.get(curve.best or 0),
        "milestones": [
            {"epoch": epoch, "reached": goal, "seconds": ends.get(epoch)}
            for epoch, goal in find_milestones(curve).items()
        ],
        "steps_per_second": round(times.batches / times.training_s, 3),
        "samples_per_second": round(processes * times.samples / times.training_s, 3),
        "waiting_share": round(times.waiting_s / times.training_s, 4),
    }


def describe_device(trainer: L.Trainer) -> str:
    """Return the processor or GPU, and the number of threads."""
    device = trainer.strategy.root_device
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{device.type} ({platform.machine() or 'unknown'}, threads: {threads})"


@cache
def read_versions() -> dict[str, str | None]:
    """Return the versions of Python and the main packages; None for those not installed."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:  # of the project itself: it runs from a checkout
            versions[name] = None
    project = CHECKOUT / "pyproject.toml"
    if project.is_file():
        versions["unvoiced"] = tomllib.loads(project.read_text("utf-8"))["project"]["version"]
    return versions


@cache  # the code of a process does not change with the files
def read_git_state(folder: Path) -> dict[str, Any]:
    """Return commit and cleanliness of a checkout; None and the reason if git reports nothing.

    Args:
        folder: the root of the checkout. A folder within another repository is no checkout.
    """
    unknown = {"commit": None, "is_clean": None}
    if not (folder / ".git").exists():
        return unknown | {"note": "the code is not a git checkout"}
    command = ["git", "-C", str(folder), "--no-optional-locks", "status", "--porcelain=v2"]
    own = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}  # as in a git hook
    try:
        done = subprocess.run(  # noqa: S603 (a fixed command)
            [*command, "--branch"],
            env=own,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return unknown | {"note": "git is not installed or did not answer"}
    if done.returncode:  # such as a repository of another owner
        return unknown | {"note": "git refused to read the checkout"}
    lines = done.stdout.splitlines()
    commits = [line.split()[-1] for line in lines if line.startswith("# branch.oid")]
    commits = [commit for commit in commits if commit != "(initial)"]  # of no commit yet
    is_clean = all(line.startswith("#") for line in lines)
    return {"commit": commits[0] if commits else None, "is_clean": is_clean, "note": ""}
