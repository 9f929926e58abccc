"""stage=benchmark benchmark.samples=[1000,10000]: speed and memory by the size of the set.

For each size, a simulated set is prepared, read for an epoch and trained on, each in a process of
its own, so that its peak memory is its own; the set is deleted again.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cached_property
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.profilers import SimpleProfiler
from omegaconf import DictConfig, OmegaConf

from datamodules.loading.batches import frame_indices
from datamodules.readers.base import Item, Leftover, Reader
from datamodules.store.prepare import prepare
from datamodules.store.samples import FEATURES, Sample
from experiments.benchmarks.clips import NEXT_BATCH
from experiments.launch.build import build_datamodule, build_module, build_trainer
from experiments.launch.console import quiet, tell
from experiments.launch.instantiate import instantiate

DRAWN = 100  # samples that the simulator makes; larger sets repeat them under other names
GROUPS = 50
ONE_STEP = "run_training_batch"
STATUS = Path("/proc/self/status")


class RepeatedSamples(Reader):
    """Sets of any size of a few simulated samples, for a measurement.

    Args:
        simulator: gives the samples.
        count: samples of the set.
        frames: frames that each is made to have; None to leave them as simulated.
    """

    def __init__(self, simulator: Any, count: int, frames: int | None = None) -> None:
        about = simulator.description
        self.task, self.frame, self.classes = about.task, about.frame, about.classes
        self.simulator, self.count, self.frames_wanted = simulator, count, frames
        self.notes: list[str] = []

    def leftover(self, items: Iterable[Item]) -> Leftover:
        """Nothing: there is no folder."""
        return Leftover()

    @cached_property
    def drawn(self) -> list[Sample]:
        return [self._sized(sample) for sample in islice(self.simulator.samples(), DRAWN)]

    def items(self) -> list[Item]:
        names = (f"{number:07d}" for number in range(self.count))
        return [Item(name, Path(name)) for name in names]

    def read(self, item: Item) -> Iterator[Sample]:
        number = int(item.id)
        sample = self.drawn[number % len(self.drawn)]
        yield replace(sample, id=item.id, group=f"simulated_{number % GROUPS}")

    def _sized(self, sample: Sample) -> Sample:
        if self.frames_wanted is None:
            return sample
        places = frame_indices(np.array([len(sample.features)]), self.frames_wanted, "resample")
        return replace(sample, features=sample.features[places[0]], word_span=None)


def prepare_set(config: DictConfig, count: int) -> float:
    """Prepare a set of ``count`` samples in ``data_dir``; returns samples a second."""
    simulator, frames = instantiate(config.datamodule.simulator), config.datamodule.get("frames")
    reader = RepeatedSamples(simulator, count, frames)
    settings = reader.simulator.description.settings | {"count": count}
    assert reader.drawn  # so that drawing is not in the time
    started = time.perf_counter()
    outcome = prepare(reader, config.data_dir, settings, workers=1, say=lambda line: None)
    return outcome.samples / (time.perf_counter() - started)


def read_set(config: DictConfig, count: int) -> float:
    """Read an epoch of training batches in random order; returns samples a second."""
    data = build_datamodule(config)
    loader = data.train_dataloader()
    _forget(Path(config.data_dir) / FEATURES)
    started = time.perf_counter()
    samples = sum(len(batch["index"]) for batch in loader)
    return samples / (time.perf_counter() - started)


def train_on_set(config: DictConfig, count: int) -> float:
    """Train ``benchmark.steps`` steps; returns samples a second."""
    quiet()
    L.seed_everything(config.seed, workers=True, verbose=False)
    data, steps = build_datamodule(config), config.benchmark.steps
    _forget(Path(config.data_dir) / FEATURES)
    profiler = SimpleProfiler()
    trainer = build_trainer(
        config, max_epochs=1, limit_train_batches=steps, limit_val_batches=1, profiler=profiler
    )
    trainer.fit(build_module(config, data), data)
    spent = profiler.recorded_durations
    seconds = sum(spent[NEXT_BATCH]) + sum(spent[ONE_STEP])
    return len(spent[ONE_STEP]) * data.batch_size / seconds


PARTS = {"preparing": prepare_set, "reading": read_set, "training": train_on_set}


def scale(config: DictConfig) -> float:
    """Print and write (benchmark_scale.csv) samples a second and peak memory for each size.

    Returns the largest peak, MB. The files are not in the system's memory when reading begins.
    """
    folder = Path(config.run_dir)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for count in config.benchmark.samples:
        with tempfile.TemporaryDirectory(prefix="scale_", dir=folder) as scratch:
            rows.append(_measure(config, count, Path(scratch)))
        table = pd.DataFrame(rows).set_index("samples")
        table.to_csv(folder / "benchmark_scale.csv")
        tell(f"{count:,} samples measured")
    limit = config.benchmark.memory_mb
    tell(f"\nProcesses limited to {limit:,} MB:\n" if limit else "\nProcesses without a limit:\n")
    tell(table.to_markdown())
    tell(f"\nRun folder: {folder}")
    return float(table[[name for name in table if name.endswith("MB")]].max(axis=None))


def _measure(config: DictConfig, count: int, scratch: Path) -> dict[str, float]:
    changed = config.copy()
    changed.data_dir, changed.run_dir = str(scratch / "set"), str(scratch / "run")
    OmegaConf.save(changed, scratch / "config.yaml", resolve=True)
    row: dict[str, float] = {"samples": count}
    for name, part in PARTS.items():
        rate, peak = apart(part, scratch / "config.yaml", count, config.benchmark.memory_mb)
        row |= {f"{name}, a second": round(rate), f"{name}, peak MB": round(peak)}
    row["GB"] = round((scratch / "set" / FEATURES).stat().st_size / 1e9, 4)
    return row


def apart(
    part: Callable[[DictConfig, int], float], config: Path, count: int, memory_mb: int | None = None
) -> tuple[float, float]:
    """What ``part`` returns, in a fresh process of limited memory, and that one's peak in MB.

    Raises:
        MemoryError, RuntimeError: the limit is too low.
    """
    with ProcessPoolExecutor(1, get_context("spawn"), limit_memory, (memory_mb,)) as pool:
        return pool.submit(_measured, part, config, count).result()


def limit_memory(memory_mb: int | None) -> None:
    """Let this process have so much address space, mapped files among it, as ``ulimit -v`` does.

    CUDA's libraries take more of it than any limit; with them it is data alone, ``ulimit -d``.
    """
    if memory_mb:
        kind = resource.RLIMIT_DATA if torch.version.cuda else resource.RLIMIT_AS
        resource.setrlimit(kind, (memory_mb << 20, memory_mb << 20))


def status_mb(name: str) -> float:
    """A number of Linux's account of this process's memory, such as VmHWM: its peak."""
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(lines[name].split()[0]) / 1024


def _measured(
    part: Callable[[DictConfig, int], float], config: Path, count: int
) -> tuple[float, float]:
    return part(OmegaConf.load(config), count), status_mb("VmHWM")


def _forget(path: Path) -> None:
    """Ask the system to keep nothing of a file in its memory: it is then read from the disk."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
