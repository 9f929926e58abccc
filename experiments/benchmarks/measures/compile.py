"""Cost and gain of ``compile=true`` on this machine (benchmark.measure=[compile])."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import lightning as L
import torch
from omegaconf import DictConfig

from experiments.benchmarks.tables import (
    Clock,
    Row,
    Table,
    compare_alternately,
    read_clock,
    round_figures,
)
from experiments.launch.build import build_datamodule, build_module
from experiments.launch.compiling import compile_for
from experiments.launch.console import logger, silence_lightning
from modules.base import Batch, TaskModule

PLAIN, COMPILED = "not compiled", "compile=true"


def measure_tables(config: DictConfig) -> Sequence[Table]:
    """Return the times of forward and backward passes, the first ones, and when they pay."""
    silence_lightning()
    L.seed_everything(config.seed, workers=True, verbose=False)
    data, clock, rounds = build_datamodule(config), config.benchmark.clock, config.benchmark.rounds
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    plain, compiled = (build_module(config, data).train() for _ in range(2))
    plain_s = _pass_seconds(plain, batch, 1, clock)
    compiled_s = _compile_module(compiled, batch, clock)
    steps = min(config.benchmark.steps, 20)
    parts = {
        name: partial(_pass_ms, module, batch, steps, clock)
        for name, module in ((PLAIN, plain), (COMPILED, compiled))
    }
    rows = compare_alternately(parts, rounds, "ms", log=logger.info)
    saved_s = (rows[PLAIN].value - rows[COMPILED].value) / 1e3
    extra_s = compiled_s - plain_s
    pays = math.ceil(max(extra_s, 0) / saved_s) if saved_s > 0 else None
    epoch = len(data.train_dataloader())
    note = "It never pays."
    if pays is not None:
        note = f"It pays after {pays:,} steps ({pays / epoch:,.1f} epochs of {epoch:,} steps)."
    title = (
        f"Compiling `{str(config.net._target_).rpartition('.')[2]}`, a forward and backward pass "
        f"of batch {data.batch_size}, median of {rounds} rounds"
    )
    first_pass = Row("first pass with compile=true", round_figures(compiled_s), "s")
    return [Table("compile", title, (*rows.values(), first_pass), rounds, note=note)]


def _compile_module(module: TaskModule, batch: Batch, clock: Clock) -> float:
    """Compile without caches, in this process; return the seconds of the first pass."""
    from torch._inductor import config as inductor

    with inductor.patch(force_disable_caches=True, compile_threads=1):
        compile_for(module.net, True, torch.device("cpu"))
        return _pass_seconds(module, batch, 1, clock)


def _pass_ms(module: TaskModule, batch: Batch, steps: int, clock: Clock) -> float:
    return 1e3 * _pass_seconds(module, batch, steps, clock) / steps


def _pass_seconds(module: TaskModule, batch: Batch, steps: int, clock: Clock) -> float:
    started = read_clock(clock)
    for _ in range(steps):
        module.zero_grad()
        module.forward_and_loss(dict(batch))[1].backward()
    return read_clock(clock) - started
