"""Batches of recordings that are resampled, cropped or padded to one length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from datamodules.store.dataset import PreparedSet

GROUP_BYTES, MAX_GROUPED = 1 << 20, 64  # frames and batches that are fetched at a time


class RowBatches(Dataset[dict[str, Any]]):
    """Rows of a prepared set as a dataset with whole batches as items.

    A batch holds ``length`` (frames of the recording), ``index``, ``group`` and ``sequence`` (B,).

    Args:
        prepared: the prepared set.
        rows: indices of its rows.
        groups: (all rows,) group codes.
        sequences: (all rows,) sequence codes, -1 if they are unknown.
    """

    def __init__(
        self, prepared: PreparedSet, rows: np.ndarray, groups: np.ndarray, sequences: np.ndarray
    ) -> None:
        self.features, self.rows = prepared.features, rows
        self.starts, self.lengths = prepared.starts[rows], prepared.lengths[rows]
        self.groups, self.sequences = groups[rows], sequences[rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, positions: np.ndarray) -> dict[str, Any]:
        return {
            "length": torch.from_numpy(self.lengths[positions]),
            "index": torch.from_numpy(self.rows[positions]),
            "group": torch.from_numpy(self.groups[positions]),
            "sequence": torch.from_numpy(self.sequences[positions]),
        }

    def read_many(self, batches: Iterable[np.ndarray]) -> Iterator[dict[str, Any]]:
        """Yield the batches of these positions."""
        for positions in batches:
            yield self[positions]


class FixedLengthBatches(RowBatches):
    """Batches of recordings that are brought to ``frames`` frames in one indexing operation.

    A batch also holds ``x`` (B, frames, *frame_shape) and ``y`` (B,). If the set states which
    frames a word takes, it holds ``word_mask`` (B, frames) float32: 1 in the word's frames and 0 in
    the context around them; all 1 if a row does not state it, and all 0 if no frame of the word is
    taken.

    Args:
        prepared, rows, groups, sequences: as of ``RowBatches``.
        targets: (all rows,) class codes.
        frames: frames per sample.
        length_mode: ``resample`` or ``crop_pad``, see ``frame_indices``.
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
        super().__init__(prepared, rows, groups, sequences)
        self.targets = targets[rows]
        self.word_spans = None if prepared.word_spans is None else prepared.word_spans[rows]
        # (lengths, frames): computed once, since a step has no time for it, and per length, since
        # there may be a million samples.
        lengths, self.length_codes = np.unique(self.lengths, return_inverse=True)
        self.frame_indices = frame_indices(lengths, frames, length_mode)

    def __getitem__(self, positions: np.ndarray) -> dict[str, Any]:
        indices = self.frame_indices[self.length_codes[positions]]  # (B, frames)
        stored = self.starts[positions][:, None] + indices
        batch = {
            "x": torch.from_numpy(self.features.take(stored, axis=0)),
            "y": torch.from_numpy(self.targets[positions]),
            **super().__getitem__(positions),
        }
        if self.word_spans is not None:
            first, stop = self.word_spans[positions, :, None].swapaxes(0, 1)  # (B, 1) each
            word_mask = (indices >= first) & (indices < stop)
            batch["word_mask"] = torch.from_numpy(word_mask.astype(np.float32))
        return batch

    def read_many(self, batches: Iterable[np.ndarray]) -> Iterator[dict[str, Any]]:
        """Yield the batches of these positions; small ones are fetched several at a time."""
        sample_bytes = self.frame_indices.shape[1] * self.features[:1].nbytes
        positions = iter(batches)
        for first in positions:
            count = GROUP_BYTES // max(1, len(first) * sample_bytes)
            group = [first, *islice(positions, min(count, MAX_GROUPED) - 1 if count else 0)]
            joined = self[np.concatenate(group) if len(group) > 1 else first]
            sizes = [len(part) for part in group]
            parts = {name: values.split(sizes) for name, values in joined.items()}
            for number in range(len(group)):
                yield {name: split[number] for name, split in parts.items()}


def frame_indices(lengths: np.ndarray, frames: int, mode: str) -> np.ndarray:
    """Return (n, frames): the frames that are taken of recordings of ``lengths`` (n,).

    ``resample`` spreads them evenly from the first to the last frame and repeats frames of shorter
    recordings; a single frame is the middle one. ``crop_pad`` takes the middle of longer recordings
    and repeats the first and last frame of shorter ones.

    Raises:
        ValueError: an unknown mode.
    """
    return frame_index_tensor(torch.from_numpy(lengths), frames, mode).numpy()


def frame_index_tensor(lengths: Tensor, frames: int, mode: str) -> Tensor:
    """Return ``frame_indices`` by operations that export with a network: (n,) → (n, frames)."""
    last = (lengths - 1)[:, None]  # (n, 1)
    if mode == "resample":
        # (frames,): relative position in the recording, 0 to 1
        relative = np.linspace(0, 1, frames) if frames > 1 else np.array([0.5])
        return torch.round(last * torch.from_numpy(relative)).long()
    if mode == "crop_pad":
        first = torch.div(last + 1 - frames, 2, rounding_mode="floor")
        return torch.minimum((first + torch.arange(frames)).clamp(min=0), last)
    raise ValueError(f"datamodule.length_mode={mode} is not known: resample or crop_pad")
