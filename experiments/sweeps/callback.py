"""What surrounds a multirun: finished jobs are known again, and the end tells of all of them.

Every run imports this, through conf/hydra/default.yaml: what takes long is imported where needed.
"""

from __future__ import annotations

import shlex
import sys
import textwrap
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from callbacks.checkpoints.signals import STOP_SIGNALS, RunInterrupted
from experiments.launch.errors import SHOW_TRACEBACK
from experiments.launch.run_lock import HELD, hold_lock
from experiments.sweeps.job_status import SWEEP, Job, find_jobs

SUBDIR = "${job_folder:}"
SHOWN_FAILURES = 10


class Sweep(Callback):
    """Hydra's callback around a multirun; it runs where the command was typed."""

    command = ""  # of a sweep that has begun

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Find finished jobs in the sweep folder, and resume its study."""
        with fatal_errors("the sweep could not begin"):
            self._begin(config)

    def _begin(self, config: DictConfig) -> None:
        _refuse_other_subdirs(config)
        folder = Path(config.hydra.sweep.dir)
        hold_lock(folder, SWEEP)
        HELD.enter_context(STOP_SIGNALS.handle())
        self.command = typed(config)
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
        ended_by = sys.exc_info()[1]
        with HELD.pop_all():
            if self.command:
                self._end(config, ended_by)

    def _end(self, config: DictConfig, ended_by: BaseException | None) -> None:
        folder = Path(config.hydra.sweep.dir)
        jobs = find_jobs(folder)
        if not jobs:
            return
        path = _write_report(folder, jobs, config, self.command)
        if isinstance(ended_by, RunInterrupted):
            print(f"Stopped by {ended_by.name}. To resume:\n  {self.command}", flush=True)
            return
        failures = describe_failures(jobs)
        if failures and (ended_by is None or _is_of_a_job(ended_by)):
            again = "The same command runs them again, and no other."
            sys.exit(f"\nerror: {failures}\n{path} has the details. {again}")


@contextmanager
def fatal_errors(what: str) -> Iterator[None]:
    """End the command with an error that Hydra would turn into a warning, with exit code 0."""
    try:
        yield
    except Exception as error:
        if SHOW_TRACEBACK:
            traceback.print_exc()
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        sys.exit(f"\nerror: {what}: {kind}{error}")


def _write_report(folder: Path, jobs: list[Job], config: DictConfig, command: str) -> Path:
    from experiments.sweeps.report import write_sweep

    with fatal_errors(f"{folder / 'sweep.md'} could not be written"):
        path = write_sweep(folder, jobs, config, command)
    print(f"\nSweep: {path}", flush=True)
    return path


def describe_failures(jobs: list[Job]) -> str:
    """Return how many jobs have no result, and one line for each; empty where all finished."""
    failed = [job for job in jobs if job.status != "finished"]
    if not failed:
        return ""
    shown = [f"  {job.folder.name}: {_describe(job)}" for job in failed[:SHOWN_FAILURES]]
    if len(failed) > len(shown):
        shown.append(f"  and {len(failed) - len(shown)} more")
    lines = "\n".join(shown)
    return f"{len(failed)} of {len(jobs)} jobs failed or did not finish:\n{lines}"


def _describe(job: Job) -> str:
    reason = job.error or "killed, or never finished"
    return f"{shlex.join(job.overrides)}: {textwrap.shorten(reason, 300)}"


def _is_of_a_job(error: BaseException) -> bool:
    """Whether a sweep ended because of a job: killed in a launcher's process, or all failed."""
    return isinstance(error, Exception) and not isinstance(error, HydraException)


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
