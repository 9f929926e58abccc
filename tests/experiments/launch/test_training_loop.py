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
from experiments.launch.training_loop import (
    HOOKS,
    KNOWN_VERSIONS,
    LeanEpochLoop,
    can_be_lean,
)

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
    """Return the trainer after two epochs, its recorder and its checkpoint.

    The module ends the second epoch before its fourth batch.
    """
    with monkeypatch.context() as patch:
        if not is_lean:
            patch.setattr(build, "use_lean_loop", lambda trainer: None)
        L.seed_everything(0, verbose=False)
        data, recorder = build_datamodule(config), HookRecorder()
        trainer = build_trainer(config, limit_train_batches=6, limit_val_batches=1, **changes)
        trainer.callbacks.insert(0, recorder)
        module = build_module(config, data)
        module.on_train_batch_start = lambda *_: -1 if trainer.global_step == 9 else None
        trainer.fit(module, data)
    assert isinstance(trainer.fit_loop.epoch_loop, LeanEpochLoop) is is_lean
    return trainer, recorder, trainer._checkpoint_connector.dump_checkpoint()


def test_the_loop_is_lightnings_with_fewer_calls(compose_config, monkeypatch) -> None:
    trained = [
        train(compose_config(*SMALL, run_dir=str(lean)), monkeypatch, lean)
        for lean in (False, True)
    ]
    (own, called, saved), (lean, called_lean, saved_lean) = trained
    assert lean.fit_loop.epoch_loop._is_lean
    assert called_lean.calls == called.calls and len(called.calls) == 9 * len(HOOKS) + 1
    assert saved_lean["loops"] == saved["loops"] and saved_lean["global_step"] == 9
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


class ClosureSGD(torch.optim.SGD):
    """An optimizer that needs the closure which it declares optional."""

    def step(self, closure: Any = None) -> Any:
        """Take a step."""
        assert closure is not None
        return super().step(closure)


def test_a_replaced_step_takes_lightnings_path(compose_config, monkeypatch) -> None:
    trainer, _, _ = train(compose_config(*SMALL, "epochs=1"), monkeypatch, True)
    assert can_be_lean(trainer)
    weights, optimizers = trainer.lightning_module.parameters(), trainer.optimizers
    with monkeypatch.context() as patch:
        patch.setattr(trainer.lightning_module, "backward", lambda loss: (2 * loss).backward())
        assert not can_be_lean(trainer)
    trainer.optimizers = [ClosureSGD(weights, lr=0.1)]
    assert not can_be_lean(trainer)
    optimizers[0].register_step_pre_hook(lambda *_: None)
    trainer.optimizers = optimizers
    assert not can_be_lean(trainer)


def test_the_loop_was_compared_with_the_installed_lightning() -> None:
    assert L.__version__ in KNOWN_VERSIONS, (
        f"Lightning {L.__version__} is new: compare its loops/training_epoch_loop.py and "
        "loops/optimization/automatic.py with LeanEpochLoop, then add it to KNOWN_VERSIONS"
    )


def test_an_unknown_version_of_lightning_keeps_its_loop(compose_config, monkeypatch) -> None:
    monkeypatch.setattr("experiments.launch.training_loop.L.__version__", "2.6.99")
    assert type(build_trainer(compose_config(*SMALL)).fit_loop.epoch_loop) is _TrainingEpochLoop
