"""A run that is killed at any moment and resumed equals an uninterrupted run."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.helpers.command_line import FORK_CONTEXT, run_command
from tests.helpers.kills import EPOCHS, MOMENTS, STEPS, kill_at, list_names
from tests.helpers.paths import TASKS

COMMAND = (
    *("debug=smoke", "seed=3", f"trainer.max_epochs={EPOCHS}"),
    *(f"trainer.limit_train_batches={STEPS}", "callbacks.last.every_minutes=0"),
    *("callbacks.confusion_matrix=null", "callbacks.prediction_figures=null"),  # take longer
)


def assert_same_end(first: Path, second: Path) -> None:
    """Compare weights, optimizer, schedules, random state, metrics.csv and test scores."""
    last = [torch.load(f / "checkpoints" / "last.ckpt", weights_only=True) for f in (first, second)]
    averaged = {"current_model_state", "averaging_state"} & set(last[0])
    for key in ("state_dict", "optimizer_states", "run_state", *averaged):
        torch.testing.assert_close(last[0][key], last[1][key], rtol=0, atol=0, equal_nan=True)
    for state in last:  # a count of calls that nothing looks at
        del state["loops"]["fit_loop"]["epoch_loop.scheduler_progress"]
    for key in ("lr_schedulers", "epoch", "global_step", "loops"):
        assert last[0][key] == last[1][key], key
    assert list_names(first / "checkpoints") == list_names(second / "checkpoints")
    for table in ("metrics.csv", "predictions.csv"):
        pd.testing.assert_frame_equal(
            *(pd.read_csv(folder / table) for folder in (first, second)), check_like=True
        )


@pytest.fixture(scope="module")
def unbroken_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the folder of an uninterrupted run of a task."""
    folders: dict[str, Path] = {}
    first = FORK_CONTEXT.Process(target=os.getpid)  # the imports are not a run's time
    first.start()
    first.join()

    def run(task: str) -> Path:
        if task not in folders:
            folders[task] = tmp_path_factory.mktemp(task) / "run"
            start = time.monotonic()
            done = run_command(f"task={task}", *COMMAND, f"hydra.run.dir={folders[task]}")
            assert done.returncode == 0, done.stderr
            (folders[task] / "seconds").write_text(str(time.monotonic() - start))
        return folders[task]

    return run


def run_or_resume(task: str, folder: Path, *overrides: str, **arguments: Any) -> Any:
    """Run the complete command with ``resume=``, which starts or resumes the run."""
    command = [o for o in COMMAND if o.split("=")[0] not in {x.split("=")[0] for x in overrides}]
    return run_command(f"task={task}", *command, *overrides, f"resume={folder}", **arguments)


slow = partial(pytest.param, marks=pytest.mark.slow)
MARKS = {  # of moments; the others are slow
    **{"while a checkpoint is written": ()},
    **{"before training": pytest.mark.long, "in the first step": pytest.mark.long},
}


@pytest.mark.parametrize(
    "moment", [pytest.param(m, marks=MARKS.get(m, pytest.mark.slow)) for m in MOMENTS]
)
def test_a_run_killed_at_any_moment_resumes_identically(
    moment: str, unbroken_run: Callable[[str], Path], tmp_path: Path
) -> None:
    killed = run_or_resume("asl", tmp_path / "run", before=partial(kill_at, moment))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    done = run_or_resume("asl", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert_same_end(unbroken_run("asl"), tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        ("trainer.check_val_every_n_epoch=2", "trainer.accumulate_grad_batches=2"),
        ("+trainer.val_check_interval=0.4", "scheduler=plateau"),
        ("callbacks.nan_guard.policy=rollback", "datamodule.num_workers=1"),
    ],
    ids=lambda changes: changes[0],
)
def test_a_killed_run_with_other_intervals_resumes_identically(
    changes: tuple[str, ...], tmp_path: Path
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert run_or_resume("asl", whole, *changes).returncode == 0
    killed = run_or_resume("asl", broken, *changes, before=partial(kill_at, "in a step"))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    done = run_or_resume("asl", broken, *changes)
    assert done.returncode == 0, done.stderr
    assert_same_end(whole, broken)


@pytest.mark.slow
@pytest.mark.parametrize(("task", "count"), [(t, 5 if t == TASKS[0] else 1) for t in TASKS])
def test_a_run_killed_at_random_times_resumes_identically(
    task: str, count: int, unbroken_run: Callable[[str], Path], tmp_path: Path
) -> None:
    """Each kill comes within the duration of a complete run."""
    whole = unbroken_run(task)
    seconds = float((whole / "seconds").read_text())
    rng, kills, folder = np.random.default_rng(TASKS.index(task)), 0, tmp_path / "run"

    def kill(process: Any) -> None:
        process.join(rng.uniform(0.1, 0.7 * seconds))  # the last third is test and report
        process.kill()

    while kills < count:
        kills += run_or_resume(task, folder, during=kill).returncode == -signal.SIGKILL
    done = run_or_resume(task, folder)
    assert done.returncode == 0, done.stderr
    assert_same_end(whole, folder)


# ---- signals that ask a run to end

ENDS = {
    "in a step": "after step 8; all is saved",
    "in a validation": "after epoch 2; all is saved",
    "in the test": "",
}


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("in a step", signal.SIGTERM),
        slow("in a step", signal.SIGINT),
        slow("in a validation", signal.SIGUSR1),
        slow("in the test", signal.SIGTERM),
    ],
)
def test_a_terminated_run_saves_and_prints_the_resume_command(
    moment: str, number: int, unbroken_run: Callable[[str], Path], tmp_path: Path
) -> None:
    folder, rarely = tmp_path / "run", "callbacks.last.every_minutes=10"
    ended = run_or_resume("asl", folder, rarely, before=partial(kill_at, moment, number))
    assert ended.returncode == 128 + number, ended.stderr
    message = f"Stopped by {signal.Signals(number).name} {ENDS[moment]}".strip()
    assert f"{message}. Resume with: python run.py resume={folder}" in ended.stdout
    assert "Traceback" not in ended.stderr
    done = run_command(f"resume={folder}")  # as it says
    assert done.returncode == 0, done.stderr
    assert_same_end(unbroken_run("asl"), folder)


@pytest.mark.slow
def test_an_interrupted_validation_is_repeated(
    unbroken_run: Callable[[str], Path], tmp_path: Path
) -> None:
    stop = partial(kill_at, "in a validation", signal.SIGTERM)
    ended = run_or_resume("asl", tmp_path / "run", "callbacks.last.grace_s=0", before=stop)
    assert ended.returncode == 128 + signal.SIGTERM, ended.stderr
    assert "Stopped by SIGTERM in a validation, which will be repeated." in ended.stdout
    done = run_or_resume("asl", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert_same_end(unbroken_run("asl"), tmp_path / "run")


@pytest.mark.slow
def test_a_signal_before_training_ends_the_run_at_once(tmp_path: Path) -> None:
    stop = partial(kill_at, "before training", signal.SIGTERM)
    ended = run_or_resume("asl", tmp_path / "run", before=stop)
    assert ended.returncode == 128 + signal.SIGTERM
    assert f"Stopped by SIGTERM. Resume with: python run.py resume={tmp_path}" in ended.stdout
    assert run_or_resume("asl", tmp_path / "run").returncode == 0
