"""The lean loop trains, counts and calls hooks exactly as Lightning's own."""

from __future__ import annotations

from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from lightning.pytorch.profilers import SimpleProfiler

from experiments.launch import build
from experiments.launch.build import build_datamodule, build_module, build_trainer
from experiments.launch.training_loop import HOOKS, LeanEpochLoop

SMALL = (
    *("task=asl", "trainer=cpu", "size=tiny", "net=landmark_gru", "datamodule.batch_size=4"),
    *("callbacks=averaged", "scheduler=one_cycle", "augment=none", "epochs=2"),
)


class HookRecorder(L.Callback):
    """Notes the hooks of each step, with the current hook of the module."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __getattribute__(self, name: str) -> Any:
        if name not in HOOKS:
            return super().__getattribute__(name)

        def note(trainer: L.Trainer, module: L.LightningModule, *arguments: Any) -> None:
            progress = trainer.fit_loop.epoch_loop.batch_progress
            kinds = tuple(type(argument).__name__.strip("_") for argument in arguments)
            counts = (progress.current.ready, trainer.global_step, trainer.is_last_batch)
            self.calls.append((name, module._current_fx_name, kinds, *counts))

        return note


for hook in HOOKS:  # are overridden, so that the lean loop calls them
    setattr(HookRecorder, hook, lambda *_: None)


def train(config: Any, monkeypatch: pytest.MonkeyPatch, is_lean: bool, **changes: Any) -> Any:
    """Return the trainer after two epochs, its recorder and its checkpoint."""
    with monkeypatch.context() as patch:
        if not is_lean:
            patch.setattr(build, "use_lean_loop", lambda trainer: None)
        L.seed_everything(0, verbose=False)
        data, recorder = build_datamodule(config), HookRecorder()
        trainer = build_trainer(config, limit_train_batches=6, limit_val_batches=1, **changes)
        trainer.callbacks.insert(0, recorder)
        trainer.fit(build_module(config, data), data)
    assert isinstance(trainer.fit_loop.epoch_loop, LeanEpochLoop) is is_lean
    return trainer, recorder, trainer._checkpoint_connector.dump_checkpoint()


def test_the_loop_is_lightnings_with_fewer_calls(compose_config, monkeypatch) -> None:
    trained = [
        train(compose_config(*SMALL, run_dir=str(lean)), monkeypatch, lean)
        for lean in (False, True)
    ]
    (own, called, saved), (lean, called_lean, saved_lean) = trained
    assert lean.fit_loop.epoch_loop._is_lean
    assert called_lean.calls == called.calls and len(called.calls) == 2 * 6 * len(HOOKS)
    assert saved_lean["loops"] == saved["loops"] and saved_lean["global_step"] == 12
    assert saved_lean["lr_schedulers"] == saved["lr_schedulers"]
    torch.testing.assert_close(saved_lean["state_dict"], saved["state_dict"], rtol=0, atol=0)
    metrics = [{k: float(v) for k, v in one.callback_metrics.items()} for one in (own, lean)]
    assert metrics[0] == metrics[1] and "train/loss" in metrics[0]


def test_other_runs_take_lightnings_path(compose_config, monkeypatch) -> None:
    config = compose_config(*SMALL, "trainer.accumulate_grad_batches=2", "epochs=1")
    trainer, _, saved = train(config, monkeypatch, True)
    assert not trainer.fit_loop.epoch_loop._is_lean and saved["global_step"] == 3
    profiled = train(config, monkeypatch, True, profiler=SimpleProfiler())[0]
    assert "run_training_batch" in profiled.profiler.recorded_durations


def test_an_unknown_version_of_lightning_keeps_its_loop(compose_config, monkeypatch) -> None:
    monkeypatch.setattr("experiments.launch.training_loop.L.__version__", "3.0.0")
    assert type(build_trainer(compose_config(*SMALL)).fit_loop.epoch_loop) is _TrainingEpochLoop
