"""Every sampler of Optuna that the documentation names."""

import math
from pathlib import Path

import optuna
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from experiments.launch.resolvers import register_resolvers
from experiments.sweeps.study import register_direction, resume_study
from tests.helpers.command_line import run_command
from tests.helpers.paths import ROOT
from tests.helpers.prepared_sets import write_hands
from tests.helpers.sweeps import SMOKE_OVERRIDES

SAMPLERS = sorted(p.stem for p in (ROOT / "conf" / "hydra" / "sweeper" / "sampler").glob("*.yaml"))
WHITELIST = ["optuna.samplers.*"]
MARKS = {"grid": "slow", "cmaes": "slow"}  # of searches that train


def compose_search(folder: Path, *overrides: str):
    register_resolvers()
    register_direction()
    with initialize_config_dir(str(ROOT / "conf")):
        where = f"hydra.sweep.dir={folder}"
        return compose("config", ["sweep=optuna", where, *overrides], return_hydra_config=True)


def test_the_documented_samplers_exist() -> None:
    text = (ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8")
    assert {"tpe", "random", "grid", "cmaes", "gp", "qmc", "nsgaii"} == {*SAMPLERS}
    assert all(f"`{name}`" in text or f"sampler={name}" in text for name in {*SAMPLERS} - {"tpe"})


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_proposes_trials_and_survives_failed_ones(name: str, tmp_path: Path) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    config = compose_search(tmp_path, f"hydra/sweeper/sampler={name}", "seed=3")
    assert config.hydra.sweeper.sampler.seed == 3
    sampler = instantiate(config.hydra.sweeper.sampler, _execution_whitelist_=WHITELIST)
    space = {"size": optuna.distributions.CategoricalDistribution([8, 16, -3])}
    if name == "grid":
        sampler = sampler({"size": [8, 16, -3]})
    else:
        space["lr"] = optuna.distributions.FloatDistribution(1e-4, 1e-2, log=True)
    study = optuna.create_study(sampler=sampler, direction="maximize")
    tried = set()
    for _ in range(3 if name == "grid" else 12):
        trial = study.ask(space)
        tried.add(tuple(trial.params.values()))
        failed = trial.params["size"] == -3
        try:
            study.tell(trial, *([] if failed else [trial.number]), state=state_of(failed))
        except RuntimeError as error:  # a grid that is through, told from outside of optimize()
            assert name == "grid" and "Study.stop" in str(error)
    assert len(tried) >= 3


@pytest.mark.parametrize("setting", ["n_trials=0", "n_trials=-1", "n_jobs=0"])
def test_a_search_of_no_trials_is_refused(setting: str, tmp_path: Path) -> None:
    config = compose_search(tmp_path, f"hydra.sweeper.{setting}")
    with pytest.raises(ValueError, match=rf"hydra\.sweeper\.{setting} is not valid; expected an"):
        resume_study(config)


def state_of(failed: bool) -> optuna.trial.TrialState:
    states = optuna.trial.TrialState
    return states.FAIL if failed else states.COMPLETE


def test_a_grid_runs_every_combination(tmp_path: Path) -> None:
    values = ("net.hidden_size=choice(8,16,24,32,48)", "epochs=range(1,6)")
    config = compose_search(tmp_path, "hydra/sweeper/sampler=grid")
    config.hydra.overrides.task.extend(values)
    resume_study(config)
    assert config.hydra.sweeper.n_trials == math.prod((5, 5))


def test_a_grid_of_an_interval_is_refused_with_its_name(tmp_path: Path) -> None:
    config = compose_search(tmp_path, "hydra/sweeper/sampler=grid", "seed=0")
    config.hydra.overrides.task.append("optimizer.lr=interval(1e-4,1e-2)")
    with pytest.raises(ValueError, match=r"every value of optimizer.lr; expected choice\(…\)"):
        resume_study(config)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=getattr(pytest.mark, MARKS.get(n, "long"))) for n in SAMPLERS]
)
def test_a_search_with_each_sampler(name: str, tmp_path: Path) -> None:
    data, folder = write_hands(tmp_path / "set", each=4), tmp_path / "S"
    space = ["net.hidden_size=choice(8,16,-3)"]
    if name != "grid":
        space += ["optimizer.lr=tag(log,interval(1e-4,1e-2))"]
    done = run_command(
        *("-m", "sweep=optuna", f"hydra/sweeper/sampler={name}", *SMOKE_OVERRIDES, *space),
        *("hydra.sweeper.n_trials=3", f"data_dir={data}", f"hydra.sweep.dir={folder}"),
    )
    text = (folder / "sweep.md").read_text()
    assert "3 jobs" in text and "Traceback" not in done.stderr, done.stderr
    assert done.returncode == ("failed" in text.splitlines()[2])
    assert ("of 3 jobs failed" in done.stderr) == bool(done.returncode)
