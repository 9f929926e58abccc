"""Which settings of a sweep its scores depend on."""

from __future__ import annotations

import warnings

import pandas as pd
from omegaconf import DictConfig

from experiments.sweeps.table import settings_of

ENOUGH_TRIALS = 10
HOW_STUDY = (
    "How much a setting decides whether a trial is among the best tenth; together 1. PED-ANOVA "
    "(Watanabe et al., IJCAI 2023) over {n} trials."
)
HOW_GRID = (
    "The share of the variance of the scores that a setting explains by itself, over {n} jobs; "
    "what is missing to 1 are settings that act together, and chance."
)


def importance(jobs: pd.DataFrame, config: DictConfig) -> pd.DataFrame:
    """Columns ``setting`` and ``importance``, the largest first; ``attrs`` say how, or why not.

    Args:
        jobs: comparable rows of sweep.csv.
        config: of the multirun.
    """
    scored = jobs[jobs["score"].notna()]
    settings = settings_of(scored)
    if not settings:
        return _table({})
    if "optuna" in config.hydra.sweeper._target_ and config.hydra.sweeper.storage:
        return _of_study(config)
    if len(scored) < 3 or scored["score"].nunique() < 2:
        return _table({}, why=f"{len(scored)} scores are too few to tell, or they are all equal")
    shares = {name: explained(scored[name], scored["score"]) for name in settings}
    return _table(shares, how=HOW_GRID.format(n=len(scored)))


def explained(values: pd.Series, scores: pd.Series) -> float:
    """The share of the variance of ``scores`` (n,) between the groups of equal ``values`` (n,).

    On a full grid this is the first-order index of functional ANOVA. It is corrected for the
    variance that chance alone puts between groups, and never below 0.

    Source: Hays, Statistics for Psychologists, 1963 (ω²).
    """
    groups = values.astype(str)
    count, total = groups.nunique(), float(((scores - scores.mean()) ** 2).sum())
    means = scores.groupby(groups).transform("mean")
    between = float(((means - scores.mean()) ** 2).sum())
    if len(scores) <= count or not total:  # nothing to compare: no value twice, or equal scores
        return float("nan")
    noise = (total - between) / (len(scores) - count)
    return max(0.0, (between - (count - 1) * noise) / (total + noise))


def _of_study(config: DictConfig) -> pd.DataFrame:
    import optuna

    from experiments.sweeps.study import load_study

    study = load_study(config.hydra.sweeper)
    trials = study.get_trials(states=[optuna.trial.TrialState.COMPLETE]) if study else []
    if len(trials) < ENOUGH_TRIALS:
        return _table({}, why=f"{len(trials)} scores are too few to tell ({ENOUGH_TRIALS} do)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return _table(shares, how=HOW_STUDY.format(n=len(trials)))


def _table(shares: dict[str, float], **about: str) -> pd.DataFrame:
    table = pd.DataFrame(list(shares.items()), columns=["setting", "importance"])
    table = table.dropna().sort_values("importance", ascending=False, kind="stable")
    table.attrs = about
    return table
