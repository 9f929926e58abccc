"""Batches of recordings of different lengths, padded to the longest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datamodules.loading.batches import RowBatches
from datamodules.store.dataset import PreparedSet

IGNORE_INDEX = -100  # pads token ids; torch's losses ignore it


class PaddedBatches(RowBatches):
    """Batches of recordings that are padded with zeros to the longest.

    A batch also holds ``x`` (B, T, C) float32, ``y`` (B, L) token ids padded with ``IGNORE_INDEX``,
    and ``text`` (a list of B).

    Args:
        prepared, rows, groups, sequences: as of ``RowBatches``; frames are (C,).
        texts: normalized text of all rows.
        tokens: token ids of each text.
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
        super().__init__(prepared, rows, groups, sequences)
        self.texts, self.tokens = [texts[row] for row in rows], [tokens[row] for row in rows]
        self.gains = gains[rows]

    def __getitem__(self, positions: np.ndarray) -> dict[str, Any]:
        length = self.lengths[positions]
        frame = np.arange(length.max())
        stored = self.starts[positions][:, None] + np.minimum(frame, length[:, None] - 1)  # (B, T)
        x = self.features[stored] * self.gains[positions][:, None]  # (B, T, C)
        x[frame >= length[:, None]] = 0
        return {
            "x": torch.from_numpy(x),
            "y": pad_tokens([self.tokens[position] for position in positions]),
            "text": [self.texts[position] for position in positions],
            **super().__getitem__(positions),
        }


def pad_tokens(tokens: Sequence[Sequence[int]]) -> Tensor:
    """Return token ids (B, L) padded with ``IGNORE_INDEX``; L is at least 1."""
    width = max(1, *(len(ids) for ids in tokens))
    rows = [[*ids, *[IGNORE_INDEX] * (width - len(ids))] for ids in tokens]
    return torch.tensor(rows, dtype=torch.int64)
