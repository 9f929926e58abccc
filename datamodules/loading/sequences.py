"""Batches of recordings of different lengths, padded to the longest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from datamodules.store.dataset import PreparedSet

IGNORE_INDEX = -100  # pads token ids; torch's losses ignore it


class PaddedBatches(Dataset[dict[str, Any]]):
    """Rows of a prepared set; an item is a whole batch, padded with zeros to its longest recording.

    A batch holds ``x`` (B, T, C) float32, ``length`` (B,) in samples, ``y`` (B, L) token ids padded
    with ``IGNORE_INDEX``, ``text`` (a list of B), ``index``, ``group`` and ``sequence`` (B,).

    Args:
        prepared: the prepared set; frames are (C,).
        rows: indices of its rows.
        texts: normalized text of all rows.
        tokens: token ids of each text.
        groups: (all rows,) group codes.
        sequences: (all rows,) sequence codes, -1 if they are unknown.
        gains: (all rows, C) factor of each channel.
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
        stored = self.starts[positions][:, None] + np.minimum(frame, length[:, None] - 1)  # (B, T)
        x = self.features[stored] * self.gains[positions][:, None]  # (B, T, C)
        x[frame >= length[:, None]] = 0
        return {
            "x": torch.from_numpy(x),
            "length": torch.from_numpy(length),
            "y": pad_tokens([self.tokens[position] for position in positions]),
            "text": [self.texts[position] for position in positions],
            "index": torch.from_numpy(self.rows[positions]),
            "group": torch.from_numpy(self.groups[positions]),
            "sequence": torch.from_numpy(self.sequences[positions]),
        }


def pad_tokens(tokens: Sequence[Sequence[int]]) -> Tensor:
    """Return token ids (B, L) padded with ``IGNORE_INDEX``; L is at least 1."""
    width = max(1, *(len(ids) for ids in tokens))
    rows = [[*ids, *[IGNORE_INDEX] * (width - len(ids))] for ids in tokens]
    return torch.tensor(rows, dtype=torch.int64)
