"""Surface EMG of silent speech to text."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from modules.base import Batch
from modules.networks.contrastive import SharedSpace
from modules.transcription import TranscriptionModule


class EMGModule(TranscriptionModule):
    """(B, T, C) EMG → text; contrastive learning and ensembles beside the base's losses.

    Args:
        contrastive: weight of the InfoNCE loss between recordings and their texts; 0: none.
        temperature: of that loss.
        shared_size: numbers of the space that recordings and texts share.
        arguments: as ``TranscriptionModule`` takes them.
    """

    def __init__(
        self,
        *arguments: Any,
        contrastive: float = 0.0,
        temperature: float = 0.1,
        shared_size: int = 128,
        **named: Any,
    ) -> None:
        super().__init__(*arguments, **named)
        if contrastive < 0 or temperature <= 0:
            raise ValueError(
                f"module.contrastive={contrastive} must not be negative, and "
                f"module.temperature={temperature} must be above 0"
            )
        self.contrastive = contrastive
        if contrastive:
            width, size = self.net.width, self.tokenizer.size
            self.shared = SharedSpace(width, size, shared_size, temperature)

    def forward_and_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What a step learns from: logits, and their loss () with the contrastive one."""
        frames, counts = self.net.encode(batch["x"], batch["length"])
        if hasattr(self.net, "read_members"):  # an ensemble: each learns on its own, so they differ
            each = self.net.read_members(frames, counts)  # (members, B, L or frames, V)
            logits = each.mean(0)
            loss = torch.stack([self.compute_loss(one, counts, batch["y"]) for one in each]).mean()
        else:
            logits, lengths = self.net.read(frames, counts)
            loss = self.compute_loss(logits, lengths, batch["y"])
        if self.contrastive:
            with torch.autocast(frames.device.type, enabled=False):
                loss = loss + self.contrastive * self.shared(frames, counts, batch["y"])
        return logits, loss
