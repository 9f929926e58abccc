"""Batches of recordings of different lengths: alike ones together, padded to the longest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from datamodules.store.dataset import PreparedSet

IGNORE = -100  # fills the targets of shorter texts; torch's losses leave it out
POOL = 32  # batches that are sorted by length together: random enough, and little padding


class SequenceBatches(Dataset[dict[str, Any]]):
    """Rows of a prepared set as batches that are padded with zeros to their longest recording.

    A batch holds ``x`` (B, T, C) float32, ``length`` (B,) samples that count, ``y`` (B, L) token
    ids filled up with ``IGNORE``, ``text`` the B texts, ``index``, ``group`` and ``sequence`` (B,).

    Args:
        prepared: the set; frames (C,).
        rows: which rows of its manifest.
        texts: of all rows, as the tokenizer writes them.
        tokens: the ids of each text.
        groups: (all rows,) group codes.
        sequences: (all rows,) codes of the sequences, -1 where they are unknown.
        gains: (all rows, C) what each channel is multiplied by.
    """

    def __init__(
        self,
        prepared: PreparedSet,
        rows: np.ndarray,
        texts: Sequence[str],
        tokens: Sequence[Sequence[int]],
        groups: np.ndarray,
        sequences: np.ndarray,
        gains: np.ndarray,
    ) -> None:
        self.features, self.rows = prepared.features, rows
        self.starts, self.lengths = prepared.starts[rows], prepared.lengths[rows]
        self.texts, self.tokens = [texts[row] for row in rows], [tokens[row] for row in rows]
        self.groups, self.gains = groups[rows], gains[rows]
        self.sequences = sequences[rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, positions: np.ndarray) -> dict[str, Any]:
        length = self.lengths[positions]
        frame = np.arange(length.max())
        at = self.starts[positions][:, None] + np.minimum(frame, length[:, None] - 1)  # (B, T)
        x = self.features[at] * self.gains[positions][:, None]  # (B, T, C)
        x[frame >= length[:, None]] = 0
        return {
            "x": torch.from_numpy(x),
            "length": torch.from_numpy(length),
            "y": padded([self.tokens[position] for position in positions]),
            "text": [self.texts[position] for position in positions],
            "index": torch.from_numpy(self.rows[positions]),
            "group": torch.from_numpy(self.groups[positions]),
            "sequence": torch.from_numpy(self.sequences[positions]),
        }


def padded(tokens: Sequence[Sequence[int]]) -> torch.Tensor:
    """Token ids of different counts as (B, L), filled up with ``IGNORE``; L is at least 1."""
    width = max(1, *(len(one) for one in tokens))
    rows = [[*one, *[IGNORE] * (width - len(one))] for one in tokens]
    return torch.tensor(rows, dtype=torch.int64)


class LengthBucketSampler(Sampler[np.ndarray]):
    """The batches of another order with recordings of like length put together.

    In training, ``POOL`` batches at a time are sorted and dealt out again, in an order that the
    seed and the epoch determine: as random as the order below, and hardly any padding. In
    evaluation everything is sorted, the longest first, so that a batch too large for the memory
    is the first one.

    Args:
        order: gives arrays of positions, and has ``epoch`` and ``set_epoch``.
        lengths: (positions,) samples.
        shuffle: training.
    """

    def __init__(self, order: Any, lengths: np.ndarray, shuffle: bool) -> None:
        self.order, self.lengths, self.shuffle = order, lengths, shuffle

    def __len__(self) -> int:
        return len(self.order)

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        self.order.set_epoch(epoch)

    def __iter__(self) -> Iterator[np.ndarray]:
        batches = list(self.order)
        pool = POOL if self.shuffle else max(1, len(batches))
        rng = np.random.default_rng((self.order.seed, self.order.epoch, len(batches)))
        for first in range(0, len(batches), pool):
            yield from self._dealt(batches[first : first + pool], rng)

    def _dealt(self, batches: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
        """The same positions in as many batches of the same sizes, alike lengths together."""
        together = np.concatenate(batches)
        together = together[np.argsort(-self.lengths[together], kind="stable")]
        ends = np.cumsum([len(batch) for batch in batches])[:-1]
        dealt = np.split(together, ends)
        return [dealt[i] for i in rng.permutation(len(dealt))] if self.shuffle else dealt


class CurriculumSampler(Sampler[np.ndarray]):
    """Curriculum: the first epochs see the shorter recordings alone, more of them each epoch.

    Each epoch has as many batches as the order below: while only some recordings are seen, they
    are seen more often, so that a learning-rate schedule by steps keeps its meaning.
    Source: Bengio et al., "Curriculum Learning", ICML 2009.

    Args:
        order: gives arrays of positions.
        lengths: (positions,) samples.
        epochs: after so many epochs everything is seen.
        start: share of the recordings that the first epoch sees, (0, 1].
    """

    def __init__(self, order: Any, lengths: np.ndarray, epochs: int, start: float) -> None:
        self.order, self.epochs, self.start = order, epochs, start
        self.shortest = np.argsort(lengths, kind="stable")
        self.rank = np.argsort(self.shortest, kind="stable")
        self.seed = order.seed

    @property
    def epoch(self) -> int:
        return int(self.order.epoch)

    @property
    def seen(self) -> int:
        """Recordings that this epoch sees."""
        share = min(1.0, self.start + (1 - self.start) * self.epoch / max(1, self.epochs))
        return max(1, round(share * len(self.rank)))

    def __len__(self) -> int:
        return len(self.order)

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        self.order.set_epoch(epoch)

    def __iter__(self) -> Iterator[np.ndarray]:
        for positions in self.order:
            yield self.shortest[self.rank[positions] % self.seen]
