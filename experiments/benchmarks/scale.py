"""Speed and memory by the size of the prepared set (benchmark.samples=[1000,10000]).

For each size, a simulated set is prepared, read for an epoch, trained on and deleted. Each part
runs in a new process, which gives its own peak memory.
"""

from __future__ import annotations

import math
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
from omegaconf import DictConfig, OmegaConf

from datamodules.loading.batches import frame_indices
from datamodules.readers.base import Item, Leftover, Reader
from datamodules.store.prepare import prepare
from datamodules.store.samples import FEATURES_NAME, Sample
from experiments.benchmarks.profiling import NEXT_BATCH_ACTION, STEP_ACTION, profile_training
from experiments.benchmarks.tables import Row, Table
from experiments.launch.build import build_datamodule
from experiments.launch.console import logger, silence_lightning
from experiments.launch.instantiate import instantiate
from unvoiced.processes import read_peak_memory_mb

SIMULATED_SAMPLES = 100  # larger sets repeat them under other names


class RepeatedSamples(Reader):
    """Reader of sets of any size, which repeat a few simulated samples.

    Args:
        simulator: of the samples.
        count: samples of the set.
        frames: frames per sample, resampled; None: as simulated.
    """

    def __init__(self, simulator: Any, count: int, frames: int | None = None) -> None:
        about = simulator.description
        self.task, self.frame, self.classes = about.task, about.frame, about.classes
        self.simulator, self.count, self.frames_wanted = simulator, count, frames
        self.notes: list[str] = []

    def list_leftover(self, items: Iterable[Item]) -> Leftover:
        """Return nothing: there is no folder with other files."""
        return Leftover()

    @cached_property
    def simulated(self) -> list[Sample]:
        """The simulated samples that are repeated."""
        samples = islice(self.simulator.samples(), SIMULATED_SAMPLES)
        return [self._resample(sample) for sample in samples]

    def list_items(self) -> list[Item]:
        """Return the items of the set, named by their numbers."""
        names = (f"{number:07d}" for number in range(self.count))
        return [Item(name, Path(name)) for name in names]

    def read(self, item: Item) -> Iterator[Sample]:
        """Yield a simulated sample under the name of the item."""
        number = int(item.id)
        sample = self.simulated[number % len(self.simulated)]
        yield replace(sample, id=item.id, group=f"simulated_{number % 50}")

    def _resample(self, sample: Sample) -> Sample:
        if self.frames_wanted is None:
            return sample
        places = frame_indices(np.array([len(sample.features)]), self.frames_wanted, "resample")
        return replace(sample, features=sample.features[places[0]], word_span=None)


def prepare_set(config: DictConfig, count: int) -> float:
    """Prepare a set of ``count`` samples in ``data_dir``; return samples a second."""
    simulator, frames = instantiate(config.datamodule.simulator), config.datamodule.get("frames")
    reader = RepeatedSamples(simulator, count, frames)
    settings = reader.simulator.description.settings | {"count": count}
    assert reader.simulated  # the time does not include simulating them
    started = time.perf_counter()
    outcome = prepare(reader, config.data_dir, settings, num_workers=1, log=lambda line: None)
    return outcome.samples / (time.perf_counter() - started)


def read_set(config: DictConfig, count: int) -> float:
    """Read an epoch of training batches in random order; return samples a second."""
    data = build_datamodule(config)
    loader = data.train_dataloader()
    _drop_cache(Path(config.data_dir) / FEATURES_NAME)
    started = time.perf_counter()
    samples = sum(len(batch["index"]) for batch in loader)
    return samples / (time.perf_counter() - started)


def train_on_set(config: DictConfig, count: int) -> float:
    """Train ``benchmark.steps`` steps; return samples a second."""
    silence_lightning()
    L.seed_everything(config.seed, workers=True, verbose=False)
    data, steps = build_datamodule(config), config.benchmark.steps
    _drop_cache(Path(config.data_dir) / FEATURES_NAME)
    durations = profile_training(config, data, steps)
    seconds = sum(durations[NEXT_BATCH_ACTION]) + sum(durations[STEP_ACTION])
    return len(durations[STEP_ACTION]) * data.batch_size / seconds


