"""Training steps per second of this suite and of hand-written loops."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from copy import deepcopy
from functools import partial
from itertools import islice
from typing import Any

import lightning as L
import numpy as np
import torch
from omegaconf import DictConfig, open_dict
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from datamodules.base import PreparedDataModule
from datamodules.emg import EMGDataModule
from experiments.benchmarks.clips import measure_clips
from experiments.benchmarks.tables import (
    FIRST_TO_ROW,
    Clock,
    Table,
    compare_alternately,
    read_clock,
)
from experiments.benchmarks.text import build_plain_loader, compute_text_loss, measure_padding
from experiments.launch.build import build_datamodule, build_module, build_trainer
from experiments.launch.console import logger, silence_lightning
from experiments.launch.instantiate import instantiate
from modules.base import TaskModule
from modules.transcription import TranscriptionModule

SUITE_LOOP = "this suite (Lightning Trainer, all callbacks)"
PLAIN_LOOP = "hand-written loop, DataLoader(shuffle=True)"
FUSED_LOOP = "the same, fused optimizer"
WHOLE_LOOP = "hand-written loop with all that this suite has: fused optimizer, whole batches"
FIXED_LOOP = "the same on one fixed batch (the limit)"
MAX_SAMPLES, MAX_SAMPLE_BYTES = 20_000, 1 << 30  # that are copied for the hand-written loops
Loop = Callable[[], float]


class WholeBatches:
    """Batches of samples in memory, each fetched by one indexing operation per tensor.

    Args:
        samples: (samples, ...) and (samples,).
        batch_size: samples per batch.
    """

    def __init__(self, samples: TensorDataset, batch_size: int) -> None:
        self.tensors, self.batch_size = samples.tensors, batch_size

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        for rows in torch.randperm(len(self.tensors[0])).split(self.batch_size):
            yield tuple(tensor[rows] for tensor in self.tensors)


def compare_loops(config: DictConfig) -> list[Table]:
    """Return the table of steps per second, and those of clips where recordings are images.

    All loops train the same network with the same optimizer settings, clipping and batch size,
    without augmentation, in 32 bits, and take turns. A figure is the median over the rounds.
    """
    silence_lightning()
    L.seed_everything(config.seed, workers=True, verbose=False)
    with open_dict(config):
        config.augment, config.trainer.precision = None, "32-true"
    data = build_datamodule(config)
    steps = min(config.benchmark.steps, len(data.train_dataloader()))
    tables = [_compare_steps(config, data, steps)]
    if len(data.prepared.meta["frame"]["shape"]) == 2:  # images
        tables += measure_clips(config, data, steps)
    return tables


def _compare_steps(config: DictConfig, data: PreparedDataModule, steps: int) -> Table:
    loops, rounds = build_loops(config, data, steps), config.benchmark.rounds
    rows = compare_alternately(loops, rounds, "steps/s", is_first_over_row=True, log=logger.info)
    note = ""
    if isinstance(data, EMGDataModule):
        note = _describe_padding(config, data, rows[SUITE_LOOP].value)
    return Table(
        "steps",
        f"Training steps of {config.task} (`{_name_network(config)}`), {steps:,} steps of batch "
        f"{config.datamodule.batch_size}, median of {rounds} rounds",
        tuple(rows.values()),
        rounds,
        FIRST_TO_ROW,
        note,
    )


def _name_network(config: DictConfig) -> str:
    return str(config.net._target_).rpartition(".")[2]


# ---- the loops


def build_loops(config: DictConfig, data: PreparedDataModule, steps: int) -> dict[str, Loop]:
    """Return the loops by name; each trains ``steps`` steps and returns steps per second."""
    module = build_module(config, data)
    plain, whole, fixed, compute_loss = _build_batches(config, data, module)
    settings = {k: v for k, v in config.optimizer.items() if k != "fused"}
    usual, fused = instantiate(settings), instantiate(settings | {"fused": True})
    train = partial(train_by_hand, config, module.net, compute_loss, steps)
    return {
        SUITE_LOOP: partial(train_suite, config, data, steps),
        PLAIN_LOOP: partial(train, usual, plain),
        FUSED_LOOP: partial(train, fused, plain),
        WHOLE_LOOP: partial(train, fused, whole),
        FIXED_LOOP: partial(train, fused, fixed),
    }


def _build_batches(
    config: DictConfig, data: PreparedDataModule, module: TaskModule
) -> tuple[Any, Any, list[Any], Callable[..., Tensor]]:
    """Return the usual loader, whole batches, batches that need no loading, and their loss."""
    if isinstance(data, EMGDataModule):
        assert isinstance(module, TranscriptionModule)
        loader, compute_loss = data.train_dataloader(), partial(compute_text_loss, module)
        return build_plain_loader(data), loader, list(loader), compute_loss
    size, samples = config.datamodule.batch_size, _copy_samples(data)
    loader = DataLoader(samples, size, shuffle=True)
    return loader, WholeBatches(samples, size), [samples[:size]], partial(_class_loss, module)


def _class_loss(
    module: TaskModule, net: nn.Module, batch: tuple[Tensor, Tensor], device: torch.device
) -> Tensor:
    x, y = batch
    smoothing = module.label_smoothing
    return nn.functional.cross_entropy(net(x.to(device)), y.to(device), label_smoothing=smoothing)


def _copy_samples(data: PreparedDataModule) -> TensorDataset:
    """Return training samples as the network takes them, (samples, ...) and (samples,)."""
    train = data.indices.train
    sample = data.preprocess(data.build_dataset(train[:1])[np.arange(1)]["x"])
    rows = train[: min(MAX_SAMPLES, MAX_SAMPLE_BYTES // sample.nbytes)]
    batch = data.build_dataset(rows)[np.arange(len(rows))]
    return TensorDataset(data.preprocess(batch["x"]), batch["y"])


def train_by_hand(
    config: DictConfig,
    net: nn.Module,
    compute_loss: Callable[..., Tensor],
    steps: int,
    make_optimizer: Callable[..., torch.optim.Optimizer],
    loader: Any,
) -> float:
    """Train a copy of the network in a plain loop; return steps per second."""
    use_gpu = config.trainer.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    device = torch.device("cuda" if use_gpu else "cpu")
    net = deepcopy(net).to(device).train()
    optimizer = make_optimizer(net.parameters())
    started = _read_seconds(config.benchmark.clock, device)
    for batch in islice(_repeat_batches(loader), steps):
        optimizer.zero_grad()
        compute_loss(net, batch, device).backward()
        nn.utils.clip_grad_norm_(net.parameters(), config.trainer.gradient_clip_val)
        optimizer.step()
    return steps / (_read_seconds(config.benchmark.clock, device) - started)


def _repeat_batches(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader


def train_suite(config: DictConfig, data: PreparedDataModule, steps: int) -> float:
    """Train in the Trainer, with callbacks and loggers as configured; return steps per second."""
    module = build_module(config, data)
    trainer = build_trainer(config, max_epochs=1, limit_train_batches=steps, limit_val_batches=1)
    stopwatch = StepClock(config.benchmark.clock)
    trainer.callbacks.append(stopwatch)
    with redirect_stdout(io.StringIO()):  # progress lines
        trainer.fit(module, data)
    return steps / stopwatch.seconds


class StepClock(L.Callback):
    """Seconds from before the first batch is fetched until after the last step.

    Args:
        clock: that is read.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_train_epoch_start(self, trainer: L.Trainer, *_: Any) -> None:
        """Start the clock."""
        self.started = _read_seconds(self.clock, trainer.strategy.root_device)

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Stop the clock after the last batch."""
        if trainer.is_last_batch:
            self.seconds = _read_seconds(self.clock, trainer.strategy.root_device) - self.started


def _read_seconds(clock: Clock, device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return read_clock(clock)


def _describe_padding(config: DictConfig, data: EMGDataModule, steps_per_second: float) -> str:
    loaders = (data.train_dataloader(), build_plain_loader(data))
    suite, plain = (measure_padding(loader) for loader in loaders)
    return (
        f"{steps_per_second * config.datamodule.batch_size:,.1f} recordings a second; padding is "
        f"{suite:.1%} of the samples, and {plain:.1%} in batches at random."
    )
