"""Sweeps: failed and repeated jobs, resumed studies, reports."""

import json
import math
import os
import secrets
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import optuna
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from experiments.reports.markdown import format_number
from experiments.sweeps.callback import format_command, register_job_folder, resolve_job_folder
from experiments.sweeps.importance import explained_variance, measure_importance
from experiments.sweeps.job import run_job
from experiments.sweeps.job_status import find_jobs, read_status, write_status
from experiments.sweeps.report import write_sweep
from experiments.sweeps.study import count_done, requeue_killed_trials, resume_study, to_direction
from experiments.sweeps.table import list_settings, tabulate_jobs
from tests.helpers.command_line import run_command
from tests.helpers.paths import ROOT, TASKS
from tests.helpers.prepared_sets import write_hands
from tests.helpers.sweeps import SMOKE_OVERRIDES, make_multirun, write_job, write_trained_job

# ---- job folders


def assign_folder(folder: Path, overrides: list[str], num: int = 0) -> str:
    """Return the folder of job ``num`` with these overrides."""
    register_job_folder(find_jobs(folder))
    hydra = {"overrides": {"task": overrides}, "job": {"num": num}}
    return str(OmegaConf.create({"hydra": hydra, "subdir": "${job_folder:}"}).subdir)


def test_a_repeated_job_reuses_its_folder(tmp_path: Path) -> None:
    assert assign_folder(tmp_path, ["seed=0"], 3) == "3"
    write_job(tmp_path / "2", ["seed=0", "epochs=3"], "finished", value=1.0)
    write_job(tmp_path / "10", ["seed=1"], "unfinished")
    assert assign_folder(tmp_path, ["epochs=3", "seed=0"]) == "2"  # in whatever order
    assert assign_folder(tmp_path, ["seed=1"]) == "10"
    assert assign_folder(tmp_path, ["seed=2"], 1) == "12"


def test_a_finished_job_wins_over_an_equal_unfinished_one(tmp_path: Path) -> None:
    for place, status in enumerate(("failed", "finished", "unfinished")):
        write_job(tmp_path / str(place), ["seed=0"], status)
    assert assign_folder(tmp_path, ["seed=0"], 5) == "1"


def test_a_job_of_the_version_before_is_found_under_its_new_name(tmp_path: Path) -> None:
    write_job(tmp_path / "0", ["trainer=smoke", "net.members=2"], "finished", value=1.0)
    assert assign_folder(tmp_path, ["debug=smoke", "net.num_members=2"], 1) == "0"


@settings(max_examples=30)
@given(st.lists(st.sampled_from("abcdef"), min_size=1), st.sets(st.sampled_from("abcdef")))
def test_jobs_never_share_a_folder(jobs: list[str], known: set[str]) -> None:
    there = {(name,): str(place) for place, name in enumerate(sorted(known))}
    given = [
        resolve_job_folder(
            _root_=OmegaConf.create({"hydra": {"overrides": {"task": [name]}, "job": {"num": n}}}),
            known=there,
            first=len(there),
        )
        for n, name in enumerate(jobs)
    ]
    new = [folder for folder, name in zip(given, jobs, strict=True) if name not in known]
    assert len(set(new)) == len(new) and not set(new) & set(there.values())


def test_a_truncated_status_is_ignored(tmp_path: Path) -> None:
    assert read_status(tmp_path) == {}
    (tmp_path / "status.json").write_text('{"status": "fini')
    assert read_status(tmp_path) == {}
    write_status(tmp_path, "finished", value=0.5, unknown=1)
    assert read_status(tmp_path) == {"status": "finished", "value": 0.5}


# ---- jobs


def test_a_job_that_fails_is_recorded_and_gives_nan(compose_config, capsys) -> None:
    config = compose_config("data_dir=/nowhere")
    assert math.isnan(run_job(config))
    folder = Path(config.run_dir)
    message = read_status(folder)
    assert message["status"] == "failed" and message["error"].startswith(
        "ValueError: data_dir=/nowhere"
    )
    assert "\n" not in message["error"] and "Traceback" in (folder / "error.txt").read_text()
    assert f"Failed: {folder}" in capsys.readouterr().out


