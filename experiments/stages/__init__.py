"""The stages by name: the only list of them."""

from __future__ import annotations

import importlib

from omegaconf import DictConfig

from experiments.checkpoints.misfits import explain_network_errors
from experiments.checkpoints.starters import use_starter
from experiments.launch.settings.schema import validate_configuration

STAGES = {
    "fit": "experiments.stages.fit",
    "validate": "experiments.stages.evaluate",
    "test": "experiments.stages.evaluate",
    "predict": "experiments.stages.predict",
    "live": "experiments.stages.live",
    "serve": "experiments.stages.serve",
    "adapt": "experiments.stages.adapt",
    "export": "experiments.stages.export",
    "doctor": "experiments.stages.doctor",
    "record": "experiments.stages.record",
    "prepare": "experiments.stages.prepare",
    "benchmark": "experiments.stages.benchmark",
    "summary": "experiments.stages.summary",
    "replay": "experiments.stages.replay",
}


def run_stage(config: DictConfig) -> float | None:
    """Run ``config.stage``; imports only what that stage needs.

    Raises:
        ValueError: a setting is not valid, or the user's input does not fit the stage.
    """
    validate_configuration(config)
    use_starter(config)
    stage = importlib.import_module(STAGES[config.stage])
    with explain_network_errors(config.ckpt_path):
        return stage.run(config)
