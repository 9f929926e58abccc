"""Hydra callback around a multirun: find finished jobs before it, write sweep.md after it.

Every run imports this, through conf/hydra/default.yaml: slow imports are in functions.
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
from experiments.launch.run_lock import HELD_LOCK, hold_lock
from experiments.result_tables.plan import has_tables, refuse_swept_tables
from experiments.sweeps.job_status import SWEEP_ACTIVITY, Job, find_jobs

SHOWN_FAILURES = 10


class Sweep(Callback):
    """Hydra's callback around a multirun, in the process of the command."""

    command = ""  # of a sweep that has started

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Find finished jobs in the sweep folder, and resume its study."""
        with fatal_errors("the sweep cannot start"):
            self._start_sweep(config)

    def _start_sweep(self, config: DictConfig) -> None:
        _require_numbered_folders(config)
        refuse_swept_tables(config)
        folder = Path(config.hydra.sweep.dir)
        hold_lock(folder, SWEEP_ACTIVITY)
        HELD_LOCK.enter_context(STOP_SIGNALS.handle())
        self.command = format_command(config)
        if has_tables(config):
            self._plan_tables(config)
        jobs = find_jobs(folder)
        register_job_folder(jobs)
        finished = sum(job.status == "finished" for job in jobs)
        if jobs:
            print(f"{folder}: {finished} finished jobs are not run again", flush=True)
        if "optuna" in config.hydra.sweeper._target_:
            from experiments.sweeps.study import resume_study

            resume_study(config)

    def _plan_tables(self, config: DictConfig) -> None:
        """Choose the sweeper of ``results=``, and refuse a plan that cannot be measured."""
        from hydra.core.plugins import Plugins
        from omegaconf import read_write

        from experiments.launch.settings.schema import validate_key
        from experiments.result_tables.plan import list_cells
        from experiments.result_tables.sweeper import TableSweeper

        if "optuna" in config.hydra.sweeper._target_:
            raise ValueError("results= and sweep= exclude each other. Leave one of them out.")
        validate_key(config, "results")
        list_cells(config)
        Plugins.instance().register(TableSweeper)
        target = f"{TableSweeper.__module__}.{TableSweeper.__name__}"
        with read_write(config.hydra):  # here and in the overrides that compose jobs
            config.hydra.sweeper._target_ = target
            config.hydra.overrides.hydra.append(f"hydra.sweeper._target_={target}")

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Write sweep.csv, sweep.md and sweep.png; failed jobs make the command fail."""
        ended_by = sys.exc_info()[1]
        with HELD_LOCK.pop_all():
            if self.command:
                self._finish_sweep(config, ended_by)

    def _finish_sweep(self, config: DictConfig, ended_by: BaseException | None) -> None:
        folder = Path(config.hydra.sweep.dir)
        jobs = find_jobs(folder)
        if not jobs:
            return
        path = _write_report(folder, jobs, config, self.command)
        if has_tables(config):
            _write_tables(folder, jobs, config)
        if isinstance(ended_by, RunInterrupted):
            print(f"Stopped by {ended_by.name}. To resume:\n  {self.command}", flush=True)
            return
        failures = describe_failures(jobs)
        if failures and (ended_by is None or _is_job_error(ended_by)):
            advice = "The same command runs these jobs again, and no others."
            sys.exit(f"\nerror: {failures}\n{path} has the details. {advice}")


@contextmanager
def fatal_errors(problem: str) -> Iterator[None]:
    """Exit with an error where Hydra would print a warning and exit with code 0."""
    try:
        yield
    except Exception as error:
        if SHOW_TRACEBACK:
            traceback.print_exc()
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        sys.exit(f"\nerror: {problem}: {kind}{error}")


def _write_report(folder: Path, jobs: list[Job], config: DictConfig, command: str) -> Path:
    from experiments.sweeps.report import write_sweep

    with fatal_errors(f"cannot write {folder / 'sweep.md'}"):
        path = write_sweep(folder, jobs, config, command)
    print(f"\nSweep: {path}", flush=True)
    return path


def _write_tables(folder: Path, jobs: list[Job], config: DictConfig) -> None:
    with fatal_errors(f"cannot write {folder / 'results.json'}"):
        from experiments.result_tables.collect import write_tables

        write_tables(folder, jobs, config)
    print(f"Results: {folder / 'results.json'}", flush=True)


def describe_failures(jobs: list[Job]) -> str:
    """Return the number of jobs without a result, and a line for each; empty if there are none."""
    failed = [job for job in jobs if job.status != "finished"]
    if not failed:
        return ""
    shown = [f"  {job.folder.name}: {_describe_job(job)}" for job in failed[:SHOWN_FAILURES]]
    if len(failed) > len(shown):
        shown.append(f"  and {len(failed) - len(shown)} more")
    lines = "\n".join(shown)
    return f"{len(failed)} of {len(jobs)} jobs failed or did not finish:\n{lines}"


def _describe_job(job: Job) -> str:
    reason = job.error or "killed, or never finished"
    return f"{shlex.join(job.overrides)}: {textwrap.shorten(reason, 300)}"


def _is_job_error(error: BaseException) -> bool:
    """Return whether a job ended the sweep: killed in a launcher's process, or all failed."""
    return isinstance(error, Exception) and not isinstance(error, HydraException)


def format_command(config: DictConfig) -> str:
    """Return the command as it was typed, always with the sweep folder."""
    replaced = ("hydra.mode=", "hydra.sweep.dir=")
    hydra = [text for text in config.hydra.overrides.hydra if not text.startswith(replaced)]
    folder = f"hydra.sweep.dir={config.hydra.sweep.dir}"
    return f"python run.py -m {shlex.join([*config.hydra.overrides.task, *hydra, folder])}"


def _require_numbered_folders(config: DictConfig) -> None:
    sweep = OmegaConf.to_container(config.hydra.sweep, resolve=False)
    if isinstance(sweep, dict) and sweep["subdir"] != "${job_folder:}":
        sys.exit(
            f"\nerror: hydra.sweep.subdir={sweep['subdir']}: the jobs of a sweep have numbered "
            "folders, by which finished jobs are recognized. Set hydra.sweep.dir instead"
        )


def register_job_folder(jobs: list[Job]) -> None:
    """Let ``${job_folder:}`` resolve to the folder of a job, given the existing ``jobs``.

    Hydra copies the resolvers of the first process to all others, with any launcher.
    """
    in_order = sorted(jobs, key=lambda job: job.status == "finished")  # of equals the finished
    known = {job.key: job.folder.name for job in in_order}
    numbers = [int(job.folder.name) for job in jobs if job.folder.name.isdecimal()]
    resolver = partial(resolve_job_folder, known=known, first=max(numbers, default=-1) + 1)
    OmegaConf.register_resolver("job_folder", resolver, replace=True)


def resolve_job_folder(*, _root_: DictConfig, known: dict[tuple[str, ...], str], first: int) -> str:
    """Return the folder of an earlier job with the same overrides, or else an unused number."""
    key = tuple(sorted(_root_.hydra.overrides.task))
    return known.get(key) or str(first + _root_.hydra.job.num)
