"""A loader of whole batches that resumes in the middle of an epoch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
from torch.utils.data import DataLoader

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


class ResumableLoader(DataLoader):
    """A DataLoader whose ``sampler`` is a ``SkipBatches``.

    Lightning stores ``state_dict`` in each checkpoint, and a resumed run starts from there.

    Attributes:
        num_given: batches of this epoch.
        waited_s: time (s) that batches of all epochs were waited for.
        batches, samples: of all epochs, without those of earlier processes.
    """

    num_given = 0
    waited_s = 0.0
    batches = samples = 0
    _saved: dict[str, int] | None = None

    def __iter__(self) -> Iterator[Any]:
        # A generator: by the time of the first batch Lightning has set the epoch, and worker
        # processes do not prefetch batches of another one.
        self.sampler.first = self._find_first()
        requested_at = time.perf_counter()
        for self.num_given, batch in enumerate(super().__iter__(), self.sampler.first + 1):  # noqa: B020
            self.waited_s += time.perf_counter() - requested_at
            self.batches += 1
            self.samples += len(batch["index"])
            yield batch
            requested_at = time.perf_counter()

    def state_dict(self) -> dict[str, int]:
        """Return the epoch, the number of batches it has given, and its length."""
        return {"epoch": self.sampler.epoch, "given": self.num_given, "batches": len(self)}

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
