"""stage=fit: train, test the best checkpoint, and write the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from omegaconf import DictConfig

from callbacks.checkpoints.signals import STOP_SIGNALS, RunInterrupted
from callbacks.early_stopping import describe_stop
from callbacks.nan.steps import NonFiniteLossError
from datamodules.base import PreparedDataModule
from datamodules.splits import PHASES
from experiments.checkpoints.init_from import load_initial_weights
from experiments.checkpoints.load import read_checkpoint
from experiments.checkpoints.resume import find_checkpoint_to_resume, report_changes
from experiments.checkpoints.resumed_command import ResumedCommand
from experiments.checkpoints.resumed_split import continue_record, keep_split
from experiments.checkpoints.superseded import put_back_unless, set_aside_later_files
from experiments.checkpoints.training_state import (
    check_callback_states,
    check_training_state,
    explain_restore_errors,
)
from experiments.launch.build import build_datamodule, build_module, build_trainer, write_config
from experiments.launch.compiling import compile_network
from experiments.launch.console import logger, silence_lightning
from experiments.launch.instantiate import resolve_node
from experiments.launch.limits import refuse_excess_devices
from experiments.launch.monitor import check_monitor
from experiments.launch.resumed_run import is_checkpoint_name
from experiments.launch.run_lock import is_first_process
from experiments.launch.trainer_checks import check_trainer, explain_trainer_errors
from experiments.reports.homophenes import read_pronunciations
from experiments.reports.provenance import RunRecord
from experiments.reports.report import write_report
from experiments.reports.results import (
    Results,
    collect_results,
    count_parameters,
    print_test_score,
    print_validation_score,
    warn_unseen_classes,
)
from experiments.reports.run_logging import log_results
from experiments.reports.splits import write_splits
from experiments.reports.training_overlap import warn_training_overlap
from modules.base import TaskModule
from modules.networks.base import Network
from unvoiced.masking import mask_settings


def run(config: DictConfig) -> float | None:
    """Train and test; return the best value of the monitored metric.

    Raises:
        ValueError: the data does not fit the task or the split, ``pronunciations`` is damaged, or
            no epoch left a checkpoint.
    """
    silence_lightning()
    try:
        with STOP_SIGNALS.handle():
            return train_and_test(config)
    except RunInterrupted as end:
        place = f" {end.place}" if end.place else ""
        command = f"python run.py resume={config.run_dir}"
        logger.info(f"\nStopped by {end.name}{place}. Resume with: {command}")
        raise


def train_and_test(config: DictConfig) -> float | None:
    """Train, test and report; return the monitored metric, in the first process."""
    record = RunRecord()
    refuse_excess_devices(config)
    read_pronunciations(config.pronunciations)  # a bad file ends the run before it starts
    check_trainer(config)
    checkpoint = find_checkpoint_to_resume(config.resume) if config.resume else None
    content: dict[str, Any] = {}
    aside = None
    if checkpoint:
        content = _read_training_state(checkpoint)
        config = keep_split(config, content["card"])
        report_changes(content["card"].config, mask_settings(resolve_node(config)))
    L.seed_everything(config.seed, workers=True, verbose=False)
    data = build_datamodule(config)
    module = build_module(config, data)
    if config.init_from and not checkpoint:
        load_initial_weights(module, config.init_from)
    trainer = build_trainer(config)
    compile_network(config, module, trainer)
    check_monitor(config, module.list_monitored_metrics(), trainer.callbacks)
    if checkpoint:
        continue_record(module, content["card"])
        check_callback_states(content.get("callbacks", {}), trainer.callbacks, str(checkpoint))
        aside = _set_aside_later_files(config, checkpoint, content)
    command = ResumedCommand(config)
    if config.resume:
        trainer.callbacks.append(command)
    with put_back_unless(lambda: command.has_begun, Path(config.run_dir), aside):
        record.record_run(trainer, data)
        folder = write_config(config)
        write_splits(data, folder)
        data.save_artifacts(folder / "checkpoints")
        report_start(config, module, data)
        problems = warn_unseen_classes(data) + _train(trainer, module, data, checkpoint)
    return _test_and_report(config, trainer, module, data, problems, record)


def _read_training_state(checkpoint: Path) -> dict[str, Any]:
    """Return the validated content of the checkpoint to resume."""
    content = read_checkpoint(checkpoint)
    check_training_state(content, str(checkpoint))
    return content


def _set_aside_later_files(
    config: DictConfig, checkpoint: Path, content: dict[str, Any]
) -> Path | None:
    """Move files that the run wrote after the checkpoint of ``resume``, if it names one."""
    if not is_checkpoint_name(config.resume) or not is_first_process():
        return None
    epoch, step = content["epoch"] + 1, content["global_step"]
    folder = set_aside_later_files(Path(config.run_dir), checkpoint, epoch, step)
    if folder:
        logger.info(f"Files written after {checkpoint.name} (epoch {epoch}) are in {folder}")
    return folder


def report_start(config: DictConfig, module: TaskModule, data: PreparedDataModule) -> None:
    """Print the data, the split and the model."""
    sizes = ", ".join(f"{phase} {len(data.indices[phase]):,}" for phase in PHASES)
    source = f"the built-in simulator ({data.prepared.place})"
    logger.info(f"Data: {source if data.prepared.simulated else config.data_dir}: {sizes} samples")
    leakage = "warning: " if data.indices.has_leakage else ""
    logger.info(f"Split: {leakage}{data.indices.summary}")
    variant = module.net.variant if isinstance(module.net, Network) else ""
    name = type(module.net).__name__ + (f" (the {variant} variant)" if variant else "")
    logger.info(
        f"Model: {name}, {count_parameters(module):,} parameters, "
        f"precision {config.trainer.precision}, seed {config.seed}"
    )


def _train(
    trainer: L.Trainer, module: TaskModule, data: PreparedDataModule, checkpoint: Path | None
) -> list[str]:
    """Train, or continue from a checkpoint; return sentences for the report on the end."""
    try:
        with explain_trainer_errors(), explain_restore_errors(trainer, checkpoint):
            trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True)
    except NonFiniteLossError as error:
        logger.info(f"Stopped: {error}")
        return [f"NaN stop: {error}."]
    return [
        f"Early stopping ended the run after epoch {callback.stopped_epoch + 1} of at most "
        f"{trainer.max_epochs}: {describe_stop(callback)}."
        for callback in trainer.callbacks
        if isinstance(callback, EarlyStopping) and callback.stopped_epoch
    ]


def _test_and_report(
    config: DictConfig,
    trainer: L.Trainer,
    module: TaskModule,
    data: PreparedDataModule,
    problems: list[str],
    record: RunRecord,
) -> float | None:
    callback = _get_best_callback(trainer)
    keeps_best = callback is not None and not trainer.fast_dev_run
    best = getattr(callback, "best_model_path", "")
    loggers, step = trainer.loggers, trainer.global_step
    scores = _test_best(trainer, module, data, best) if best or not keeps_best else {}
    trainer.strategy.barrier()  # all processes have written their predictions
    if not trainer.is_global_zero:
        return None
    seen_scores, notes = warn_training_overlap(module.card, data, "test")
    scores |= seen_scores if "test/n" in scores else {}
    results = collect_results(config, module, data, scores, problems + notes, record)
    results.warnings.extend(_explain_other_best(best, results.curve.best))
    write_report(results, config)
    log_results(loggers, results.folder, step, best if config.log_best else None)
    if keeps_best and not best:
        report = results.folder / "report.md"
        raise ValueError(f"no epoch ended well enough to be saved. See {report}")
    _report_end(results, keeps_best)
    return results.numbers.get(config.monitor.metric)


def _explain_other_best(best: str, best_epoch: int | None) -> list[str]:
    """Return a sentence if the best checkpoint is not of the best epoch of metrics.csv."""
    epoch = read_checkpoint(Path(best)).get("epoch", -1) + 1 if best else 0
    if not epoch or best_epoch is None or epoch == best_epoch:
        return []
    note = (
        f"{Path(best).name} has epoch {epoch}, since the checkpoint of the best one, "
        f"{best_epoch}, is gone."
    )
    logger.warning(note)
    return [note]


def _get_best_callback(trainer: L.Trainer) -> ModelCheckpoint | None:
    """Return the callback that keeps the best checkpoint, if there is one."""
    callbacks = (c for c in trainer.checkpoint_callbacks if isinstance(c, ModelCheckpoint))
    return next((callback for callback in callbacks if callback.monitor), None)


def _test_best(
    trainer: L.Trainer, module: TaskModule, data: PreparedDataModule, best: str
) -> dict[str, float]:
    """Test the best checkpoint, or the last weights if the run keeps no checkpoint.

    A split without test samples is validated once more instead.
    """
    if best:
        read_checkpoint(Path(best))  # of a resumed run it may come from anyone
    weights: dict[str, Any] = {"ckpt_path": best, "weights_only": True} if best else {}
    if not len(data.indices.test):
        trainer.loggers = []  # this is no further epoch
        with explain_trainer_errors():
            scores = trainer.validate(module, data, verbose=False, **weights)[0]
        print_validation_score(module, scores, len(data.indices.val))
        logger.info("This split has no test samples; stage=test data_dir=… tests on another set")
        return dict(scores)
    with explain_trainer_errors():
        scores = trainer.test(module, data, verbose=False, **weights)[0]
    print_test_score(module, scores)
    return dict(scores)


def _report_end(results: Results, keeps_best: bool) -> None:
    """Print where the results of a run are."""
    if not keeps_best:
        logger.info("No best checkpoint was kept: the configuration asks for none")
    for profile in sorted(results.folder.glob("*-profile.txt")):
        logger.info(f"Profile: {profile}")
    logger.info(f"\nRun folder: {results.folder}")
