"""Learning-rate schedules with the facts that Lightning needs to step them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


@dataclass(frozen=True)
class Schedule:
    """Construction and timing of a scheduler.

    Args:
        build: takes the optimizer, returns the scheduler.
        interval: ``epoch`` or ``step``: how often it steps.
        length_argument: the scheduler's argument for the length of the run in ``interval`` units
            (``T_max``, ``total_steps``); None where there is none.
        monitor: the metric of a plateau scheduler.
    """

    build: Callable[..., LRScheduler]
    interval: str = "epoch"
    length_argument: str | None = None
    monitor: str | None = None

    def attach_to(self, optimizer: Optimizer, steps: int, epochs: int) -> dict[str, Any]:
        """Return Lightning's description of this schedule for a run of ``steps`` / ``epochs``."""
        length = steps if self.interval == "step" else epochs
        extra = {self.length_argument: length} if self.length_argument else {}
        described = {"scheduler": self.build(optimizer, **extra), "interval": self.interval}
        return described | ({"monitor": self.monitor} if self.monitor else {})
