"""Batch samplers with an order that depends on a seed and the epoch.

Each yields positions (n,) of one batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from torch.utils.data import Sampler

POOLED_BATCHES = 32  # sorted by length together: random enough, and little padding


class EpochSampler(Sampler[np.ndarray]):
    """A sampler with an order that depends on ``seed`` and the epoch alone.

    A resumed run therefore sees the batches of an uninterrupted one.

    Args:
        seed: seed of the order.
        rank: index of this process.
        same_order: every epoch has the order of the first.
    """

    def __init__(self, seed: int, rank: int = 0, same_order: bool = False) -> None:
        self.seed, self.rank, self.same_order = seed, rank, same_order
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; Lightning calls this before each one."""
        self.epoch = 0 if self.same_order else epoch


class SeededBatchSampler(EpochSampler):
    """Batches of shuffled or consecutive positions.

    Of several processes, each takes every ``world_size``-th position. All get the same number of
    batches, since they add up their gradients. In evaluation every position occurs exactly once.

    Args:
        num_samples: positions are 0 .. num_samples - 1.
        batch_size: largest batch; the last batches of an evaluation may be smaller.
        shuffle: shuffle, and drop the last incomplete batch unless it is the only one.
        seed, rank, same_order: as of ``EpochSampler``.
        world_size: number of processes.
    """

    def __init__(
        self,
        num_samples: int,
        batch_size: int,
        shuffle: bool,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        same_order: bool = False,
    ) -> None:
        super().__init__(seed, rank, same_order)
        self.num_samples, self.batch_size, self.shuffle = num_samples, batch_size, shuffle
        self.world_size = world_size

    def __len__(self) -> int:
        if self.shuffle:
            return max(1, self.num_samples // self.world_size // self.batch_size)
        share = len(range(self.rank, self.num_samples, self.world_size))
        return min(share, -(-self.num_samples // (self.world_size * self.batch_size)))

    def __iter__(self) -> Iterator[np.ndarray]:
        order = np.arange(self.num_samples)
        if self.shuffle:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(self.num_samples)
        share, first = order[self.rank :: self.world_size], 0
        for num_left in reversed(range(len(self))):
            stop = first + self.batch_size
            if not self.shuffle:  # a share that is one smaller keeps one for each batch to come
                stop = min(stop, len(share) - num_left)
            yield share[first:stop]
            first = stop


class WeightedBatchSampler(EpochSampler):
    """Training batches drawn with replacement.

    Args:
        weights: (positions,), of any sum.
        batch_size: positions per batch.
        num_batches: batches per epoch.
        seed, rank, same_order: as of ``EpochSampler``; each process draws its own batches.
    """

    def __init__(
        self,
        weights: np.ndarray,
        batch_size: int,
        num_batches: int,
        seed: int,
        rank: int = 0,
        same_order: bool = False,
    ) -> None:
        super().__init__(seed, rank, same_order)
        self.cumulative = np.cumsum(weights) / np.sum(weights)
        self.batch_size, self.num_batches = batch_size, num_batches

    def __len__(self) -> int:
        return self.num_batches

    def __iter__(self) -> Iterator[np.ndarray]:
        rng = np.random.default_rng((self.seed, self.epoch, self.rank))
        for _ in range(self.num_batches):
            drawn = np.searchsorted(self.cumulative, rng.random(self.batch_size), side="right")
            yield np.minimum(drawn, len(self.cumulative) - 1)


class WrappedBatchSampler(Sampler[np.ndarray]):
    """A batch sampler that changes the batches of another one.

    Args:
        batch_sampler: yields positions, and has ``seed``, ``epoch`` and ``set_epoch``.
    """

    def __init__(self, batch_sampler: Any) -> None:
        self.batch_sampler, self.seed = batch_sampler, batch_sampler.seed

    @property
    def epoch(self) -> int:
        """The current epoch."""
        return self.batch_sampler.epoch

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; Lightning calls this before each one."""
        self.batch_sampler.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.batch_sampler)


class LengthBucketSampler(WrappedBatchSampler):
    """Batches regrouped so that recordings of similar length share one.

    Training sorts ``POOLED_BATCHES`` batches at a time and shuffles them again: as random as the
    sampler below, with hardly any padding. Evaluation sorts everything, longest first, so that a
    batch that does not fit into memory fails at once.

    Args:
        batch_sampler: as of ``WrappedBatchSampler``.
        lengths: (positions,) length of each recording.
        shuffle: whether it is for training.
    """

    def __init__(self, batch_sampler: Any, lengths: np.ndarray, shuffle: bool) -> None:
        super().__init__(batch_sampler)
        self.lengths, self.shuffle = lengths, shuffle

    def __iter__(self) -> Iterator[np.ndarray]:
        batches = list(self.batch_sampler)
        pool = POOLED_BATCHES if self.shuffle else max(1, len(batches))
        rng = np.random.default_rng((self.seed, self.epoch, len(batches)))
        for first in range(0, len(batches), pool):
            yield from self._regroup(batches[first : first + pool], rng)

    def _regroup(self, batches: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
        """Return the same positions in batches of the same sizes, grouped by length."""
        positions = np.concatenate(batches)
        positions = positions[np.argsort(-self.lengths[positions], kind="stable")]
        ends = np.cumsum([len(batch) for batch in batches])[:-1]
        regrouped = np.split(positions, ends)
        if not self.shuffle:
            return regrouped
        return [regrouped[i] for i in rng.permutation(len(regrouped))]


class CurriculumSampler(WrappedBatchSampler):
    """Curriculum: the first epochs train on the shorter recordings, with more of them each epoch.

    An epoch keeps its number of batches, so that the shorter recordings are seen more often and a
    learning-rate schedule by steps keeps its meaning.
    Source: Y. Bengio et al., Curriculum Learning, ICML 2009.

    Args:
        batch_sampler: as of ``WrappedBatchSampler``.
        lengths: (positions,) length of each recording.
        num_epochs: epochs until all recordings are seen.
        start: share of the recordings in the first epoch, (0, 1].
    """

    def __init__(
        self, batch_sampler: Any, lengths: np.ndarray, num_epochs: int, start: float
    ) -> None:
        super().__init__(batch_sampler)
        self.num_epochs, self.start = num_epochs, start
        self.shortest = np.argsort(lengths, kind="stable")
        self.rank = np.argsort(self.shortest, kind="stable")

    @property
    def num_seen(self) -> int:
        """The number of recordings that this epoch sees."""
        share = min(1.0, self.start + (1 - self.start) * self.epoch / max(1, self.num_epochs))
        return max(1, round(share * len(self.rank)))

    def __iter__(self) -> Iterator[np.ndarray]:
        for positions in self.batch_sampler:
            yield self.shortest[self.rank[positions] % self.num_seen]


def balanced_weights(targets: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return weights (rows,), sum 1, that make every class of every group equally likely."""
    pairs = np.stack([targets, groups])
    _, inverse, counts = np.unique(pairs, axis=1, return_inverse=True, return_counts=True)
    weights = 1.0 / counts[inverse.reshape(-1)]
    return weights / weights.sum()
