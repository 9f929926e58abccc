"""Importance of each setting of a sweep for its scores."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import pandas as pd
from omegaconf import DictConfig

from experiments.sweeps.table import REPEATING_SETTINGS, list_settings

MIN_TRIALS = 10  # of a search


@dataclass(frozen=True)
class Importance:
    """Importance of settings.

    Attributes:
        shares: of each setting, the largest first; empty if unknown.
        note: the method; the reason if unknown; empty if the jobs differ in no setting.
    """

    shares: dict[str, float] = field(default_factory=dict)
    note: str = ""


def measure_importance(jobs: pd.DataFrame, config: DictConfig) -> Importance:
    """Return the importance of the settings in which ``jobs`` differ.

    Args:
        jobs: comparable rows of sweep.csv.
        config: of the multirun.
    """
    scored = jobs[jobs["score"].notna()]
    settings = [name for name in list_settings(scored) if name not in REPEATING_SETTINGS]
    if not settings:
        return Importance()
    if "optuna" in config.hydra.sweeper._target_ and config.hydra.sweeper.storage:
        return _measure_in_study(config)
    shares = {name: explained_variance(scored[name], scored["score"]) for name in settings}
    known = {name: share for name, share in shares.items() if not pd.isna(share)}
    if not known:
        return Importance(
            note="unknown: no value was run twice, or all scores are equal. Values repeat in a "
            "grid of two settings, or with seed=0,1,2"
        )
    return Importance(
        dict(sorted(known.items(), key=lambda item: -item[1])),
        "The share of the variance of the scores that a setting explains by itself, over "
        f"{len(scored)} jobs; the rest is due to combinations of settings, and to chance.",
    )


def explained_variance(values: pd.Series, scores: pd.Series) -> float:
    """Return the share of the variance of ``scores`` (n,) between groups of ``values`` (n,).

    On a full grid this is the first-order index of functional ANOVA, which Optuna has with
    scikit-learn alone; Optuna's PED-ANOVA needs more trials than a grid has. It is corrected for
    the variance between groups that chance causes, and never below 0. NaN if no value repeats or
    all scores are equal.

    Source: Hays, Statistics for Psychologists, 1963 (ω²).
    """
    groups = values.astype(str)
    count, total = groups.nunique(), float(((scores - scores.mean()) ** 2).sum())
    means = scores.groupby(groups).transform("mean")
    between = float(((means - scores.mean()) ** 2).sum())
    if len(scores) <= count or not total:
        return float("nan")
    noise = (total - between) / (len(scores) - count)
    return max(0.0, (between - (count - 1) * noise) / (total + noise))


def _measure_in_study(config: DictConfig) -> Importance:
    import optuna

    from experiments.sweeps.study import load_study

    study = load_study(config.hydra.sweeper)
    trials = study.get_trials(states=[optuna.trial.TrialState.COMPLETE]) if study else []
    if len(trials) < MIN_TRIALS:
        return Importance(note=f"unknown: {len(trials)} scores, at least {MIN_TRIALS} are needed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return Importance(
        shares,
        "How much a setting decides whether a trial is among the best tenth; together 1. PED-ANOVA "
        f"(Watanabe et al., IJCAI 2023) over {len(trials)} trials.",
    )