@pytest.mark.usefixtures("blank_figures")
def test_finished_jobs_are_skipped_and_killed_jobs_resumed(compose_config, tmp_path: Path) -> None:
    data = write_hands(tmp_path / "set", each=8)
    short = (*SMOKE_OVERRIDES, "scheduler=plateau", f"data_dir={data}")
    config = compose_config(*short, "trainer.max_epochs=1")
    value = run_job(config)
    folder = Path(config.run_dir)
    assert value == json.loads((folder / "metrics.json").read_text())["val/acc"]
    assert not (folder / "error.txt").exists()
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    assert run_job(compose_config(*short, "trainer.max_epochs=1")) == value
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before
    first = pd.read_csv(folder / "metrics.csv").iloc[0]
    write_status(folder, "unfinished")  # as a kill after the first epoch leaves it
    run_job(compose_config(*short, "trainer.max_epochs=2"))
    epochs = pd.read_csv(folder / "metrics.csv")
    assert epochs["epoch"].tolist() == [1, 2] and epochs.iloc[0]["val/loss"] == first["val/loss"]


@pytest.mark.usefixtures("blank_figures")
def test_a_failed_job_starts_over(compose_config) -> None:
    config = compose_config("data_dir=/nowhere")
    folder = Path(config.run_dir)
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "last.ckpt").write_bytes(b"")
    (folder / "metrics.csv").write_text("epoch,val/acc\n9,1.0\n")
    write_status(folder, "failed", error="something")
    run_job(config)
    assert not (folder / "checkpoints").exists() and not (folder / "metrics.csv").exists()


