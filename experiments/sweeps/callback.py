"""What surrounds a multirun: finished jobs are known again, and the end tells of all of them.

Every run imports this, through conf/hydra/default.yaml: what takes long is imported where needed.
"""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from experiments.sweeps.job_status import Job, find_jobs

SUBDIR = "${job_folder:}"


class Sweep(Callback):
    """Hydra's callback around a multirun; it runs where the command was typed."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Look at what the sweep folder holds; a study goes on where it was."""
        self.command = typed(config)
        _refuse_other_subdirs(config)
        folder = Path(config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        jobs = find_jobs(folder)
        register_job_folder(jobs)
        finished = sum(job.status == "finished" for job in jobs)
        if jobs:
            print(f"{folder}: {finished} finished jobs are not run again", flush=True)
        if "optuna" in config.hydra.sweeper._target_:
            from experiments.sweeps.study import go_on

            go_on(config)

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Write sweep.csv, sweep.md and sweep.png; failed jobs make the command fail."""
        folder, ended_by = Path(config.hydra.sweep.dir), sys.exc_info()[1]
        jobs = find_jobs(folder)
        if not jobs:
            return
        from experiments.sweeps.report import write_sweep

        told = write_sweep(folder, jobs, config, self.command)
        print(f"\nSweep: {told}", flush=True)
        failed = sum(job.status == "failed" for job in jobs)
        if failed and (ended_by is None or "No trials are completed" in str(ended_by)):
            sys.exit(f"\nerror: {failed} of {len(jobs)} jobs failed; {told} says which, and why")


def typed(config: DictConfig) -> str:
    """The command as it was typed; the sweep folder is named also where it was not."""
    own = ("hydra.mode=", "hydra.sweep.dir=")
    hydra = [text for text in config.hydra.overrides.hydra if not text.startswith(own)]
    folder = f"hydra.sweep.dir={config.hydra.sweep.dir}"
    return f"python run.py -m {shlex.join([*config.hydra.overrides.task, *hydra, folder])}"


def _refuse_other_subdirs(config: DictConfig) -> None:
    sweep = OmegaConf.to_container(config.hydra.sweep, resolve=False)
    if isinstance(sweep, dict) and sweep["subdir"] != SUBDIR:
        sys.exit(
            f"\nerror: hydra.sweep.subdir={sweep['subdir']}: the jobs of a sweep have numbered "
            "folders, by which finished jobs are known again; set hydra.sweep.dir alone"
        )


def register_job_folder(jobs: list[Job]) -> None:
    """Let ``${job_folder:}`` name the folder of a job, given the ``jobs`` that are there already.

    Hydra takes the resolvers of the first process along to every other, whatever the launcher.
    """
    in_order = sorted(jobs, key=lambda job: job.status == "finished")  # of equals, the finished
    known = {job.same_as: job.folder.name for job in in_order}
    numbers = [int(job.folder.name) for job in jobs if job.folder.name.isdecimal()]
    resolver = partial(job_folder, known=known, first=max(numbers, default=-1) + 1)
    OmegaConf.register_resolver("job_folder", resolver, replace=True)


def job_folder(*, _root_: DictConfig, known: dict[tuple[str, ...], str], first: int) -> str:
    """The folder that a job with the same overrides had, else a number after all that are taken."""
    same = tuple(sorted(_root_.hydra.overrides.task))
    return known.get(same) or str(first + _root_.hydra.job.num)
