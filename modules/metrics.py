"""Metrics that torchmetrics does not have."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat


class GroupInterval(Metric):
    """95 % interval of a rate, bootstrapped over groups (signers, speakers, sessions).

    An accuracy counts hits of samples, a word error rate errors of words.

    Samples of one person are alike, so whole persons are drawn with replacement, not samples. Of
    a single group whole sequences are drawn, for samples of one sequence are near-copies; where
    the sequences are unknown, or there is only one, there is no interval.
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
    sequence: list[Tensor]

    def __init__(self, draws: int = 2000, confidence: float = 0.95) -> None:
        super().__init__()
        self.draws, self.confidence = draws, confidence
        for name in ("counted", "out_of", "group", "sequence"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(
        self,
        counted: Tensor,
        group: Tensor,
        sequence: Tensor,
        out_of: Tensor | None = None,
    ) -> None:
        """Add hits or errors ``counted`` (B,) of ``out_of`` (B,) chances, by default one each.

        ``group`` and ``sequence`` (B,) are integer codes, -1 where they are unknown.
        """
        self.counted.append(counted.float())
        self.out_of.append(torch.ones_like(group) if out_of is None else out_of)
        self.group.append(group)
        self.sequence.append(sequence)

    def compute(self) -> Tensor:
        """Return (2,) the lower and the upper end; NaN where there is no interval."""
        # Lists here, and tensors once the processes' states are put together.
        states = (self.counted, self.out_of, self.group, self.sequence)
        counted, out_of, group, sequence = (dim_zero_cat(state).cpu() for state in states)
        clusters = _clusters(group, sequence)
        if clusters is None:
            return torch.full((2,), torch.nan)
        size = int(clusters.max()) + 1
        hits = torch.zeros(size).index_add_(0, clusters, counted)
        counts = torch.zeros(size).index_add_(0, clusters, out_of.float())
        generator = torch.Generator().manual_seed(0)
        # A draw of clusters that hold nothing to count has no rate.
        means = torch.stack([self._draw(hits, counts, generator) for _ in range(self.draws)])
        tail = (1 - self.confidence) / 2
        return torch.nanquantile(means, torch.tensor([tail, 1 - tail]))

    @staticmethod
    def _draw(hits: Tensor, counts: Tensor, generator: torch.Generator) -> Tensor:
        drawn = torch.randint(len(hits), (len(hits),), generator=generator)
        return hits[drawn].sum() / counts[drawn].sum()


def _clusters(group: Tensor, sequence: Tensor) -> Tensor | None:
    """Return (n,) the number of what each sample is drawn with; None where nothing can be drawn."""
    for codes in (group, sequence):
        distinct, clusters = torch.unique(codes, return_inverse=True)
        if len(distinct) > 1:
            return clusters
    return None
