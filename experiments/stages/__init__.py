"""The stages by name: the only list of what a run can do."""

from __future__ import annotations

import importlib

from omegaconf import DictConfig

STAGES = {
    "fit": "experiments.stages.fit",
    "validate": "experiments.stages.evaluate",
    "test": "experiments.stages.evaluate",
    "predict": "experiments.stages.predict",
    "live": "experiments.stages.live",
    "serve": "experiments.stages.serve",
    "export": "experiments.stages.export",
    "prepare": "experiments.stages.prepare",
    "benchmark": "experiments.stages.benchmark",
    "summary": "experiments.stages.summary",
    "replay": "experiments.stages.replay",
}


def run_stage(config: DictConfig) -> float | None:
    """Run ``config.stage``; imports only what that stage needs.

    Raises:
        ValueError: no such stage, or the user's input does not fit it.
    """
    if config.stage not in STAGES:
        raise ValueError(f"stage={config.stage} does not exist. Stages: {', '.join(STAGES)}")
    return importlib.import_module(STAGES[config.stage]).run(config)
