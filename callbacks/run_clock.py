"""Measure the durations, speed and peak memory of a run, over all its resumptions."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol, runtime_checkable

import lightning as L
import torch

from unvoiced.plain_data import MAX_INT, check_number, require_fact
from unvoiced.processes import read_peak_memory_mb

MAX_SECONDS = 1e10


@runtime_checkable
class TimedLoader(Protocol):
    """A loader that measures itself.

    Attributes:
        waited_s: time (s) that its batches were waited for.
        batches, samples: that it has given.
    """

    waited_s: float
    batches: int
    samples: int


@dataclass
class RunTimes:
    """Measurements of a run; a checkpoint holds those until it was saved.

    Attributes:
        started: seconds since 1970 at which the run was first started.
        resumes: how often it was resumed.
        seconds: duration of the run. A process that was killed counts until its last checkpoint.
        training_s: part of it within training epochs, without validation.
        waiting_s: part of ``training_s`` that batches were waited for.
        batches, samples: that were trained on, by this process.
        memory_mb: peak memory of the process, MiB; None where the system does not state it.
        gpu_memory_mb: peak of memory allocated on the GPU, MiB; None without one.
        epoch_ends: ``seconds`` at the end of each epoch, by its number from 1.
    """

    started: float = 0.0
    resumes: int = 0
    seconds: float = 0.0
    training_s: float = 0.0
    waiting_s: float = 0.0
    batches: int = 0
    samples: int = 0
    memory_mb: float | None = None
    gpu_memory_mb: float | None = None
    epoch_ends: dict[int, float] = field(default_factory=dict)

    @classmethod
    def from_plain(cls, plain: dict[str, Any], place: str = "run times") -> RunTimes:
        """Return the measurements in a checkpoint.

        Raises:
            ValueError: a value that no run writes.
        """
        times = cls(**{name: plain[name] for name in cls.__dataclass_fields__})
        for name in ("resumes", "batches", "samples"):
            check_number(f"{place}: {name}", getattr(times, name), 0, MAX_INT, whole=True)
        for name in ("started", "seconds", "training_s", "waiting_s"):
            check_number(f"{place}: {name}", getattr(times, name), 0, MAX_SECONDS)
        for name in ("memory_mb", "gpu_memory_mb"):
            check_number(f"{place}: {name}", getattr(times, name), 0, MAX_INT, optional=True)
        ends = times.epoch_ends
        require_fact(f"{place}: epoch_ends", ends, isinstance(ends, dict), "a dict")
        for epoch, seconds in ends.items():
            check_number(f"{place}: an epoch", epoch, 1, MAX_INT, whole=True)
            check_number(f"{place}: end of epoch {epoch}", seconds, 0, MAX_SECONDS)
        return times


class RunClock(L.Callback):
    """Measures a run at the ends of epochs; steps are measured by the loader itself.

    Attributes:
        earlier: measurements of the processes that this one resumes.
        started_at: ``time.monotonic()`` at which this process began with the run.
    """

    def __init__(self) -> None:
        self.earlier = RunTimes(started=time.time())
        self.started_at = time.monotonic()
        self._training_s = 0.0  # of this process, until ``_resumed_at``
        self._resumed_at: float | None = None  # when training last began or continued
        self._loader: TimedLoader | None = None
        self._epoch_ends: dict[int, float] = {}
        self._is_fitting = False

    def begin_at(self, started_at: float) -> None:
        """Set when (``time.monotonic()``) this process began with the run."""
        age_s = time.monotonic() - started_at
        self.earlier = replace(self.earlier, started=time.time() - age_s)
        self.started_at = started_at

    def measure(self) -> RunTimes:
        """Return the measurements of the whole run until now."""
        earlier, now = self.earlier, time.monotonic()
        running_s = 0.0 if self._resumed_at is None else now - self._resumed_at
        loader = self._loader
        return replace(
            earlier,
            seconds=round(earlier.seconds + now - self.started_at, 3),
            training_s=round(earlier.training_s + self._training_s + running_s, 3),
            waiting_s=round(earlier.waiting_s + (loader.waited_s if loader else 0.0), 3),
            batches=earlier.batches + (loader.batches if loader else 0),
            samples=earlier.samples + (loader.samples if loader else 0),
            memory_mb=_find_larger(earlier.memory_mb, read_peak_memory_mb()),
            gpu_memory_mb=_find_larger(earlier.gpu_memory_mb, read_peak_gpu_memory_mb()),
            epoch_ends=earlier.epoch_ends | self._epoch_ends,
        )

    # ---- hooks

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Note whether the run is trained: a test restores the state of the best checkpoint."""
        self._is_fitting = stage == "fit"

    def on_train_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Start the time of training."""
        loader = trainer.train_dataloader
        self._loader = loader if isinstance(loader, TimedLoader) else None
        self._resumed_at = time.monotonic()

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Note the end of the epoch."""
        self._stop_training_time()
        seconds = self.earlier.seconds + time.monotonic() - self.started_at
        self._epoch_ends[trainer.current_epoch + 1] = round(seconds, 3)

    def on_validation_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Stop the time of training for a validation."""
        self._stop_training_time()

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Continue the time of training after a validation within an epoch."""
        if self._is_fitting and not trainer.is_last_batch:
            self._resumed_at = time.monotonic()

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Stop the time of training, also where a run ends within an epoch."""
        self._stop_training_time()

    def on_exception(self, trainer: L.Trainer, *_: Any) -> None:
        """Stop the time of training."""
        self._stop_training_time()

    def _stop_training_time(self) -> None:
        if self._resumed_at is not None:
            self._training_s += time.monotonic() - self._resumed_at
            self._resumed_at = None

    # ---- checkpoints

    def state_dict(self) -> dict[str, Any]:
        """Return the measurements until now as plain data."""
        return asdict(self.measure())

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the measurements of a checkpoint, if the run is trained.

        Raises:
            ValueError: a value that no run writes.
        """
        if self._is_fitting:
            times = RunTimes.from_plain(state_dict)
            self.earlier = replace(times, resumes=times.resumes + 1)


def find_run_clock(trainer: L.Trainer) -> RunClock | None:
    """Return the trainer's clock; None where the configuration has none."""
    return next((c for c in trainer.callbacks if isinstance(c, RunClock)), None)


def read_peak_gpu_memory_mb() -> float | None:
    """Return the peak of memory allocated by tensors on a GPU, MiB; None without one in use."""
    peaks = [torch.cuda.max_memory_allocated(device) for device in _list_gpus()]
    return round(max(peaks) / 2**20, 1) if peaks else None


def reset_peak_gpu_memory() -> None:
    """Start ``read_peak_gpu_memory_mb`` anew."""
    for device in _list_gpus():
        torch.cuda.reset_peak_memory_stats(device)


def _list_gpus() -> range:
    is_used = torch.cuda.is_available() and torch.cuda.is_initialized()
    return range(torch.cuda.device_count() if is_used else 0)


def format_start(seconds: float) -> str:
    """Return a time in seconds since 1970 as 2026-01-31 12:00:00+00:00."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ", timespec="seconds")


def _find_larger(first: float | None, second: float | None) -> float | None:
    known = [value for value in (first, second) if value is not None]
    return max(known, default=None)
