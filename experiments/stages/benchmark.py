"""stage=benchmark: our training steps a second against loops written by hand, in one run."""

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
from experiments.benchmarks.callback_costs import measure_callbacks
from experiments.benchmarks.clips import write_clip_benchmarks
from experiments.benchmarks.scale import measure_sizes
from experiments.benchmarks.text import build_plain_loader, compute_text_loss, measure_padding
from experiments.checkpoints.load import require_model
from experiments.checkpoints.training_data import with_training_data
from experiments.launch.build import build_datamodule, build_module, build_trainer
from experiments.launch.console import quiet, tell
from experiments.launch.instantiate import instantiate
from modules.base import TaskModule
from modules.transcription import TranscriptionModule

OURS = "this suite (Lightning Trainer, all callbacks)"
PLAIN = "hand-written loop, DataLoader(shuffle=True)"
LIMIT = "hand-written loop, one fixed batch (the limit)"
FUSED = ", fused optimizer"
SAMPLES = 20_000  # at most, copied into the hand-written loops' TensorDataset,
SAMPLE_BYTES = 1 << 30  # and not more of them than fit here


def run(config: DictConfig) -> float:
    """Print and write (benchmark.csv) steps a second; returns ours over the plain loop's.

    All loops train the same network with the same optimizer settings, clipping and batch size,
    without augmentation, in 32 bits, taking turns; a figure is the median over the rounds.
    """
    config = _with_set_of_model(config)
    if config.benchmark.samples:
        return measure_sizes(config)
    if config.benchmark.callbacks:
        return measure_callbacks(config)
    quiet()
    L.seed_everything(config.seed, workers=True, verbose=False)
    with open_dict(config):
        config.augment, config.trainer.precision = None, "32-true"
    data = build_datamodule(config)
    loops = _loops(config, data)
    rates: dict[str, list[float]] = {name: [] for name in loops}
    steps = min(config.benchmark.steps, len(data.train_dataloader()))
    for turn in range(config.benchmark.rounds + 1):
        for name, loop in loops.items():
            rate = loop(steps)
            if turn:  # the first turn warms up
                rates[name].append(rate)
        tell(f"round {turn}/{config.benchmark.rounds}" + ("" if turn else " (warm-up)"))
    table = summarise(rates)
    folder = _write(table, config, steps)
    if len(data.prepared.meta["frame"]["shape"]) == 2:  # pictures
        write_clip_benchmarks(config, data, steps, folder)
    if isinstance(data, EMGDataModule):
        _tell_padding(config, data, float(table["steps a second"][OURS]))
    tell(f"\nRun folder: {folder}")
    return float(table["ours as a ratio"][PLAIN])


def _with_set_of_model(config: DictConfig) -> DictConfig:
    """Return the configuration with the set that ``ckpt_path``, if given, was trained with."""
    if not config.ckpt_path:
        return config
    return with_training_data(config, require_model(config).card)


def summarise(rates: dict[str, list[float]]) -> pd.DataFrame:
    """Medians, and ours over each loop's: the median of the ratios of each round."""
    ours = np.array(rates[OURS])
    rows = {
        name: {
            "steps a second": np.median(values).round(1),
            "ours as a ratio": np.median(ours / np.array(values)).round(3),
        }
        for name, values in rates.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("loop")


def _loops(config: DictConfig, data: PreparedDataModule) -> dict[str, Callable[[int], float]]:
    module = build_module(config, data)
    plain, fixed, loss_of = _plain(config, data, module)
    settings = {k: v for k, v in config.optimizer.items() if k != "fused"}
    loops: dict[str, Callable[[int], float]] = {OURS: partial(_ours, config, data)}
    for kind, optimizer in (("", settings), (FUSED, settings | {"fused": True})):
        make = partial(_by_hand, config, module.net, instantiate(optimizer), loss_of)
        loops[PLAIN + kind] = partial(make, plain)
        loops[LIMIT + kind] = partial(make, fixed)
    return loops


def _plain(
    config: DictConfig, data: PreparedDataModule, module: TaskModule
) -> tuple[DataLoader, list[Any], Callable[..., Tensor]]:
    """The loader that people write, batches that need no loading, and the loss of a batch."""
    if isinstance(data, EMGDataModule):
        assert isinstance(module, TranscriptionModule)
        return (
            build_plain_loader(data),
            list(data.train_dataloader()),
            partial(compute_text_loss, module),
        )
    size, samples = config.datamodule.batch_size, _samples(data)
    return DataLoader(samples, size, shuffle=True), [samples[:size]], _class_loss


def _class_loss(net: nn.Module, batch: tuple[Tensor, Tensor], device: torch.device) -> Tensor:
    x, y = batch
    return nn.functional.cross_entropy(net(x.to(device)), y.to(device))


def _tell_padding(config: DictConfig, data: EMGDataModule, steps_a_second: float) -> None:
    ours, plain = (
        measure_padding(loader) for loader in (data.train_dataloader(), build_plain_loader(data))
    )
    tell(
        f"{steps_a_second * config.datamodule.batch_size:,.1f} recordings a second; padding is "
        f"{ours:.1%} of the samples, and {plain:.1%} in batches at random"
    )


def _by_hand(
    config: DictConfig,
    net: nn.Module,
    optimizer_of: Callable[..., torch.optim.Optimizer],
    loss_of: Callable[..., Tensor],
    loader: Any,
    steps: int,
) -> float:
    """The loop that people write: steps a second."""
    device = _device(config)
    net = deepcopy(net).to(device).train()
    optimizer = optimizer_of(net.parameters())
    started = _now(device)
    for batch in islice(_forever(loader), steps):
        optimizer.zero_grad()
        loss_of(net, batch, device).backward()
        nn.utils.clip_grad_norm_(net.parameters(), config.trainer.gradient_clip_val)
        optimizer.step()
    return steps / (_now(device) - started)


def _ours(config: DictConfig, data: PreparedDataModule, steps: int) -> float:
    """The same number of steps inside the Trainer, callbacks and loggers as configured."""
    module = build_module(config, data)
    trainer = build_trainer(config, max_epochs=1, limit_train_batches=steps, limit_val_batches=1)
    clock = _StepClock()
    trainer.callbacks.append(clock)
    trainer.fit(module, data)
    return steps / clock.seconds


class _StepClock(L.Callback):
    """Seconds from before the first batch is fetched until after the last step."""

    def on_train_epoch_start(self, trainer: L.Trainer, *_: Any) -> None:
        self.started = _now(trainer.strategy.root_device)

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.is_last_batch:
            self.seconds = _now(trainer.strategy.root_device) - self.started


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def _device(config: DictConfig) -> torch.device:
    gpu = config.trainer.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    return torch.device("cuda" if gpu else "cpu")


def _samples(data: PreparedDataModule) -> TensorDataset:
    """Training samples as the network takes them, (samples, ...) and (samples,)."""
    one = data.preprocess(data.build_dataset(data.indices.train[:1])[np.arange(1)]["x"])
    rows = data.indices.train[: min(SAMPLES, SAMPLE_BYTES // one.nbytes)]
    batch = data.build_dataset(rows)[np.arange(len(rows))]
    return TensorDataset(data.preprocess(batch["x"]), batch["y"])


def _forever(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader


def _write(table: pd.DataFrame, config: DictConfig, steps: int) -> Path:
    folder = Path(config.run_dir)
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "benchmark.csv")
    tell(
        f"\n{steps:,} steps of batch {config.datamodule.batch_size}, median of "
        f"{config.benchmark.rounds} rounds, {torch.get_num_threads()} threads:\n"
    )
    tell(table.to_markdown())
    return folder
