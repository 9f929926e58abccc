"""stage=benchmark benchmark.callbacks=true: the cost of each callback."""

from __future__ import annotations

import time
from pathlib import Path

import lightning as L
import pandas as pd
import pytest
import torch
from omegaconf import DictConfig
from torch.nn.utils import parameters_to_vector

from datamodules.base import PreparedDataModule
from experiments.benchmarks.callback_costs import (
    CHECKPOINT_ROW,
    COLUMNS,
    EPOCHS,
    TOTAL_ROW,
    GradientCheckTimer,
    measure_callbacks,
    profile_callbacks,
    tabulate_costs,
)
from experiments.benchmarks.profiling import STEP_ACTION
from experiments.launch.build import build_datamodule, build_module, build_trainer
from experiments.launch.instantiate import instantiate_group
from experiments.stages import benchmark

SMALL = (
    *("task=asl", "stage=benchmark", "trainer=cpu", "size=tiny", "net=landmark_gru"),
    *("datamodule.batch_size=4", "datamodule.eval_batch_size=16"),
    *("benchmark.callbacks=true", "benchmark.steps=2", "benchmark.rounds=1"),
)


def profile(config: DictConfig) -> tuple[dict, dict, PreparedDataModule]:
    """Return the configuration's callbacks and the seconds of their hooks."""
    Path(config.run_dir).mkdir()
    callbacks, data = instantiate_group(config, "callbacks"), build_datamodule(config)
    return callbacks, profile_callbacks(config, data, callbacks, 2), data


def test_the_table_has_each_configured_callback_and_is_printed(compose_config, capsys) -> None:
    config, kept = compose_config(*SMALL), ["best", "nan_guard", "progress"]
    for name in set(config.callbacks) - set(kept):
        config.callbacks[name] = None
    share = benchmark.run(config)
    table = pd.read_csv(Path(config.run_dir, "callbacks.csv"), index_col="callback")
    assert table.index.tolist() == [*kept, CHECKPOINT_ROW, TOTAL_ROW]
    assert table.columns.tolist() == COLUMNS and share == table["% of a step"][TOTAL_ROW]
    printed = capsys.readouterr().out
    assert all(f"| `{name}`, a step |" in printed for name in table.index)
    files = sorted(path.name for path in Path(config.run_dir).iterdir())
    assert files == ["benchmark.json", "callbacks.csv"]


def test_groups_are_the_sums_of_their_callbacks(compose_config) -> None:
    callbacks, durations, data = profile(compose_config(*SMALL))
    table = tabulate_costs(durations, callbacks, len(data.train_dataloader()))
    for column in COLUMNS:
        together = table.loc[["best", "periodic", "last"], column].sum()
        assert table[column][CHECKPOINT_ROW] == pytest.approx(together)
        assert table[column][TOTAL_ROW] == pytest.approx(table[column][list(callbacks)].sum())
    assert (table >= 0).all(axis=None) and (table[["% of a step"]] < 100).all(axis=None)
    assert table["ms a step"]["nan_guard"] > 0 and table["ms an epoch end"]["last"] > 0


def test_each_hook_counts_for_the_step_or_the_epoch(compose_config) -> None:
    callbacks, durations, data = profile(compose_config(*SMALL))
    key = callbacks["nan_guard"].state_key
    durations[f"[Callback]{key}.on_train_batch_end"] = [0.5] * (2 * EPOCHS)
    durations[f"[Callback]{key}.on_train_epoch_end"] = [2.0] * EPOCHS
    durations[f"[Callback]{key}.setup"] = [100.0]
    table = tabulate_costs(durations, callbacks, len(data.train_dataloader()))
    assert table["ms a step"]["nan_guard"] == pytest.approx(500, rel=0.1)
    assert table["ms an epoch end"]["nan_guard"] == pytest.approx(2000, rel=0.1)


def test_the_profiled_gradient_check_changes_no_weight(compose_config) -> None:
    config = compose_config(*SMALL)
    callbacks, durations, data = profile(config)
    check = durations[f"[Callback]{callbacks['nan_guard'].state_key}.on_gradients"]
    assert len(check) == len(durations[STEP_ACTION]) == 2 * EPOCHS
    weights = []
    for is_profiled in (False, True):
        L.seed_everything(0, verbose=False)
        trainer = build_trainer(config, max_epochs=2, limit_train_batches=2)
        module = build_module(config, data)
        trainer.callbacks += [GradientCheckTimer()] if is_profiled else []
        trainer.fit(module, data)
        weights.append(parameters_to_vector(module.parameters()))
        assert module.on_gradients is None
    assert torch.equal(*weights)


def test_a_slow_callback_costs_most(compose_config, monkeypatch) -> None:
    config = compose_config(*SMALL)
    callback = type(instantiate_group(config, "callbacks")["disk_space"])
    monkeypatch.setattr(callback, "on_train_batch_start", lambda *_: time.sleep(0.02))
    callbacks, durations, data = profile(config)
    table = tabulate_costs(durations, callbacks, len(data.train_dataloader()))
    single = table.drop(index=[CHECKPOINT_ROW, TOTAL_ROW])
    assert single["ms a step"].idxmax() == "disk_space" and single["ms a step"].max() >= 20


def test_a_configuration_without_callbacks_is_refused(compose_config) -> None:
    config = compose_config(*SMALL)
    for name in config.callbacks:
        config.callbacks[name] = None
    with pytest.raises(ValueError, match="callbacks is empty"):
        measure_callbacks(config)
