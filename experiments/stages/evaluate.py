"""stage=test and stage=validate: evaluate a checkpoint on a prepared set."""

from __future__ import annotations

import lightning as L
from omegaconf import DictConfig

from datamodules.base import PreparedDataModule
from experiments.checkpoints.load import require_model
from experiments.checkpoints.training_data import select_training_data
from experiments.launch.build import build_datamodule, build_trainer, write_config
from experiments.launch.console import logger, silence_lightning
from experiments.launch.trainer_checks import explain_trainer_errors
from experiments.reports.answers import AnswerRecorder
from experiments.reports.homophenes import read_pronunciations
from experiments.reports.profiles import measure_profiles, set_new_labels_aside
from experiments.reports.provenance import RunRecord
from experiments.reports.report import write_report
from experiments.reports.results import (
    collect_results,
    print_test_score,
    print_validation_score,
    warn_unseen_classes,
)
from experiments.reports.run_logging import log_results
from experiments.reports.training_overlap import warn_training_overlap
from modules.base import TaskModule


def run(config: DictConfig) -> float | None:
    """Validate or test ``ckpt_path``; return the task's primary metric.

    Raises:
        ValueError: no checkpoint, one of another task, classes that the model does not know, or a
            damaged ``pronunciations``.
    """
    silence_lightning()
    record = RunRecord()
    read_pronunciations(config.pronunciations)  # a bad file ends the run before it starts
    module = require_model(config)
    config = select_training_data(config, module.card)
    write_config(config)
    teaches = bool(config.shots) and config.adapt.method == "profile"  # new labels too
    data = build_datamodule(config, trained=module.card, accepts_unknown_labels=teaches)
    phase = "test" if config.stage == "test" else "val"
    indices, rows = data.indices, data.indices[phase]
    warnings = set_new_labels_aside(module, data) if teaches else []
    seen_scores, notes = warn_training_overlap(module.card, data, phase)
    warnings += notes + warn_unseen_classes(data)
    trainer, recorder = build_trainer(config), AnswerRecorder()
    if config.shots:
        trainer.callbacks.append(recorder)
    record.record_run(trainer, data)
    is_tested = len(data.indices[phase]) or not len(rows)  # not if all labels are new
    scores = (_evaluate(config, trainer, module, data) if is_tested else {}) | seen_scores
    data.indices = indices
    if config.shots:
        scores |= measure_profiles(config, module, data, recorder.list_answers(module, data, rows))
    results = collect_results(config, module, data, scores, warnings, record)
    if phase == "test" and is_tested:
        print_test_score(module, scores)
    elif is_tested:
        print_validation_score(module, scores, len(results.predictions) or len(data.indices.val))
    write_report(results, config)
    log_results(trainer.loggers, results.folder, trainer.global_step)
    logger.info(f"\nRun folder: {results.folder}")
    name = module.primary_metric
    return scores.get(f"test/{name}", scores.get(f"val/{name}"))


def _evaluate(
    config: DictConfig, trainer: L.Trainer, module: TaskModule, data: PreparedDataModule
) -> dict[str, float]:
    """Return the scores of the test or the validation."""
    evaluate = trainer.test if config.stage == "test" else trainer.validate
    with explain_trainer_errors():
        metrics = evaluate(module, data, verbose=False)
    if not metrics:
        phase = "test" if config.stage == "test" else "val"
        raise ValueError(f"trainer.limit_{phase}_batches=0 leaves nothing to {config.stage}")
    return dict(metrics[0])