def test_a_job_touches_its_own_folder_alone(
    compose_config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused ``run_dir=`` may name the folder of another run."""
    config = compose_config("debug=smoke")
    other, own = Path(config.run_dir), tmp_path / "sweep" / "0"
    (other / "checkpoints").mkdir(parents=True)
    hydra = {"launcher": {"_target_": "basic"}, "sweep": {"dir": str(own.parent)}}
    hydra |= {"runtime": {"output_dir": str(own)}, "overrides": {"task": [f"run_dir='{other}'"]}}
    monkeypatch.setattr(HydraConfig.instance(), "cfg", OmegaConf.create({"hydra": hydra}))
    assert math.isnan(run_job(config))
    assert "it needs hydra.run.dir=" in read_status(own)["error"]
    assert [path.name for path in other.iterdir()] == ["checkpoints"]


# ---- what is told


def test_jobs_are_ranked_within_their_task_and_failures_are_shown(tmp_path: Path) -> None:
    write_trained_job(tmp_path / "0", 0.6, ["task=asl", "optimizer.lr=0.1"])
    write_trained_job(tmp_path / "1", 0.8, ["task=asl", "optimizer.lr=0.01"])
    write_trained_job(tmp_path / "2", 0.4, ["task=emg", "optimizer.lr=0.1"], mode="min", task="emg")
    write_trained_job(
        tmp_path / "3", 0.3, ["task=emg", "optimizer.lr=0.01"], mode="min", task="emg"
    )
    write_job(
        tmp_path / "4", ["task=asl", "optimizer.lr=9"], "failed", error="ValueError: too | fast"
    )
    write_job(
        tmp_path / "5", ["task=asl", "optimizer.lr=8"], "failed", error="ValueError: too | fast"
    )
    write_job(tmp_path / "10", ["task=asl", "optimizer.lr=7"], "unfinished")
    config = make_multirun(tmp_path, "task=asl,emg")
    path = write_sweep(tmp_path, find_jobs(tmp_path), config, format_command(config))
    table = pd.read_csv(tmp_path / "sweep.csv")
    assert table["job"].tolist() == [0, 1, 2, 3, 4, 5, 10]
    assert table["rank"].tolist()[:4] == [2, 1, 2, 1] and table["rank"].isna().sum() == 3
    assert table["optimizer.lr"].tolist()[:2] == [0.1, 0.01]
    text = path.read_text()
    assert "7 jobs: 4 finished, 2 failed, 1 unfinished" in text
    assert "## asl, val/acc (max)" in text and "## emg, val/wer (min)" in text
    assert "python run.py task=asl optimizer.lr=0.01\n" in text
    assert "python run.py task=emg optimizer.lr=0.01\n" in text
    assert "- 4, 5: ValueError: too | fast" in text and "killed): 10." in text
    assert f"python run.py -m task=asl,emg hydra.sweep.dir={tmp_path}" in text
    assert (tmp_path / "sweep.png").stat().st_size > 1000


def test_a_sweep_without_successes_has_a_report(tmp_path: Path) -> None:
    write_job(tmp_path / "0", ["seed=0"], "failed", error="RuntimeError: no memory")
    config = make_multirun(tmp_path)
    text = write_sweep(tmp_path, find_jobs(tmp_path), config, format_command(config)).read_text()
    assert "1 jobs: 1 failed" in text and "No job has a score" in text and "no memory" in text


def test_a_run_that_stopped_by_nan_keeps_its_score_and_says_so(tmp_path: Path) -> None:
    folder = write_trained_job(tmp_path / "0", 0.6, ["seed=0"])
    (folder / "report.md").write_text("## Warnings\n\n- NaN stop: in epoch 2.\n")
    (row,) = tabulate_jobs(find_jobs(tmp_path)).to_dict("records")
    assert row["status"] == "stopped by NaN" and row["rank"] == 1


def test_a_setting_can_have_the_name_of_a_metric(tmp_path: Path) -> None:
    write_trained_job(tmp_path / "0", 0.6, ["epochs=5", "seed=0"])
    write_trained_job(tmp_path / "1", 0.7, ["epochs=10", "+seed=0"])
    table = tabulate_jobs(find_jobs(tmp_path))
    assert list_settings(table) == ["epochs"] and table.columns.is_unique


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=4, max_size=20))
def test_importances_are_shares(scores: list[float]) -> None:
    values = pd.Series([place % 2 for place in range(len(scores))])
    share = explained_variance(values, pd.Series(scores))
    assert math.isnan(share) or 0 <= share <= 1 + 1e-9


def test_the_decisive_setting_is_most_important() -> None:
    grid = pd.DataFrame([(a, b) for a in range(3) for b in range(3)], columns=["a", "b"])
    scores = grid["a"] + 0.01 * grid["b"]
    assert explained_variance(grid["a"], scores) > 0.99
    assert explained_variance(grid["b"], scores) == 0
    assert math.isnan(explained_variance(pd.Series(range(9)), scores))  # each value once


# ---- studies


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_a_search_space_of_settings_that_exist(task: str) -> None:
    with initialize_config_dir(str(ROOT / "conf")):
        config = compose("config", [f"sweep={task}"], return_hydra_config=True)
    assert config.task == task
    assert config.hydra.sweeper.n_trials == 20 and config.hydra.sweeper.max_failure_rate == 1.0
    for key in config.hydra.sweeper.params:
        assert OmegaConf.select(config, key) is not None, key


def test_the_direction_is_that_of_the_monitored_metric() -> None:
    assert to_direction("max") == "maximize" and to_direction("min") == "minimize"


def test_another_direction_than_that_of_the_metric_is_refused(tmp_path: Path, capsys) -> None:
    config = make_multirun(tmp_path, sweeper="optuna")
    config.hydra.sweeper.direction = "minimize"
    config.monitor = {"metric": "val/acc", "mode": "max"}
    with pytest.raises(SystemExit, match=r"hydra\.sweeper\.direction=maximize"):
        resume_study(config)
    config.monitor.mode = "min"
    resume_study(config)
    assert "warning" not in capsys.readouterr().out
    config.monitor.metric = "train/loss"
    resume_study(config)
    assert (
        "the study optimizes train/loss, a score of the training samples" in capsys.readouterr().out
    )


def test_killed_trials_are_repeated(tmp_path: Path) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(study_name="sweep", storage=f"sqlite:///{tmp_path}/study.db")
    space = {"lr": optuna.distributions.FloatDistribution(0, 1)}
    study.tell(study.ask(space), 1.0)
    study.tell(study.ask(space), state=optuna.trial.TrialState.FAIL)
    killed = study.ask(space)
    for _ in range(2):  # looking twice changes nothing
        requeue_killed_trials(study)
        assert count_done(study) == 2
    again = study.ask(space)
    assert again.params == killed.params
    study.tell(again, 2.0)
    assert count_done(study) == 3 and study.ask(space).params != killed.params


def test_the_importance_in_a_search_is_that_of_its_study(tmp_path: Path) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = f"sqlite:///{tmp_path}/study.db"
    study = optuna.create_study(study_name="sweep", storage=storage, direction="maximize")
    space = {name: optuna.distributions.FloatDistribution(0, 1) for name in ("lr", "dropout")}
    for place in range(12):
        params = {"lr": place / 12, "dropout": place * 5 % 12 / 12}
        study.add_trial(optuna.create_trial(params=params, distributions=space, value=params["lr"]))
    jobs = pd.DataFrame({"lr": ["0", "1"], "score": [0.0, 1.0]})
    config = make_multirun(tmp_path, sweeper="optuna")
    config.hydra.sweeper |= {"storage": storage, "study_name": "sweep"}
    importance = measure_importance(jobs, config)
    assert list(importance.shares) == ["lr", "dropout"]
    assert sum(importance.shares.values()) == pytest.approx(1) and "12 trials" in importance.note


# ---- as a user types it


def test_a_grid_continues_after_a_failure(tmp_path: Path) -> None:
    data = write_hands(tmp_path / "set", each=8)
    sweep = (f"data_dir=/nowhere,{data}", *SMOKE_OVERRIDES, f"hydra.sweep.dir={tmp_path / 'S'}")
    done = run_command("-m", *sweep)
    assert done.returncode == 1
    assert "error: 1 of 2 jobs failed or did not finish:\n  0: data_dir=/nowhere" in done.stderr
    assert f"{tmp_path / 'S' / 'sweep.md'} has the details" in done.stderr
    assert "Traceback" not in done.stderr and "Warning" not in done.stderr
    assert "/nowhere does not exist" in (tmp_path / "S" / "0" / "error.txt").read_text()
    assert (tmp_path / "S" / "1" / "metrics.json").exists()
    assert "2 jobs: 1 failed, 1 finished" in (tmp_path / "S" / "sweep.md").read_text()


@pytest.mark.slow
def test_a_longer_grid_runs_only_new_jobs(tmp_path: Path) -> None:
    data = write_hands(tmp_path / "set", each=8)
    sweep = (*SMOKE_OVERRIDES, f"data_dir={data}", f"hydra.sweep.dir={tmp_path / 'S'}")
    assert run_command("-m", "seed=0,1", *sweep).returncode == 0
    written = (tmp_path / "S" / "1" / "metrics.json").stat().st_mtime_ns
    done = run_command("-m", "seed=1,2", *sweep)
    assert done.returncode == 0 and "Finished before" in done.stdout
    assert (tmp_path / "S" / "1" / "metrics.json").stat().st_mtime_ns == written
    table = pd.read_csv(tmp_path / "S" / "sweep.csv")
    assert table["seed"].tolist() == [0, 1, 2] and table["status"].eq("finished").all()


@pytest.mark.slow
def test_all_tasks_in_one_multirun(tmp_path: Path) -> None:
    tasks = ",".join(TASKS)
    done = run_command("-m", f"task={tasks}", "debug=smoke", f"hydra.sweep.dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("*/metrics.json"))) == len(TASKS)
    assert (tmp_path / "sweep.md").read_text().count("The best is job") == len(TASKS)


@pytest.mark.slow
def test_a_killed_study_is_resumed(tmp_path: Path) -> None:
    folder, trials = tmp_path / "S", 3
    command = ("-m", "sweep=asl", "debug=smoke", f"hydra.sweep.dir={folder}")
    command += (f"hydra.sweeper.n_trials={trials}",)

    def kill_second_trial(process: Any) -> None:
        while not (folder / "1" / "config.yaml").exists():
            assert process.is_alive()
            time.sleep(0.05)
        process.kill()

    run_command(*command, during=kill_second_trial)
    written = (folder / "0" / "metrics.json").stat().st_mtime_ns
    assert run_command(*command).returncode == 0
    assert (folder / "0" / "metrics.json").stat().st_mtime_ns == written
    study = optuna.load_study(study_name="sweep", storage=f"sqlite:///{folder}/study.db")
    assert count_done(study) == trials
    assert study.trials[1].params == study.trials[2].params  # the killed one, once more
    table = pd.read_csv(folder / "sweep.csv")
    assert table["status"].eq("finished").all() and len(table) == trials
    best = table.sort_values("rank").iloc[0]
    assert best["score"] == pytest.approx(study.best_value)
    assert format_number(best["score"]) in (folder / "sweep.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_jobs_run_with_other_launchers(launcher: str, tmp_path: Path) -> None:
    data = write_hands(tmp_path / "set", each=8)
    sweep = (f"data_dir=/nowhere,{data}", *SMOKE_OVERRIDES, f"hydra.sweep.dir={tmp_path / 'S'}")
    done = run_command("-m", *sweep, f"hydra/launcher={launcher}", fresh=True)
    assert done.returncode == 1 and "1 of 2 jobs failed" in done.stderr, done.stderr
    assert "2 jobs: 1 failed, 1 finished" in (tmp_path / "S" / "sweep.md").read_text()


@pytest.mark.slow
@pytest.mark.long
def test_jobs_on_a_ray_cluster(tmp_path: Path, monkeypatch) -> None:
    """A cluster of one processor that starts and ends with the command."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))  # none in the user's home
    data, ray = write_hands(tmp_path / "set", each=8), "+hydra.launcher.ray.init"
    small = (f"{ray}.num_cpus=1", f"{ray}.object_store_memory=100000000")
    small += (f"{ray}.include_dashboard=false",)
    with TemporaryDirectory() as folder:  # for sockets, whose paths must be short
        done = run_command(
            *(
                "-m",
                "seed=0,1",
                *SMOKE_OVERRIDES,
                f"data_dir={data}",
                f"hydra.sweep.dir={tmp_path / 'S'}",
            ),
            *("hydra/launcher=ray", *small, f"{ray}._temp_dir={folder}"),
            fresh=True,
        )
    assert done.returncode == 0, done.stderr
    assert "2 jobs: 2 finished" in (tmp_path / "S" / "sweep.md").read_text()
    table = pd.read_csv(tmp_path / "S" / "sweep.csv")
    assert table["seed"].tolist() == [0, 1] and table["score"].notna().all()


@pytest.mark.slow
def test_jobs_on_several_devices_run_as_commands_of_their_own(tmp_path: Path) -> None:
    data = write_hands(tmp_path / "set", each=8)
    ddp = ("trainer.strategy=ddp", "trainer.devices=2")
    sweep = ("seed=3", *SMOKE_OVERRIDES, *ddp, f"data_dir={data}")
    done = run_command("-m", *sweep, f"hydra.sweep.dir={tmp_path / 'S'}")
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "S" / "sweep.csv")
    assert table["status"].tolist() == ["finished"] and table["score"].notna().all()


@pytest.mark.long
def test_memory_does_not_grow_from_job_to_job(compose_config, tmp_path: Path) -> None:
    data, used = write_hands(tmp_path / "set", each=8), []
    for seed in range(12):
        run_job(
            compose_config(*SMOKE_OVERRIDES, f"data_dir={data}", f"seed={seed}", run_dir=str(seed))
        )
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        used.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
    assert used[-1] - used[3] < 40, used  # MB
