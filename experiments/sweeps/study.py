"""An Optuna study in a sweep folder: the same command goes on where a killed one was."""

from __future__ import annotations

import math
import sys
from typing import Any

import optuna
from hydra_plugins.hydra_optuna_sweeper._impl import create_params_from_overrides
from omegaconf import DictConfig, OmegaConf, read_write
from optuna.distributions import BaseDistribution, CategoricalDistribution

from unvoiced.validation import integer

COUNT = integer(1, 1_000_000)
GRID = "optuna.samplers.GridSampler"
INTERRUPTED = "interrupted"  # numbers of the trials that were killed, and are asked for again


def register_direction() -> None:
    """Let ``${direction:max}`` be what Optuna calls it."""
    OmegaConf.register_resolver("direction", direction, replace=True)


def direction(mode: str) -> str:
    """``monitor.mode`` as Optuna says it.

    >>> direction("max")
    'maximize'
    """
    return {"max": "maximize", "min": "minimize"}[mode]


def go_on(config: DictConfig) -> None:
    """Make ``hydra.sweeper`` do the trials that are left of ``n_trials``, killed ones first.

    Optuna's sweeper alone would do ``n_trials`` more, and forget a trial that was killed.
    """
    register_direction()
    sweeper = config.hydra.sweeper
    for name in ("n_trials", "n_jobs"):
        COUNT.require(f"hydra.sweeper.{name}", sweeper[name])
    _refuse_other_directions(sweeper, config.monitor.mode)
    if OmegaConf.select(sweeper, "sampler._target_") == GRID:
        _count_grid(config)
    study = load_study(sweeper)
    if study is None:
        return
    ask_again(study)
    left = max(0, sweeper.n_trials - count_done(study))
    print(f"Study: {count_done(study)} trials are done, {left} are left", flush=True)
    changes: dict[str, Any] = {"hydra.sweeper.n_trials": left}
    if sweeper.sampler.get("seed") is not None:  # from its beginning it would repeat itself
        changes["hydra.sweeper.sampler.seed"] = sweeper.sampler.seed + len(study.trials)
    _change(config, changes)


def _refuse_other_directions(sweeper: DictConfig, mode: str) -> None:
    found = getattr(sweeper.direction, "name", sweeper.direction)
    if found != direction(mode):
        sys.exit(
            f"\nerror: hydra.sweeper.direction={found}, but monitor.mode={mode}: say "
            f"sweep=optuna, or hydra.sweeper.direction={direction(mode)}"
        )


def _count_grid(config: DictConfig) -> None:
    """Run the whole grid where ``n_trials`` was not typed; refuse settings without a grid."""
    sweeper, typed = config.hydra.sweeper, config.hydra.overrides
    named = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
    space, fixed, _ = create_params_from_overrides([*named, *typed.task])
    sizes = {name: _size(one) for name, one in space.items() if name not in fixed}
    endless = [name for name, size in sizes.items() if size is None]
    if endless:
        raise ValueError(
            f"hydra/sweeper/sampler=grid cannot try every value of {', '.join(endless)}; expected "
            "choice(…) or range(…) for each setting. Set them so, or choose another sampler"
        )
    if not any(text.startswith("hydra.sweeper.n_trials=") for text in typed.hydra):
        _change(config, {"hydra.sweeper.n_trials": math.prod(sizes.values())})


def _size(distribution: BaseDistribution) -> int | None:
    """Return how many values a distribution has; None where they are continuous."""
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    step = getattr(distribution, "step", None)
    if step is None or getattr(distribution, "log", False):
        return None
    return round((distribution.high - distribution.low) / step) + 1


def load_study(sweeper: DictConfig) -> optuna.Study | None:
    """The study that ``hydra.sweeper`` names; None where it has not begun, or is not stored."""
    if not sweeper.storage or not sweeper.study_name:
        return None
    try:
        return optuna.load_study(study_name=sweeper.study_name, storage=sweeper.storage)
    except KeyError:
        return None


def ask_again(study: optuna.Study) -> None:
    """Count trials that were running when the sweep was killed as failed, and queue them anew.

    Their jobs have the same overrides, so each goes on in its own folder.
    """
    numbers = list(study.user_attrs.get(INTERRUPTED, []))
    for trial in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):
        study.set_user_attr(INTERRUPTED, numbers := [*numbers, trial.number])
        study.enqueue_trial(trial.params)
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)


def count_done(study: optuna.Study) -> int:
    """Trials that ended by themselves, well or not."""
    ended = sum(trial.state.is_finished() for trial in study.trials)
    return ended - len(study.user_attrs.get(INTERRUPTED, []))


def _change(config: DictConfig, values: dict[str, Any]) -> None:
    """Change settings of the sweep; each job composes its own and they must be the same."""
    with read_write(config.hydra):
        for key, value in values.items():
            OmegaConf.update(config, key, value)
            config.hydra.overrides.hydra.append(f"{key}={value}")
