"""Training steps per second of this suite and of hand-written loops."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pandas as pd
import torch
from omegaconf import DictConfig, open_dict
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from datamodules.base import PreparedDataModule
from datamodules.emg import EMGDataModule
from experiments.benchmarks.clips import write_clip_benchmarks
from experiments.benchmarks.text import build_plain_loader, compute_text_loss, measure_padding
from experiments.launch.build import build_datamodule, build_module, build_trainer
from experiments.launch.console import logger, quiet
from experiments.launch.instantiate import instantiate
from modules.base import TaskModule
from modules.transcription import TranscriptionModule

SUITE_LOOP = "this suite (Lightning Trainer, all callbacks)"
PLAIN_LOOP = "hand-written loop, DataLoader(shuffle=True)"
FIXED_LOOP = "hand-written loop, one fixed batch (the limit)"
MAX_SAMPLES, MAX_SAMPLE_BYTES = 20_000, 1 << 30  # that are copied for the hand-written loops


def compare_loops(config: DictConfig) -> float:
    """Write benchmark.csv with steps per second; return this suite's over the plain loop's.

    All loops train the same network with the same optimizer settings, clipping and batch size,
    without augmentation, in 32 bits, and take turns. A figure is the median over the rounds.
    """
    quiet()
    L.seed_everything(config.seed, workers=True, verbose=False)
    with open_dict(config):
        config.augment, config.trainer.precision = None, "32-true"
    data = build_datamodule(config)
    steps = min(config.benchmark.steps, len(data.train_dataloader()))
    table = summarize_rates(_measure_rates(build_loops(config, data), steps, config))
    folder = _write_table(table, config, steps)
    if len(data.prepared.meta["frame"]["shape"]) == 2:  # images
        write_clip_benchmarks(config, data, steps, folder)
    if isinstance(data, EMGDataModule):
        _report_padding(config, data, float(table["steps a second"][SUITE_LOOP]))
    logger.info(f"\nRun folder: {folder}")
    return float(table["ours as a ratio"][PLAIN_LOOP])


def _measure_rates(
    loops: dict[str, Callable[[int], float]], steps: int, config: DictConfig
) -> dict[str, list[float]]:
    """Return the steps per second of each loop in each round; the loops take turns."""
    rates: dict[str, list[float]] = {name: [] for name in loops}
    for turn in range(config.benchmark.rounds + 1):
        for name, loop in loops.items():
            rate = loop(steps)
            if turn:  # the first turn warms up
                rates[name].append(rate)
        logger.info(f"round {turn}/{config.benchmark.rounds}" + ("" if turn else " (warm-up)"))
    return rates


def summarize_rates(rates: dict[str, list[float]]) -> pd.DataFrame:
    """Return the median of each loop, and the median ratio of this suite to it per round."""
    suite = np.array(rates[SUITE_LOOP])
    rows = {
        name: {
            "steps a second": np.median(values).round(1),
            "ours as a ratio": np.median(suite / np.array(values)).round(3),
        }
        for name, values in rates.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("loop")


# ---- the loops


def build_loops(config: DictConfig, data: PreparedDataModule) -> dict[str, Callable[[int], float]]:
    """Return the loops by name: steps to train → steps per second."""
    module = build_module(config, data)
    plain, fixed, compute_loss = _build_plain_batches(config, data, module)
    settings = {k: v for k, v in config.optimizer.items() if k != "fused"}
    loops: dict[str, Callable[[int], float]] = {SUITE_LOOP: partial(train_suite, config, data)}
    for suffix, optimizer in (("", settings), (", fused optimizer", settings | {"fused": True})):
        train = partial(train_by_hand, config, module.net, instantiate(optimizer), compute_loss)
        loops[PLAIN_LOOP + suffix] = partial(train, plain)
        loops[FIXED_LOOP + suffix] = partial(train, fixed)
    return loops


def _build_plain_batches(
    config: DictConfig, data: PreparedDataModule, module: TaskModule
) -> tuple[DataLoader, list[Any], Callable[..., Tensor]]:
    """Return the usual loader, batches that need no loading, and the loss of a batch."""
    if isinstance(data, EMGDataModule):
        assert isinstance(module, TranscriptionModule)
        compute_loss = partial(compute_text_loss, module)
        return build_plain_loader(data), list(data.train_dataloader()), compute_loss
    size, samples = config.datamodule.batch_size, _copy_samples(data)
    return DataLoader(samples, size, shuffle=True), [samples[:size]], _class_loss


def _class_loss(net: nn.Module, batch: tuple[Tensor, Tensor], device: torch.device) -> Tensor:
    x, y = batch
    return nn.functional.cross_entropy(net(x.to(device)), y.to(device))


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
    make_optimizer: Callable[..., torch.optim.Optimizer],
    compute_loss: Callable[..., Tensor],
    loader: Any,
    steps: int,
) -> float:
    """Train a copy of the network in a plain loop; return steps per second."""
    use_gpu = config.trainer.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    device = torch.device("cuda" if use_gpu else "cpu")
    net = deepcopy(net).to(device).train()
    optimizer = make_optimizer(net.parameters())
    started = _read_clock(device)
    for batch in islice(_repeat_batches(loader), steps):
        optimizer.zero_grad()
        compute_loss(net, batch, device).backward()
        nn.utils.clip_grad_norm_(net.parameters(), config.trainer.gradient_clip_val)
        optimizer.step()
    return steps / (_read_clock(device) - started)


def _repeat_batches(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader


def train_suite(config: DictConfig, data: PreparedDataModule, steps: int) -> float:
    """Train in the Trainer, with callbacks and loggers as configured; return steps per second."""
    module = build_module(config, data)
    trainer = build_trainer(config, max_epochs=1, limit_train_batches=steps, limit_val_batches=1)
    clock = StepClock()
    trainer.callbacks.append(clock)
    trainer.fit(module, data)
    return steps / clock.seconds


class StepClock(L.Callback):
    """Seconds from before the first batch is fetched until after the last step."""

    def on_train_epoch_start(self, trainer: L.Trainer, *_: Any) -> None:
        """Start the clock."""
        self.started = _read_clock(trainer.strategy.root_device)

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Stop the clock after the last batch."""
        if trainer.is_last_batch:
            self.seconds = _read_clock(trainer.strategy.root_device) - self.started


def _read_clock(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


# ---- the report


def _report_padding(config: DictConfig, data: EMGDataModule, steps_per_second: float) -> None:
    loaders = (data.train_dataloader(), build_plain_loader(data))
    suite, plain = (measure_padding(loader) for loader in loaders)
    logger.info(
        f"{steps_per_second * config.datamodule.batch_size:,.1f} recordings a second; padding is "
        f"{suite:.1%} of the samples, and {plain:.1%} in batches at random"
    )


def _write_table(table: pd.DataFrame, config: DictConfig, steps: int) -> Path:
    folder = Path(config.run_dir)
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "benchmark.csv")
    logger.info(
        f"\n{steps:,} steps of batch {config.datamodule.batch_size}, median of "
        f"{config.benchmark.rounds} rounds, {torch.get_num_threads()} threads:\n"
    )
    logger.info(table.to_markdown())
    return folder
