"""Clips of a mouth to one of a large vocabulary of words."""

from __future__ import annotations

from torch import Tensor

from modules.base import Batch
from modules.lipread import LipreadModule


class VSRModule(LipreadModule):
    """(B, 1, T, H, W) grey clips in [0, 1], and where the word is, → one of hundreds of words.

    A network with ``boundary`` is told which frames the word takes, (B, T), where the set says it.
    """

    def inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        if getattr(self.net, "boundary", False) and "boundary" in batch:
            return batch["x"], batch["boundary"]
        return (batch["x"],)
