"""Measure how often the answers of a trained model are wrong for the people of a set."""

from __future__ import annotations

from omegaconf import DictConfig, open_dict

from callbacks.outputs.confidence import ConfidenceReport
from callbacks.outputs.coverage import tabulate_confidence
from datamodules.base import PreparedDataModule
from experiments.launch.build import build_trainer
from experiments.launch.trainer_checks import explain_trainer_errors
from modules.base import TaskModule
from unvoiced.confidence import ConfidenceTable


def measure_set(
    config: DictConfig, module: TaskModule, data: PreparedDataModule
) -> ConfidenceTable:
    """Return the confidence table of the tested rows of a set with known labels."""
    plain_config = config.copy()
    with open_dict(plain_config):  # files of a test are not wanted
        plain_config.callbacks, plain_config.logger = {}, {}
    trainer = build_trainer(plain_config, enable_progress_bar=False, enable_checkpointing=False)
    report = ConfidenceReport(folder=None)
    trainer.callbacks.append(report)
    with explain_trainer_errors():
        trainer.test(module, data, verbose=False)
    return tabulate_confidence(report.answers, simulated=data.prepared.simulated)
