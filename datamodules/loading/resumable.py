"""A loader of whole batches that can go on in the middle of an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Sampler


class SkipBatches(Sampler[np.ndarray]):
    """The batches of another order from the ``first`` one on, from 0; as long as the whole order.

    Args:
        order: gives arrays of positions, and has ``set_epoch``.
    """

    def __init__(self, order: Any) -> None:
        self.order, self.epoch, self.first = order, 0, 0

    def __len__(self) -> int:
        return len(self.order)

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        self.epoch = epoch
        self.order.set_epoch(epoch)

    def __iter__(self) -> Iterator[np.ndarray]:
        return islice(iter(self.order), self.first, None)


class ResumableLoader(DataLoader):
    """A DataLoader whose ``sampler`` is a ``SkipBatches``.

    Lightning keeps ``state_dict`` in each checkpoint, and a resumed run begins where that was.
    """

    given = 0  # batches of this epoch
    _saved: dict[str, int] | None = None

    def __iter__(self) -> Iterator[Any]:
        # Nothing happens before the first batch is asked for: by then Lightning has set the epoch,
        # and worker processes are not sent after the batches of another one.
        self.sampler.first = self._first()
        for self.given, batch in enumerate(super().__iter__(), self.sampler.first + 1):  # noqa: B020
            yield batch

    def state_dict(self) -> dict[str, int]:
        return {"epoch": self.sampler.epoch, "given": self.given, "batches": len(self)}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        self._saved = state_dict

    def _first(self) -> int:
        saved, self._saved = self._saved, None
        if saved is None or saved["epoch"] != self.sampler.epoch:  # that epoch was done
            return 0
        if saved["batches"] != len(self):
            raise ValueError(
                f"resume=: the run stopped after batch {saved['given']} of an epoch of "
                f"{saved['batches']}, and an epoch now has {len(self)}. Go on with the same data, "
                "split and datamodule.batch_size, or begin a new run"
            )
        return saved["given"]
