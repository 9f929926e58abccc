"""The task of silent speech: surface EMG to text."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from modules.base import Batch
from modules.networks.layers.heads import InfoNCEHead
from modules.transcription import TranscriptionModule


class EMGModule(TranscriptionModule):
    """EMG (B, T, C) to text, with ensembles and an optional contrastive loss.

    The network is a ``SequenceNetwork``.

    Args:
        arguments, named: of ``TranscriptionModule``.
        contrastive_weight: of the InfoNCE loss between recordings and their texts; 0 for none.
        contrastive_temperature: of that loss.
        contrastive_dim: size of the embedding that recordings and texts share.

    Raises:
        ValueError: if the weight is negative, or the temperature not above 0.
    """

    def __init__(
        self,
        *arguments: Any,
        contrastive_weight: float = 0.0,
        contrastive_temperature: float = 0.1,
        contrastive_dim: int = 128,
        **named: Any,
    ) -> None:
        super().__init__(*arguments, **named)
        if contrastive_weight < 0 or contrastive_temperature <= 0:
            raise ValueError(
                f"module.contrastive_weight={contrastive_weight} or "
                f"module.contrastive_temperature={contrastive_temperature} is not valid; expected "
                "a weight of at least 0 and a temperature above 0"
            )
        self.contrastive_weight = contrastive_weight
        if contrastive_weight:
            self.contrastive_head = InfoNCEHead(
                self.net.frame_dim, self.tokenizer.size, contrastive_dim, contrastive_temperature
            )

    def forward_and_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the logits of a training batch and their loss (), with the contrastive one.

        Members of an ensemble learn independently: the loss is the mean of their losses.
        """
        frames, counts = self.net.encode_frames(batch["x"], batch["length"])
        logits, lengths = self.net.read_members(frames, counts)  # (members, B, L or T', V), (B,)
        losses = [self.compute_loss(member, lengths, batch["y"]) for member in logits]
        loss = torch.stack(losses).mean()
        if self.contrastive_weight:
            with torch.autocast(frames.device.type, enabled=False):
                contrastive = self.contrastive_head(frames, counts, batch["y"])
            loss = loss + self.contrastive_weight * contrastive
        return logits.mean(0), loss
