"""stage=test and stage=validate: a checkpoint on a prepared set."""

from __future__ import annotations

from omegaconf import DictConfig

from experiments.checkpoints.load import require_model
from experiments.checkpoints.training_data import with_training_data
from experiments.launch.build import build_datamodule, build_trainer, write_config
from experiments.launch.console import quiet, tell
from experiments.launch.trainer_checks import trainer_errors
from experiments.reports.homophenes import read_pronunciations
from experiments.reports.mistakes import draw_mistakes
from experiments.reports.report import write_report
from experiments.reports.results import (
    collect_results,
    print_test_score,
    print_validation_score,
    warn_unseen_classes,
)
from experiments.reports.training_overlap import warn_training_overlap


def run(config: DictConfig) -> float | None:
    """Validate or test ``ckpt_path``; returns the score that the task is judged by.

    Raises:
        ValueError: no checkpoint given, one of another task, classes that it does not know, or
            ``pronunciations`` is damaged.
    """
    quiet()
    read_pronunciations(config.pronunciations)  # a bad file ends the run before it begins
    module = require_model(config)
    config = with_training_data(config, module.card)
    write_config(config)
    data = build_datamodule(config, trained=module.card)
    phase = "test" if config.stage == "test" else "val"
    seen, warnings = warn_training_overlap(module.card, data, phase)
    warnings += warn_unseen_classes(data)
    trainer = build_trainer(config)
    evaluate = trainer.test if config.stage == "test" else trainer.validate
    with trainer_errors():
        found = evaluate(module, data, verbose=False)
    if not found:
        raise ValueError(f"trainer.limit_{phase}_batches=0 leaves nothing to {config.stage}")
    scores = dict(found[0]) | seen
    results = collect_results(config, module, data, scores, warnings)
    if config.stage == "test":
        print_test_score(module, scores)
    else:
        print_validation_score(module, scores, len(results.predictions) or len(data.indices.val))
    draw_mistakes(results, data)
    write_report(results, config)
    tell(f"\nRun folder: {results.folder}")
    return scores.get(f"test/{module.primary_metric}", scores.get(f"val/{module.primary_metric}"))
