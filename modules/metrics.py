"""Metrics that torchmetrics does not have."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat


class GroupInterval(Metric):
    """95 % interval of a rate, bootstrapped over groups (signers, speakers, sessions).

    An accuracy counts hits of samples, a word error rate errors of words.

    Samples of one person are alike, so whole persons are drawn with replacement, not samples;
    with a single group there is no spread between people to see, and samples are drawn.
    Source: the cluster bootstrap (Davison and Hinkley, Bootstrap Methods and their Application,
    1997, section 3.8).

    Args:
        draws: bootstrap resamples.
        confidence: the share of resamples between the two ends.
    """

    full_state_update = False
    counted: list[Tensor]
    out_of: list[Tensor]
    group: list[Tensor]

    def __init__(self, draws: int = 2000, confidence: float = 0.95) -> None:
        super().__init__()
        self.draws, self.confidence = draws, confidence
        self.add_state("counted", default=[], dist_reduce_fx="cat")
        self.add_state("out_of", default=[], dist_reduce_fx="cat")
        self.add_state("group", default=[], dist_reduce_fx="cat")

    def update(self, counted: Tensor, group: Tensor, out_of: Tensor | None = None) -> None:
        """``counted`` (B,) hits or errors of ``out_of`` (B,) chances, one each where it is None;
        ``group`` (B,) integer codes, -1 for no group."""
        self.counted.append(counted.float())
        self.out_of.append(torch.ones_like(group) if out_of is None else out_of)
        self.group.append(group)

    def compute(self) -> Tensor:
        """(2,): the lower and the upper end."""
        # Lists here, and tensors once the processes' states are put together.
        states = (self.counted, self.out_of, self.group)
        counted, out_of, group = (dim_zero_cat(state).cpu() for state in states)
        codes, inverse = torch.unique(group, return_inverse=True)
        if len(codes) == 1:
            inverse = torch.arange(len(counted))
        hits = torch.zeros(int(inverse.max()) + 1).index_add_(0, inverse, counted)  # (groups,)
        counts = torch.zeros_like(hits).index_add_(0, inverse, out_of.float())
        generator = torch.Generator().manual_seed(0)
        # A draw of groups that hold nothing to count has no rate.
        means = torch.stack([self._draw(hits, counts, generator) for _ in range(self.draws)])
        tail = (1 - self.confidence) / 2
        return torch.nanquantile(means, torch.tensor([tail, 1 - tail]))

    @staticmethod
    def _draw(hits: Tensor, counts: Tensor, generator: torch.Generator) -> Tensor:
        drawn = torch.randint(len(hits), (len(hits),), generator=generator)
        return hits[drawn].sum() / counts[drawn].sum()
