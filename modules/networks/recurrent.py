"""Recurrent layers that read recordings of different lengths in both directions."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Bidirectional(nn.Module):
    """Layers whose way back starts at each recording's own end: (B, T, width) stays.

    They do what ``bidirectional=True`` does with packed sequences, but without them, for their
    gradients take several times as long on CPUs when the lengths differ, and GPUs would wait for
    the lengths.

    Args:
        cell: ``nn.LSTM`` or ``nn.GRU``; a direction has half the width.
        width: of what comes in and goes out.
        layers: one after the other.
        dropout: between the layers.
    """

    def __init__(
        self, cell: type[nn.LSTM] | type[nn.GRU], width: int, layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.onward, self.back = (
            nn.ModuleList(cell(width, width // 2, batch_first=True) for _ in range(layers))
            for _ in range(2)
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Frames (B, T, width) and how many count (B,); after the end the result is undefined."""
        steps = torch.arange(x.shape[1], device=x.device)
        ends = lengths.to(x.device, non_blocking=True)[:, None]
        order = torch.where(steps < ends, ends - 1 - steps, steps)[..., None]  # its own inverse
        for index, (onward, back) in enumerate(zip(self.onward, self.back, strict=True)):
            x = self.drop(x) if index else x
            turned = x.gather(1, order.expand(-1, -1, x.shape[2]))
            returned = back(turned)[0]
            returned = returned.gather(1, order.expand(-1, -1, returned.shape[2]))
            x = torch.cat([onward(x)[0], returned], -1)  # 2 x (B, T, width / 2) → (B, T, width)
        return x