def measure_sizes(config: DictConfig) -> Table:
    """Return samples a second and peak memory for each size; also writes benchmark_scale.csv.

    Reading starts with an empty page cache of the system. The figure of the table is
    the largest peak, MB.
    """
    folder = Path(config.run_dir)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for count in config.benchmark.samples:
        with tempfile.TemporaryDirectory(prefix="scale_", dir=folder) as scratch:
            rows.append(_measure_size(config, count, Path(scratch)))
        table = pd.DataFrame(rows).set_index("samples")
        table.to_csv(folder / "benchmark_scale.csv")
        logger.info(f"{count:,} samples measured")
    limit = config.benchmark.memory_mb
    title = f"processes limited to {limit:,} MB" if limit else "processes without a limit"
    peak = float(table[[name for name in table if name.endswith("MB")]].max(axis=None))
    cells = tuple(_name_cell(row, name) for row in rows for name in row if name != "samples")
    return Table("scale", f"Sets of {config.task} by size, {title}", cells, figure=peak)


def _name_cell(row: dict[str, float], name: str) -> Row:
    """Return a value of a size: ``preparing, a second`` and ``preparing, peak MB`` among them."""
    kind, _, unit = name.rpartition(" ")
    units = {"second": "samples/s", "MB": "MB", "GB": "GB"}
    label = kind.removesuffix(", a").removesuffix(" peak") + (" peak" if unit == "MB" else "")
    return Row(f"{row['samples']:,} samples, {label or 'size'}", row[name], units[unit])


def _measure_size(config: DictConfig, count: int, scratch: Path) -> dict[str, float]:
    changed = config.copy()
    changed.data_dir, changed.run_dir = str(scratch / "set"), str(scratch / "run")
    OmegaConf.save(changed, scratch / "config.yaml", resolve=True)
    row: dict[str, float] = {"samples": count}
    parts = {"preparing": prepare_set, "reading": read_set, "training": train_on_set}
    for name, part in parts.items():
        memory_mb = config.benchmark.memory_mb
        per_second, peak_mb = run_in_process(part, scratch / "config.yaml", count, memory_mb)
        row |= {f"{name}, a second": round(per_second), f"{name}, peak MB": round(peak_mb)}
    row["GB"] = round((scratch / "set" / FEATURES_NAME).stat().st_size / 1e9, 4)
    return row


def run_in_process(
    part: Callable[[DictConfig, int], float], config: Path, count: int, memory_mb: int | None = None
) -> tuple[float, float]:
    """Run ``part`` in a new process of limited memory; return its result and peak memory (MB).

    Raises:
        MemoryError, RuntimeError: the limit is too low.
    """
    with ProcessPoolExecutor(1, get_context("spawn"), limit_memory, (memory_mb,)) as pool:
        return pool.submit(_run_and_measure, part, config, count).result()


def limit_memory(memory_mb: int | None) -> None:
    """Limit this process's address space, mapped files included, as ``ulimit -v`` does.

    CUDA's libraries need more of it than any limit; with them the data is limited (``ulimit -d``).
    """
    if memory_mb:
        kind = resource.RLIMIT_DATA if torch.version.cuda else resource.RLIMIT_AS
        resource.setrlimit(kind, (memory_mb << 20, memory_mb << 20))


def _run_and_measure(
    part: Callable[[DictConfig, int], float], config: Path, count: int
) -> tuple[float, float]:
    result = part(OmegaConf.load(config), count)
    return result, read_peak_memory_mb() or math.nan


def _drop_cache(path: Path) -> None:
    """Drop a file from the system's page cache, so that it is read from the disk."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
