"""Time that each callback takes per step and per epoch (benchmark.callbacks=true).

Lightning's SimpleProfiler times every hook; this groups its times by callback.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Collection
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pandas as pd
from lightning.pytorch.callbacks import Checkpoint, ProgressBar
from omegaconf import DictConfig

from datamodules.base import PreparedDataModule
from experiments.benchmarks.profiling import (
    EPOCH_ACTION,
    NEXT_BATCH_ACTION,
    STEP_ACTION,
    profile_training,
)
from experiments.benchmarks.tables import Row, Table
from experiments.launch.build import build_datamodule
from experiments.launch.console import logger, silence_lightning
from experiments.launch.instantiate import instantiate_group
from modules.base import TaskModule

EPOCHS = 5  # of a fit: some checkpoints are not written after each epoch
CHECKPOINT_ROW, TOTAL_ROW = "(checkpoints together)", "(all of them)"
COLUMNS = ["ms a step", "% of a step", "ms an epoch end", "% of the epoch"]
GRADIENT_CHECK = "on_gradients"  # set on the module by a callback
STEP_HOOKS = {
    *("on_train_batch_start", "on_train_batch_end", "on_before_zero_grad", "on_before_backward"),
    *("on_after_backward", "on_before_optimizer_step", GRADIENT_CHECK),
}
EPOCH_HOOKS = {
    *("on_train_epoch_start", "on_train_epoch_end", "on_validation_start", "on_validation_end"),
    *("on_validation_epoch_start", "on_validation_epoch_end"),
    *("on_validation_batch_start", "on_validation_batch_end"),
}  # the state that a checkpoint asks other callbacks for counts for the checkpoint


class GradientCheckTimer(L.Callback):
    """Profiles the gradient check that a callback sets on the module (NanGuard)."""

    def on_train_start(self, trainer: L.Trainer, module: TaskModule) -> None:  # type: ignore[override]
        """Wrap the check; this callback comes after those that set it."""
        check = module.on_gradients
        if check is not None:
            owner = check.__self__.state_key  # type: ignore[attr-defined]
            action = f"[Callback]{owner}.{GRADIENT_CHECK}"

            def profiled_check(*args: Any) -> bool:
                with trainer.profiler.profile(action):
                    return check(*args)

            module.on_gradients = profiled_check


def measure_callbacks(config: DictConfig) -> Table:
    """Return the cost of each callback, and write it (callbacks.csv); medians over the rounds.

    The figure of the table is the share (%) of a training step that all callbacks take.

    Raises:
        ValueError: the configuration has no callbacks.
    """
    silence_lightning()
    callbacks = instantiate_group(config, "callbacks")
    if not callbacks:
        raise ValueError("benchmark.callbacks=true measures callbacks, but callbacks is empty")
    Path(config.run_dir).mkdir(parents=True, exist_ok=True)
    data = build_datamodule(config)
    whole = len(data.train_dataloader())
    steps = min(config.benchmark.steps, whole)
    tables = []
    for turn in range(config.benchmark.rounds):
        durations = profile_callbacks(config, data, callbacks, steps)
        tables.append(tabulate_costs(durations, callbacks, whole))
        logger.info(f"round {turn + 1}/{config.benchmark.rounds}")
    table = pd.concat(tables).groupby(level="callback", sort=False).median()
    table = table.round({name: 2 if "%" in name else 4 for name in COLUMNS})
    table.to_csv(Path(config.run_dir) / "callbacks.csv")
    title = (
        f"Callbacks of {config.task}, {steps:,} steps of batch {config.datamodule.batch_size}, "
        f"median of {len(tables)} rounds"
    )
    note = f"An epoch has {whole:,} steps and at most {steps:,} validation batches."
    rows = tuple(row for name in table.index for row in _list_costs(name, table.loc[name]))
    share = float(table["% of a step"][TOTAL_ROW])
    return Table("callbacks", title, rows, len(tables), "share of the time", note, share)


def _list_costs(name: str, costs: pd.Series) -> list[Row]:
    """Return the costs of a callback per step and per epoch's end, with their shares."""
    kinds = (("a step", *COLUMNS[:2]), ("an epoch's end", *COLUMNS[2:]))
    return [
        Row(f"`{name}`, {kind}", costs[ms], "ms", round(costs[share] / 100, 5))
        for kind, ms, share in kinds
    ]


