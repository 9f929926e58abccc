"""stage=fit: train, test the best checkpoint, tell what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.strategies import FSDPStrategy
from omegaconf import DictConfig

from callbacks.checkpoints.signals import STOP_SIGNALS, RunInterrupted
from callbacks.nan.steps import NonFiniteLossError
from datamodules.base import PreparedDataModule
from datamodules.splits import PHASES
from experiments.checkpoints.init_from import start_from
from experiments.checkpoints.load import load_checkpoint, read_checkpoint
from experiments.checkpoints.resume import checkpoint_to_resume, tell_changes
from experiments.checkpoints.training_state import (
    check_callback_states,
    check_training_state,
    restoring,
)
from experiments.launch.build import build_datamodule, build_module, build_trainer, write_config
from experiments.launch.console import quiet, tell
from experiments.launch.instantiate import plain
from experiments.launch.limits import refuse_excess_devices
from experiments.launch.monitor import check_monitor
from experiments.launch.trainer_checks import check_trainer, trainer_errors
from experiments.reports.homophenes import read_pronunciations
from experiments.reports.mistakes import draw_mistakes
from experiments.reports.report import write_report
from experiments.reports.results import (
    collect_results,
    count_parameters,
    print_test_score,
    print_validation_score,
    warn_unseen_classes,
)
from experiments.reports.training_overlap import warn_training_overlap
from modules.base import TaskModule
from modules.networks.base import Network


def run(config: DictConfig) -> float | None:
    """Train and test; returns the best value of the monitored metric.

    Raises:
        ValueError: the data does not fit the task or the split, ``pronunciations`` is damaged, or
            no epoch ended well enough to leave a checkpoint.
    """
    quiet()
    try:
        with STOP_SIGNALS.handle():
            return _fit(config)
    except RunInterrupted as end:
        again = f"Go on with: python run.py resume={config.run_dir}"
        tell(f"\nStopped by {end.name}{f' {end.place}' if end.place else ''}. {again}")
        raise


def _fit(config: DictConfig) -> float | None:
    refuse_excess_devices(config)
    read_pronunciations(config.pronunciations)  # a bad file ends the run before it begins
    check_trainer(config)
    checkpoint = checkpoint_to_resume(config.resume) if config.resume else None
    if checkpoint:
        content = read_checkpoint(checkpoint)
        check_training_state(content, str(checkpoint))
        tell_changes(content["card"].config, plain(config))
    L.seed_everything(config.seed, workers=True, verbose=False)
    data = build_datamodule(config)
    module = build_module(config, data)
    if config.init_from and not checkpoint:
        start_from(module, config.init_from)
    trainer = build_trainer(config)
    check_monitor(config, module.list_monitored_metrics(), trainer.callbacks)
    if checkpoint:
        check_callback_states(content.get("callbacks", {}), trainer.callbacks, str(checkpoint))
    write_config(config)
    data.save_artifacts(Path(config.run_dir) / "checkpoints")
    tell_start(config, module, data)
    wrong = warn_unseen_classes(data) + _train(trainer, module, data, checkpoint)
    chooses = _best_callback(trainer)
    keeps = chooses is not None and not trainer.fast_dev_run
    best = getattr(chooses, "best_model_path", "")
    scores = _test_best(trainer, module, data, best) if best or not keeps else {}
    trainer.strategy.barrier()  # all have written what they predicted
    if not trainer.is_global_zero:
        return None
    seen, notes = warn_training_overlap(module.card, data, "test")
    scores, wrong = scores | (seen if "test/n" in scores else {}), wrong + notes
    results = collect_results(config, module, data, scores, wrong)
    draw_mistakes(results, data)
    write_report(results, config)
    if keeps and not best:
        report = results.folder / "report.md"
        raise ValueError(f"no epoch ended well enough to be saved. See {report}")
    if not keeps:
        tell("No checkpoint was kept as the best: the configuration asks for none")
    for profile in sorted(results.folder.glob("*-profile.txt")):
        tell(f"Where the time went: {profile}")
    tell(f"\nRun folder: {results.folder}")
    return results.numbers.get(config.monitor.metric)


def _best_callback(trainer: L.Trainer) -> ModelCheckpoint | None:
    """Return the callback that keeps the best checkpoint; None where no callback chooses one."""
    callbacks = (one for one in trainer.checkpoint_callbacks if isinstance(one, ModelCheckpoint))
    return next((one for one in callbacks if one.monitor), None)


def tell_start(config: DictConfig, module: TaskModule, data: PreparedDataModule) -> None:
    """Three lines: what is trained on what, who tests, and how."""
    sizes = ", ".join(f"{p} {len(data.indices[p]):,}" for p in PHASES)
    source = f"the built-in simulator ({data.prepared.data_dir})"
    tell(f"Data: {source if data.prepared.simulated else config.data_dir}: {sizes} samples")
    tell(f"Split: {'warning: ' if data.indices.has_leakage else ''}{data.indices.summary}")
    variant = module.net.variant if isinstance(module.net, Network) else ""
    name = type(module.net).__name__ + (f" (the {variant} variant)" if variant else "")
    tell(
        f"Model: {name}, {count_parameters(module):,} parameters, "
        f"precision {config.trainer.precision}, seed {config.seed}"
    )


def _train(
    trainer: L.Trainer, module: TaskModule, data: PreparedDataModule, checkpoint: Path | None
) -> list[str]:
    """Train, from the beginning or from a checkpoint; returns what went wrong on the way."""
    try:
        with trainer_errors(), restoring(trainer, checkpoint):
            trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True)
    except NonFiniteLossError as error:
        tell(f"Stopped: {error}")
        return [f"NaN stop: {error}."]
    return [
        f"Early stopping ended the run after epoch {callback.stopped_epoch + 1} of at most "
        f"{trainer.max_epochs}: {callback.patience} epochs without a better {callback.monitor}."
        for callback in trainer.callbacks
        if isinstance(callback, EarlyStopping) and callback.stopped_epoch
    ]


def _test_best(
    trainer: L.Trainer, module: TaskModule, data: PreparedDataModule, best: str
) -> dict[str, float]:
    """Test the best checkpoint, or the last weights where the run keeps none.

    Where nothing was kept for testing, it is validated once more.
    """
    if best and isinstance(trainer.strategy, FSDPStrategy):  # cannot share out a module again
        module = load_checkpoint(best)
    if best:
        read_checkpoint(Path(best))  # of a resumed run it may come from anyone
    weights: dict[str, Any] = {"ckpt_path": best, "weights_only": True} if best else {}
    if not len(data.indices.test):
        trainer.loggers = []  # it is no epoch of its own
        with trainer_errors():
            scores = trainer.validate(module, data, verbose=False, **weights)[0]
        print_validation_score(module, scores, len(data.indices.val))
        tell("This split keeps nothing for testing; stage=test data_dir=… tests on another set")
        return dict(scores)
    with trainer_errors():
        scores = trainer.test(module, data, verbose=False, **weights)[0]
    print_test_score(module, scores)
    return dict(scores)
