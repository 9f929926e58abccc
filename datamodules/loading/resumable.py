"""A loader of whole batches that resumes in the middle of an epoch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from torch.utils.data import DataLoader

from datamodules.loading.batches import RowBatches
from datamodules.loading.samplers import WrappedBatchSampler


class SkipBatches(WrappedBatchSampler):
    """The batches of another sampler without the ``first`` ones; its length stays the same."""

    first = 0
    epoch = 0  # the trainer's own: a sampler with the same order in all epochs stays at 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; Lightning calls this before each one."""
        self.epoch = epoch
        super().set_epoch(epoch)

    def __iter__(self) -> Iterator[np.ndarray]:
        return islice(iter(self.batch_sampler), self.first, None)


@dataclass
class LoaderUse:
    """Batches that a loader has given; ``DataLoader`` itself sets attributes slowly.

    Attributes:
        num_given: batches of this epoch.
        waited_s: time (s) that batches of all epochs were waited for.
        batches, samples: of all epochs, without those of earlier processes.
    """

    num_given: int = 0
    waited_s: float = 0.0
    batches: int = 0
    samples: int = 0


class ResumableLoader(DataLoader):
    """A DataLoader with a ``SkipBatches`` as ``sampler``.

    Lightning stores ``state_dict`` in each checkpoint, and a resumed run starts from there.
    """

    _saved: dict[str, int] | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.use = LoaderUse()

    @property
    def waited_s(self) -> float:
        """Time (s) that batches of all epochs were waited for."""
        return self.use.waited_s

    @property
    def batches(self) -> int:
        """Batches of all epochs, without those of earlier processes."""
        return self.use.batches

    @property
    def samples(self) -> int:
        """Samples of all epochs, without those of earlier processes."""
        return self.use.samples

    def __iter__(self) -> Iterator[Any]:
        # A generator: by the time of the first batch Lightning has set the epoch, and worker
        # processes do not prefetch batches of another one.
        use, self.sampler.first = self.use, self._find_first()
        use.num_given = self.sampler.first
        requested_at = time.perf_counter()
        for batch in self._read_batches():
            use.waited_s += time.perf_counter() - requested_at
            use.num_given += 1
            use.batches += 1
            use.samples += len(batch["index"])
            yield batch
            requested_at = time.perf_counter()

    def _read_batches(self) -> Iterator[Any]:
        """Yield batches; of this process without the work that DataLoader adds to each."""
        if self.num_workers or self.pin_memory:
            yield from super().__iter__()
        elif isinstance(self.dataset, RowBatches):
            yield from self.dataset.read_many(self.sampler)
        else:
            yield from (self.dataset[positions] for positions in self.sampler)

    def state_dict(self) -> dict[str, int]:
        """Return the epoch, the number of batches it has given, and its length."""
        return {"epoch": self.sampler.epoch, "given": self.use.num_given, "batches": len(self)}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Resume from a stored state at the next epoch."""
        self._saved = state_dict

    def _find_first(self) -> int:
        saved, self._saved = self._saved, None
        if saved is None or saved["epoch"] != self.sampler.epoch:  # that epoch was complete
            return 0
        if saved["batches"] != len(self):
            raise ValueError(
                f"resume=: the run stopped after batch {saved['given']} of an epoch of "
                f"{saved['batches']}, and an epoch now has {len(self)}. Resume with the same data, "
                "split and datamodule.batch_size, or begin a new run"
            )
        return saved["given"]


def keep_batch(batch: dict[str, Any]) -> dict[str, Any]:
    """Return the batch, as a ``collate_fn`` that worker processes can import."""
    return batch
