"""What stage=benchmark compares with where recordings become text: the loop that people write."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from datamodules.emg import EMGDataModule, recording
from datamodules.loading.sequences import padded
from modules.transcription import TranscriptionModule


class OneByOne(Dataset[tuple[Tensor, list[int]]]):
    """The training recordings, one at a time: (T, C) scaled EMG and its token ids."""

    def __init__(self, data: EMGDataModule) -> None:
        self.data, self.rows = data, data.indices.train

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> tuple[Tensor, list[int]]:
        row = self.rows[place]
        emg = recording(self.data.prepared, row) * self.data.gains[row]
        return torch.from_numpy(emg), self.data.tokens[row]


def collate(samples: list[tuple[Tensor, list[int]]]) -> dict[str, Tensor]:
    """Pad a batch to its longest recording."""
    signals, tokens = zip(*samples, strict=True)
    return {
        "x": nn.utils.rnn.pad_sequence(list(signals), batch_first=True),  # (B, T, C)
        "length": torch.tensor([len(signal) for signal in signals]),
        "y": padded(tokens),
    }


def plain_loader(data: EMGDataModule) -> DataLoader:
    """Recordings at random, padded to the longest of their batch."""
    return DataLoader(OneByOne(data), data.batch_size, shuffle=True, collate_fn=collate)


def text_loss(
    module: TranscriptionModule, net: nn.Module, batch: dict[str, Any], device: torch.device
) -> Tensor:
    """The loss of one batch, as the module computes it."""
    x, y = batch["x"].to(device), batch["y"].to(device)
    return module.compute_loss(*net(x, batch["length"]), y)


def padding(batches: Iterable[dict[str, Any]]) -> float:
    """Share of the samples in these batches that are padding."""
    real, held = 0, 0
    for batch in batches:
        real += int(batch["length"].sum())
        held += batch["x"].shape[0] * batch["x"].shape[1]
    return 1 - real / held
