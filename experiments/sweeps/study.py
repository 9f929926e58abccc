"""An Optuna study in a sweep folder: the same command resumes a killed one."""

from __future__ import annotations

import math
import sys
from typing import Any

import optuna
from hydra_plugins.hydra_optuna_sweeper._impl import create_params_from_overrides
from omegaconf import DictConfig, OmegaConf, read_write
from optuna.distributions import BaseDistribution, CategoricalDistribution

from unvoiced.validation import integer_rule

INTERRUPTED_KEY = "interrupted"  # of the numbers of killed trials, which are queued again


def register_direction() -> None:
    """Let ``${direction:max}`` resolve to Optuna's direction."""
    OmegaConf.register_resolver("direction", to_direction, replace=True)


def to_direction(mode: str) -> str:
    """Return Optuna's direction for ``monitor.mode``.

    >>> to_direction("max")
    'maximize'
    """
    return {"max": "maximize", "min": "minimize"}[mode]


def resume_study(config: DictConfig) -> None:
    """Let ``hydra.sweeper`` run the remaining ones of ``n_trials``, killed trials first.

    Optuna's sweeper alone would run ``n_trials`` more, and not repeat a killed trial.

    Raises:
        ValueError: a number of trials is out of range, or a setting has no grid.
    """
    register_direction()
    sweeper = config.hydra.sweeper
    for name in ("n_trials", "n_jobs"):
        integer_rule(1, 1_000_000).require(f"hydra.sweeper.{name}", sweeper[name])
    _require_direction(sweeper, config.monitor.mode)
    if str(config.monitor.metric).startswith("train/"):
        print(
            f"warning: the study optimizes {config.monitor.metric}, a score of the training "
            "samples. Set monitor.metric=val/loss to choose settings for others",
            flush=True,
        )
    if OmegaConf.select(sweeper, "sampler._target_") == "optuna.samplers.GridSampler":
        _set_grid_size(config)
    study = load_study(sweeper)
    if study is None:
        return
    requeue_killed_trials(study)
    left = max(0, sweeper.n_trials - count_done(study))
    print(f"Study: {count_done(study)} trials are done, {left} are left", flush=True)
    changes: dict[str, Any] = {"hydra.sweeper.n_trials": left}
    if sweeper.sampler.get("seed") is not None:  # the same seed would repeat its trials
        changes["hydra.sweeper.sampler.seed"] = sweeper.sampler.seed + len(study.trials)
    _update_config(config, changes)


def _require_direction(sweeper: DictConfig, mode: str) -> None:
    direction = getattr(sweeper.direction, "name", sweeper.direction)
    if direction != to_direction(mode):
        sys.exit(
            f"\nerror: hydra.sweeper.direction={direction} does not fit monitor.mode={mode}. Use "
            f"sweep=optuna, or hydra.sweeper.direction={to_direction(mode)}"
        )


def _set_grid_size(config: DictConfig) -> None:
    """Run the whole grid if ``n_trials`` was not typed; refuse settings without a grid."""
    sweeper, typed = config.hydra.sweeper, config.hydra.overrides
    params = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
    space, fixed, _ = create_params_from_overrides([*params, *typed.task])
    sizes = {name: _count_values(d) for name, d in space.items() if name not in fixed}
    endless = [name for name, size in sizes.items() if size is None]
    if endless:
        raise ValueError(
            f"hydra/sweeper/sampler=grid cannot try every value of {', '.join(endless)}; expected "
            "choice(…) or range(…) for each setting. Use these, or another sampler"
        )
    if not any(text.startswith("hydra.sweeper.n_trials=") for text in typed.hydra):
        _update_config(config, {"hydra.sweeper.n_trials": math.prod(sizes.values())})


def _count_values(distribution: BaseDistribution) -> int | None:
    """Return the number of values of a distribution; None if it is continuous."""
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    step = getattr(distribution, "step", None)
    if step is None or getattr(distribution, "log", False):
        return None
    return round((distribution.high - distribution.low) / step) + 1


def load_study(sweeper: DictConfig) -> optuna.Study | None:
    """Load the study of ``hydra.sweeper``; return None if it has not started or is not stored."""
    if not sweeper.storage or not sweeper.study_name:
        return None
    try:
        return optuna.load_study(study_name=sweeper.study_name, storage=sweeper.storage)
    except KeyError:
        return None


def requeue_killed_trials(study: optuna.Study) -> None:
    """Mark trials that were running when the sweep was killed as failed, and queue them again.

    Their jobs have the same overrides, so each resumes in its own folder.
    """
    numbers = list(study.user_attrs.get(INTERRUPTED_KEY, []))
    for trial in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):
        study.set_user_attr(INTERRUPTED_KEY, numbers := [*numbers, trial.number])
        study.enqueue_trial(trial.params)
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)


def count_done(study: optuna.Study) -> int:
    """Return the number of trials that finished or failed by themselves."""
    ended = sum(trial.state.is_finished() for trial in study.trials)
    return ended - len(study.user_attrs.get(INTERRUPTED_KEY, []))


def _update_config(config: DictConfig, values: dict[str, Any]) -> None:
    """Change settings of the sweep here and in the overrides that compose jobs."""
    with read_write(config.hydra):
        for key, value in values.items():
            OmegaConf.update(config, key, value)
            config.hydra.overrides.hydra.append(f"{key}={value}")
