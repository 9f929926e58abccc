"""The stages by name: the only list of what a run can do."""

from __future__ import annotations

import importlib

from omegaconf import DictConfig

STAGES = {
    "fit": "experiments.fit",
    "validate": "experiments.evaluate",
    "test": "experiments.evaluate",
    "predict": "experiments.predict",
    "live": "experiments.live",
    "serve": "experiments.serve",
    "export": "experiments.export",
    "prepare": "experiments.prepare",
    "benchmark": "experiments.benchmark",
    "summary": "experiments.summary",
    "replay": "experiments.replay",
}


def run_stage(config: DictConfig) -> float | None:
    """Run ``config.stage``; imports only what that stage needs.

    Raises:
        ValueError: no such stage, or the user's input does not fit it.
    """
    if config.stage not in STAGES:
        raise ValueError(f"stage={config.stage} does not exist. Stages: {', '.join(STAGES)}")
    return importlib.import_module(STAGES[config.stage]).run(config)
