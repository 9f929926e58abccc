"""Shared fixtures: composed configurations, tiny prepared sets, the cache."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hypothesis import settings
from omegaconf import DictConfig

from datamodules.store.samples import Description, Frame, Rejected, Sample
from datamodules.store.writer import write_all
from experiments.launch.resolvers import register_resolvers
from experiments.stages import run_stage

ROOT = Path(__file__).parents[1]
# The same examples in every run, or a rare one would stop somebody who changed something else.
settings.register_profile("same", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

TASKS = sorted(path.stem for path in (ROOT / "conf" / "task").glob("*.yaml"))
# What takes long for each task: the first always, the others in the slow tests.
FIRST_TASK = [TASKS[0], *(pytest.param(task, marks=pytest.mark.slow) for task in TASKS[1:])]
EXPERIMENTS = sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml"))


def pytest_configure(config: pytest.Config) -> None:
    if "UNVOICED_CACHE" not in os.environ:  # never the user's own, and kept between test runs
        os.environ["UNVOICED_CACHE"] = str(config.cache.mkdir("unvoiced"))
    torch.set_num_threads(1)  # the networks are tiny; waiting for other threads takes longer


Composer = Callable[..., DictConfig]


@pytest.fixture
def composed(tmp_path: Path) -> Composer:
    """``composed("task=asl", …)``: the configuration of that command, writing to tmp_path/run."""

    def make(*overrides: str, run_dir: str = "run") -> DictConfig:
        register_resolvers()
        with initialize_config_dir(str(ROOT / "conf")):
            return compose("config", [*overrides, f"run_dir='{tmp_path / run_dir}'"])

    return make


@pytest.fixture
def run(composed: Composer) -> Callable[..., Path]:
    """``run("trainer=smoke", …)``: runs that command here and gives its run folder."""

    def make(*overrides: str, run_dir: str = "run") -> Path:
        config = composed(*overrides, run_dir=run_dir)
        run_stage(config)
        return Path(config.run_dir)

    return make


FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["tests.conftest", "experiments.stages.fit", "experiments.stages.evaluate"]
)
PATIENCE_S = 300  # for one command


def command_line(
    *arguments: str,
    cwd: Path = ROOT,
    fresh: bool = False,
    before: Callable[[], Any] | None = None,
    during: Callable[[Any], Any] | None = None,
) -> subprocess.CompletedProcess:
    """``python run.py …`` as a user calls it, in a process of its own.

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
            timeout=PATIENCE_S,
        )
    with TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("stdout", "stderr")]
        process = FORKS.Process(target=_as_main, args=(arguments, files, before))
        process.start()
        if during is not None:
            during(process)
        process.join(PATIENCE_S)
        process.kill()
        process.join()
        said = [file.read_text() if file.exists() else "" for file in files]  # killed at once
    return subprocess.CompletedProcess(arguments, process.exitcode, *said)


def _as_main(
    arguments: tuple[str, ...], files: list[Path], before: Callable[[], Any] | None
) -> None:
    for number, file in enumerate(files, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    os.chdir(ROOT)
    torch.set_num_threads(1)
    sys.argv = ["run.py", *arguments]
    if before is not None:
        before()
    runpy.run_path("run.py", run_name="__main__")


def hands(
    folder: Path,
    groups: int = 4,
    letters: str = "ABC",
    each: int = 3,
    seed: int = 0,
    **changes: Any,
) -> Path:
    """A small prepared set of made-up landmarks that tell letters apart."""
    rng = np.random.default_rng(seed)
    shapes = {letter: rng.normal(size=63) for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
    samples = [
        Sample(
            f"s{g}/{letter}/{n}",
            (shapes[letter] + 0.1 * rng.normal(size=(1, 63))).astype(np.float32),
            letter,
            f"s{g}" if groups > 1 else "",
        )
        for g in range(groups)
        for letter in letters
        for n in range(each)
    ]
    from datamodules.readers.asl.letters import LETTERS

    about: dict[str, Any] = {"task": "asl", "settings": {}, "classes": LETTERS} | changes
    write_all(folder, Description(frame=Frame((63,), "float32", "a test"), **about), samples)
    return folder


def mouths(
    folder: Path,
    groups: int = 4,
    words: tuple[str, ...] = ("yes", "no", "water"),
    each: int = 3,
    size: tuple[int, int] = (64, 96),
) -> Path:
    """A small prepared set of made-up clips: each word is a bright bar that moves its own way."""
    rng = np.random.default_rng(0)
    samples = []
    for group, word, number in product(range(groups), words, range(each)):
        clip = rng.integers(0, 60, (int(rng.integers(6, 14)), *size), np.uint8)
        for frame, picture in enumerate(clip):
            row = (words.index(word) + 1) * (frame + 2) % size[0]
            picture[row : row + 6] = 200
        name = f"s{group}" if groups > 1 else ""
        samples.append(Sample(f"s{group}/{word}/{number}", clip, word, name))
    frame = Frame(size, "uint8", "a test", 25.0)
    write_all(folder, Description("lipread", frame, {}), samples)
    return folder


def shared_data(part: str) -> Path:
    """A folder of real recordings; skips the test where there is none."""
    root = Path(os.environ.get("UNVOICED_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not (root / part).exists():
        pytest.skip(f"no real recordings at {root / part} (UNVOICED_SHARED_DATA names them)")
    return root / part


# ---- what readers give


def read_outcomes(reader: Any, dtype: type) -> list[Any]:
    """All that a reader reads, which has its frame's shape, ``dtype`` and names of its own."""
    found = [outcome for item in reader.items() for outcome in reader.read(item)]
    assert len({outcome.id for outcome in found}) == len(found)
    for outcome in found:
        if isinstance(outcome, Sample):
            assert outcome.features.shape[1:] == reader.frame.shape
            assert outcome.features.dtype == dtype
    return found


def read_samples(reader: Any, dtype: type) -> tuple[list[Sample], list[Rejected]]:
    """The same, samples and what was rejected apart."""
    found = read_outcomes(reader, dtype)
    samples = [outcome for outcome in found if isinstance(outcome, Sample)]
    return samples, [outcome for outcome in found if isinstance(outcome, Rejected)]


def reasons(rejected: list[Rejected]) -> dict[str, str]:
    """Why each was rejected, by its name."""
    return {row.id: row.reason for row in rejected}
