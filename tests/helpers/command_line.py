"""Run ``python run.py …`` in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from tests.helpers.paths import ROOT

COMMAND_TIMEOUT_S = 300
FORK_CONTEXT = multiprocessing.get_context("forkserver")
FORK_CONTEXT.set_forkserver_preload(
    ["tests.helpers.command_line", "experiments.stages.fit", "experiments.stages.evaluate"]
)


def run_command(
    *arguments: str,
    cwd: Path = ROOT,
    fresh: bool = False,
    before: Callable[[], Any] | None = None,
    during: Callable[[Any], Any] | None = None,
) -> subprocess.CompletedProcess:
    """Run ``python run.py …`` in a process of its own.

    It is forked from one that has done the imports, which take longer than most commands;
    ``fresh`` begins from nothing, as for another checkout or where it starts processes itself.
    ``before`` is called in the forked process first, and ``during`` here with the process.
    """
    if fresh or cwd != ROOT:
        return subprocess.run(
            [sys.executable, "run.py", *arguments],
            cwd=cwd,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
        )
    with TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("stdout", "stderr")]
        process = FORK_CONTEXT.Process(target=run_as_main, args=(arguments, files, before))
        process.start()
        if during is not None:
            during(process)
        process.join(COMMAND_TIMEOUT_S)
        process.kill()
        process.join()
        message = [file.read_text() if file.exists() else "" for file in files]  # killed at once
    return subprocess.CompletedProcess(arguments, process.exitcode, *message)


def run_commands(
    commands: Sequence[Sequence[str]], before: Callable[[], Any] | None = None
) -> subprocess.CompletedProcess:
    """Run several ``python run.py …`` after each other in one process, until one of them fails."""
    with TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("stdout", "stderr")]
        process = FORK_CONTEXT.Process(target=run_all_as_main, args=(commands, files, before))
        process.start()
        process.join(COMMAND_TIMEOUT_S)
        process.kill()
        process.join()
        message = [file.read_text() if file.exists() else "" for file in files]
    return subprocess.CompletedProcess(list(commands), process.exitcode, *message)


def run_all_as_main(
    commands: Sequence[Sequence[str]], files: list[Path], before: Callable[[], Any] | None
) -> None:
    for arguments in commands:
        run_as_main(tuple(arguments), files, before)
        before = None


def run_as_main(
    arguments: tuple[str, ...], files: list[Path], before: Callable[[], Any] | None
) -> None:
    for number, file in enumerate(files, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.chdir(ROOT)
    torch.set_num_threads(1)
    sys.argv = ["run.py", *arguments]
    if before is not None:
        before()
    runpy.run_path("run.py", run_name="__main__")
