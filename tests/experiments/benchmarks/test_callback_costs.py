"""stage=benchmark benchmark.callbacks=true: what each callback costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import lightning as L
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig
from torch.nn.utils import parameters_to_vector

from experiments.benchmarks.callbacks import (
    ALL,
    CHECKPOINTS,
    CPU_ON_OFF,
    CPU_OWN,
    EPOCHS,
    ON_OFF,
    OWN,
    SAME,
    SAVES,
    Fits,
    Meter,
    by_name,
    compare_callbacks,
    grouped,
    own_times,
)
from experiments.launch.build import build_datamodule, build_module, build_trainer
from experiments.launch.instantiate import named
from experiments.stages import benchmark

SMALL = (
    *("task=asl", "stage=benchmark", "trainer=cpu", "size=tiny", "net=landmark_gru"),
    *("datamodule.batch_size=4", "datamodule.eval_batch_size=16"),
    *("benchmark.callbacks=true", "benchmark.steps=2", "benchmark.rounds=1"),
)
WAIT_S = 0.02  # a hundred times what the others take


class Waits(L.Callback):
    """Waits once a step, once an epoch, and once where a checkpoint asks for its state."""

    def on_train_batch_end(self, *_: object) -> None:
        time.sleep(WAIT_S)

    def on_train_epoch_end(self, *_: object) -> None:
        time.sleep(4 * WAIT_S)

    def state_dict(self) -> dict[str, int]:
        time.sleep(WAIT_S)
        return {"waited": 1}


def fits_of(config: DictConfig) -> Fits:
    kinds = {name: type(callback) for name, callback in named(config.callbacks).items()}
    Path(config.run_dir).mkdir()
    return Fits(config, build_datamodule(config), kinds, 2, cost=Meter().cost)


def numbers(table: str) -> dict[str, list[float]]:
    """The rows of a printed table, without its two of heads, by their names."""
    lines = table.splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name: [float(value) for value in values] for name, *values in rows}


def test_the_table_has_each_configured_callback_once_and_is_what_is_printed(
    composed, capsys
) -> None:
    config, kept = composed(*SMALL), ["best", "nan_guard", "progress"]
    for name in set(config.callbacks) - set(kept):
        config.callbacks[name] = None
    share = benchmark.run(config)
    table = pd.read_csv(Path(config.run_dir, "callbacks.csv"), index_col="callback")
    assert table.index.tolist() == [*kept, CHECKPOINTS, ALL, SAME]
    assert share == table["% of a step"][ALL]
    blocks = capsys.readouterr().out.split("\n\n")
    shown = [numbers(block) for block in blocks if block.startswith("|")]
    saving = table[SAVES[0]] > 0
    parts = (table[[*OWN, *ON_OFF]], table[[*CPU_OWN, *CPU_ON_OFF]], table.loc[saving, SAVES])
    assert shown == [{str(name): row.tolist() for name, row in part.iterrows()} for part in parts]
    assert set(table.columns) == {*OWN, *ON_OFF, *CPU_OWN, *CPU_ON_OFF, *SAVES}
    assert [path.name for path in Path(config.run_dir).iterdir()] == ["callbacks.csv"]


def test_checkpoints_are_counted_together_and_equal_runs_cost_nothing(composed) -> None:
    fits = fits_of(composed(*SMALL))
    groups = grouped(fits.kinds)
    table = own_times(fits.timed(), groups)
    together = table.loc[list(groups[CHECKPOINTS])]
    assert set(groups[CHECKPOINTS]) == {"best", "last", "periodic"}
    assert table["ms an epoch end"][CHECKPOINTS] == pytest.approx(together["ms an epoch end"].sum())
    assert table[SAVES[0]]["last"] == 1 and table[SAVES[0]]["periodic"] == 1 / EPOCHS
    assert table[SAVES[0]][CHECKPOINTS] == pytest.approx(together[SAVES[0]].sum())
    assert (together[SAVES] > 0).all(axis=None)
    assert (table.loc[SAME, OWN] == 0).all() and table[SAVES[0]]["nan_guard"] == 0
    assert table["ms a step"]["nan_guard"] > 0


def test_one_that_waits_is_the_dearest_and_a_checkpoint_does_not_pay_for_it(composed) -> None:
    config = composed(*SMALL, "callbacks=default")  # an average takes its time
    fits = fits_of(config)
    fits.kinds["waits"] = Waits
    meter = Meter()
    trainer = build_trainer(config, max_epochs=2, limit_train_batches=2, limit_val_batches=1)
    trainer.callbacks.insert(0, Waits())
    meter.watch(trainer, by_name(trainer, fits.kinds))
    trainer.callbacks.append(meter)
    trainer.fit(build_module(config, fits.data), fits.data)
    table = own_times(meter, grouped(fits.kinds))
    ms = 1e3 * WAIT_S
    alone = table.drop(index=[*grouped(fits.kinds)[CHECKPOINTS], CHECKPOINTS, ALL, SAME])
    assert alone["ms a step"].idxmax() == alone["ms an epoch end"].idxmax() == "waits"
    assert table["ms a step"]["waits"] >= ms
    saves = len(meter.saves)
    assert table["ms an epoch end"]["waits"] >= (4 * ms * 2 + ms * saves) / 2
    assert table["CPU ms a step"]["waits"] < table["ms a step"]["waits"] / 4


def test_to_be_timed_changes_no_weight(composed) -> None:
    fits = fits_of(composed(*SMALL))
    weights = []
    for watched in (False, True):
        L.seed_everything(0, verbose=False)
        trainer = build_trainer(fits.config, max_epochs=2, limit_train_batches=2)
        meter, module = Meter(), build_module(fits.config, fits.data)
        if watched:
            meter.watch(trainer, by_name(trainer, fits.kinds))
            trainer.callbacks.append(meter)
        trainer.fit(module, fits.data)
        weights.append(parameters_to_vector(module.parameters()))
    assert torch.equal(*weights)
    guard = {
        hook: spent.calls for (name, hook), spent in meter.spent.items() if name == "nan_guard"
    }
    assert guard["on_gradients"] == guard["on_before_backward"] == meter.steps == 4
    assert module.on_gradients is None


def test_without_any_callback_there_is_nothing_to_measure(composed) -> None:
    config = composed(*SMALL)
    for name in config.callbacks:
        config.callbacks[name] = None
    with pytest.raises(ValueError, match="callbacks names none"):
        compare_callbacks(config)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 3), max_size=6))
def test_time_inside_another_hook_is_counted_once(depths: list[int]) -> None:
    """Whatever calls what, the hooks' own times add up to what lies between first and last."""
    meter = Meter()

    def nested(depth: int) -> Callable[[], None]:
        inside = nested(depth - 1) if depth else _pause
        return meter.timed(f"{depth}", "on_train_batch_end", inside)

    started = time.perf_counter()
    for depth in depths:
        nested(depth)()
    whole = time.perf_counter() - started
    spent = sum(one.wall for one in meter.spent.values())
    assert 0 <= spent <= whole + 1e-6
    assert sum(one.calls for one in meter.spent.values()) == sum(depth + 1 for depth in depths)
    assert spent >= len(depths) * 0.9e-4


def _pause() -> None:
    time.sleep(1e-4)
