"""Benchmark of recordings that become text: the loader and loss of a hand-written loop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from datamodules.emg import EMGDataModule
from datamodules.loading.sequences import pad_tokens
from modules.transcription import TranscriptionModule


class TrainingRecordings(Dataset[tuple[Tensor, list[int]]]):
    """Training recordings as (T, C) scaled EMG with their token ids.

    Args:
        data: of the recordings.
    """

    def __init__(self, data: EMGDataModule) -> None:
        self.data, self.rows = data, data.indices.train

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int) -> tuple[Tensor, list[int]]:
        row = self.rows[position]
        emg = self.data.prepared.read_sample(row) * self.data.gains[row]
        return torch.from_numpy(emg), self.data.tokens[row]


def collate_recordings(samples: list[tuple[Tensor, list[int]]]) -> dict[str, Tensor]:
    """Pad a batch to its longest recording: x (B, T, C), length (B,), y (B, tokens)."""
    signals, tokens = zip(*samples, strict=True)
    return {
        "x": nn.utils.rnn.pad_sequence(list(signals), batch_first=True),
        "length": torch.tensor([len(signal) for signal in signals]),
        "y": pad_tokens(tokens),
    }


def build_plain_loader(data: EMGDataModule) -> DataLoader:
    """Return a loader of random batches, padded to their longest recording."""
    recordings = TrainingRecordings(data)
    return DataLoader(recordings, data.batch_size, shuffle=True, collate_fn=collate_recordings)


def compute_text_loss(
    module: TranscriptionModule, net: nn.Module, batch: dict[str, Any], device: torch.device
) -> Tensor:
    """Return the loss () of a batch, as the module computes it."""
    x, y = batch["x"].to(device), batch["y"].to(device)
    return module.compute_loss(*net(x, batch["length"]), y)


def measure_padding(batches: Iterable[dict[str, Any]]) -> float:
    """Return the share of padding in the samples of these batches."""
    real, total = 0, 0
    for batch in batches:
        real += int(batch["length"].sum())
        total += batch["x"].shape[0] * batch["x"].shape[1]
    return 1 - real / total
