"""Whole batches in one indexing operation, in an order that a seed and an epoch determine."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from datamodules.store.dataset import PreparedSet


class _EpochOrder(Sampler[np.ndarray]):
    """An order that ``seed`` and the epoch determine; ``same_order`` keeps the first epoch's."""

    def __init__(self, seed: int, rank: int, same_order: bool) -> None:
        self.seed, self.rank, self.same_order = seed, rank, same_order
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        self.epoch = 0 if self.same_order else epoch


class SeededBatchSampler(_EpochOrder):
    """Batches of positions, each an array.

    The order of an epoch depends on ``seed`` and the epoch alone, so that a resumed run sees what
    the unbroken one would have seen. With several processes each takes every ``world``-th
    position, and all get the same number of batches (FSDP gathers weights in each of them; shares
    that differ by one could only differ in batches of one). In evaluation every position is
    visited exactly once.

    Args:
        size: positions are 0 .. size - 1.
        batch_size: positions a batch, at most; the last batches of an evaluation may be smaller.
        shuffle: training order; drops the last incomplete batch unless it is the only one.
        seed: of the order.
        rank, world: which of how many processes this is.
        same_order: every epoch has the order of the first.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        shuffle: bool,
        seed: int,
        rank: int = 0,
        world: int = 1,
        same_order: bool = False,
    ) -> None:
        super().__init__(seed, rank, same_order)
        self.size, self.batch_size, self.shuffle = size, batch_size, shuffle
        self.world = world

    def __len__(self) -> int:
        if self.shuffle:
            return max(1, self.size // self.world // self.batch_size)
        mine = len(range(self.rank, self.size, self.world))
        return min(mine, -(-self.size // (self.world * self.batch_size)))

    def __iter__(self) -> Iterator[np.ndarray]:
        order = np.arange(self.size)
        if self.shuffle:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(self.size)
        mine, first = order[self.rank :: self.world], 0
        for left in reversed(range(len(self))):
            after = first + self.batch_size
            if not self.shuffle:  # a share that is one smaller keeps one for each batch to come
                after = min(after, len(mine) - left)
            yield mine[first:after]
            first = after


class WeightedBatchSampler(_EpochOrder):
    """Training batches drawn with replacement, each position by its weight.

    Args:
        weights: (positions,), of any sum.
        batch_size: positions a batch.
        batches: batches an epoch.
        seed: with the epoch and the process it determines what is drawn.
        rank: which process this is.
        same_order: every epoch draws what the first drew.
    """

    def __init__(
        self,
        weights: np.ndarray,
        batch_size: int,
        batches: int,
        seed: int,
        rank: int = 0,
        same_order: bool = False,
    ) -> None:
        super().__init__(seed, rank, same_order)
        self.steps = np.cumsum(weights) / np.sum(weights)
        self.batch_size, self.batches = batch_size, batches

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[np.ndarray]:
        rng = np.random.default_rng((self.seed, self.epoch, self.rank))
        for _ in range(self.batches):
            drawn = np.searchsorted(self.steps, rng.random(self.batch_size), side="right")
            yield np.minimum(drawn, len(self.steps) - 1)


def balanced_weights(targets: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Weights (rows,) of sum 1 that make every class of every group equally likely."""
    pairs = np.stack([targets, groups])
    _, place, counts = np.unique(pairs, axis=1, return_inverse=True, return_counts=True)
    weights = 1.0 / counts[place.reshape(-1)]
    return weights / weights.sum()


class Batches(Dataset[dict[str, Tensor]]):
    """Rows of a prepared set as batches of tensors.

    A recording of any length becomes ``frames`` frames by ``length_mode``, see ``frame_indices``;
    ``length`` (B,) keeps how many it has. Where the set says which frames a word takes,
    ``word_mask`` (B, frames) float32 is 1 in those that are taken of them and 0 in the context
    around; all are 1 where a row does not say, and 0 where the rule takes no frame of the word.

    Args:
        prepared: the set.
        rows: which rows of its manifest.
        targets: (all rows,) class codes.
        groups: (all rows,) group codes.
        sequences: (all rows,) codes of the sequences, -1 where they are unknown.
        frames: frames a sample.
        length_mode: ``resample`` or ``crop_pad``.
    """

    def __init__(
        self,
        prepared: PreparedSet,
        rows: np.ndarray,
        targets: np.ndarray,
        groups: np.ndarray,
        sequences: np.ndarray,
        frames: int,
        length_mode: str = "resample",
    ) -> None:
        self.features, self.rows = prepared.features, rows
        self.targets, self.groups = targets[rows], groups[rows]
        self.sequences = sequences[rows]
        self.starts, self.lengths = prepared.starts[rows], prepared.lengths[rows]
        self.word_spans = None if prepared.word_spans is None else prepared.word_spans[rows]
        # (lengths, frames): worked out once, for there is no time for it at every step; and for
        # each length, not for each sample, for there may be a million of those.
        lengths, self.kind = np.unique(self.lengths, return_inverse=True)
        self.places = frame_indices(lengths, frames, length_mode)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, positions: np.ndarray) -> dict[str, Tensor]:
        places = self.places[self.kind[positions]]  # (B, frames)
        at = self.starts[positions][:, None] + places
        batch = {
            "x": torch.from_numpy(self.features.take(at, axis=0)),  # (B, frames, *frame_shape)
            "y": torch.from_numpy(self.targets[positions]),
            "length": torch.from_numpy(self.lengths[positions]),
            "index": torch.from_numpy(self.rows[positions]),
            "group": torch.from_numpy(self.groups[positions]),
            "sequence": torch.from_numpy(self.sequences[positions]),
        }
        if self.word_spans is not None:
            inside = _inside(places, self.word_spans[positions])
            batch["word_mask"] = torch.from_numpy(inside.astype(np.float32))
        return batch


def frame_indices(lengths: np.ndarray, frames: int, rule: str) -> np.ndarray:
    """Which frames of recordings of ``lengths`` (n,) are taken: (n, frames), counted from 0.

    ``resample`` spreads them evenly from the first to the last (repeated where the recording is
    shorter; one frame is the middle one). ``crop_pad`` takes the middle of a longer recording, and
    holds the first and the last frame of a shorter one on both sides.

    Raises:
        ValueError: an unknown rule.
    """
    return frame_index_tensor(torch.from_numpy(lengths), frames, rule).numpy()


def frame_index_tensor(lengths: Tensor, frames: int, rule: str) -> Tensor:
    """As ``frame_indices``, in operations that are exported with a network: (n,) → (n, frames)."""
    last = (lengths - 1)[:, None]  # (n, 1)
    if rule == "resample":
        # (frames,) where in the recording each frame lies: 0 its beginning, 1 its end.
        where = np.linspace(0, 1, frames) if frames > 1 else np.array([0.5])
        return torch.round(last * torch.from_numpy(where)).long()
    if rule == "crop_pad":
        first = torch.div(last + 1 - frames, 2, rounding_mode="floor")
        return torch.minimum((first + torch.arange(frames)).clamp(min=0), last)
    raise ValueError(f"datamodule.length_mode={rule} is not known: resample or crop_pad")


def _inside(places: np.ndarray, words: np.ndarray) -> np.ndarray:
    """(n, frames) bool: whether the frames ``places`` (n, frames) are in ``words`` (n, 2)."""
    return (places >= words[:, :1]) & (places < words[:, 1:])


def as_is(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """What the loader does to a batch that is whole already."""
    return batch