def profile_callbacks(
    config: DictConfig, data: PreparedDataModule, callbacks: dict[str, L.Callback], steps: int
) -> dict[str, list[float]]:
    """Train ``EPOCHS`` short epochs; return the seconds of each call, by the profiler's actions."""
    L.seed_everything(config.seed, workers=True, verbose=False)
    changed, kinds = config.copy(), callbacks.values()
    with (
        tempfile.TemporaryDirectory(prefix="callbacks_", dir=config.run_dir) as scratch,
        redirect_stdout(io.StringIO()),  # progress lines
    ):
        changed.run_dir = scratch
        return profile_training(
            *(changed, data, steps, GradientCheckTimer()),
            epochs=EPOCHS,
            limit_val_batches=steps,
            # Lightning adds its own where the configuration has none.
            enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in kinds),
            enable_progress_bar=any(isinstance(callback, ProgressBar) for callback in kinds),
        )


def tabulate_costs(
    durations: dict[str, list[float]], callbacks: dict[str, L.Callback], whole: int
) -> pd.DataFrame:
    """Return ``COLUMNS`` for each callback, for all checkpoints and for all callbacks.

    Args:
        durations: of ``profile_callbacks``.
        callbacks: by their names in the configuration.
        whole: training batches of an epoch that is not cut short.
    """
    steps, epochs = len(durations[STEP_ACTION]), len(durations[EPOCH_ACTION])
    step_ms = 1e3 * _sum_durations(durations, _is_step_time) / steps
    rest_ms = 1e3 * _sum_durations(durations, _is_epoch_time) / epochs - steps / epochs * step_ms
    groups = {name: (name,) for name in callbacks}
    savers = tuple(name for name, c in callbacks.items() if isinstance(c, Checkpoint))
    groups |= ({CHECKPOINT_ROW: savers} if savers else {}) | {TOTAL_ROW: tuple(callbacks)}
    rows = {}
    for row, names in groups.items():
        keys = {callbacks[name].state_key for name in names}
        step = 1e3 * _sum_hooks(durations, keys, STEP_HOOKS) / steps
        end = 1e3 * _sum_hooks(durations, keys, EPOCH_HOOKS) / epochs
        rows[row] = (step, 100 * step / step_ms, end, 100 * end / (rest_ms + whole * step_ms))
    table = pd.DataFrame.from_dict(rows, orient="index", columns=COLUMNS)
    return table.rename_axis("callback")


def _sum_hooks(
    durations: dict[str, list[float]], keys: Collection[str], hooks: Collection[str]
) -> float:
    actions = {f"[Callback]{key}.{hook}" for key in keys for hook in hooks}
    return _sum_durations(durations, actions.__contains__)


def _is_step_time(action: str) -> bool:
    """Return whether an action belongs to a step: fetching, training, or a hook around it."""
    around = action.endswith((".on_train_batch_start", ".on_train_batch_end"))
    return around or action in (STEP_ACTION, NEXT_BATCH_ACTION)


def _is_epoch_time(action: str) -> bool:
    """Return whether an action belongs to an epoch: its loop, or a hook around it."""
    return action == EPOCH_ACTION or action.endswith(
        (".on_train_epoch_start", ".on_train_epoch_end")
    )


def _sum_durations(durations: dict[str, list[float]], is_included: Callable[[str], bool]) -> float:
    return float(sum(np.sum(d) for action, d in durations.items() if is_included(action)))
