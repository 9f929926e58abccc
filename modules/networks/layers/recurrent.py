"""Bidirectional recurrent layers for recordings of different lengths."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class BidirectionalRNN(nn.Module):
    """Bidirectional LSTM or GRU, reversed at each recording's own end: (B, T, width) stays.

    The result is that of ``bidirectional=True`` with packed sequences. Their gradients take
    several times as long on CPUs when the lengths differ, and GPUs would wait for the lengths.

    Args:
        cell: ``nn.LSTM`` or ``nn.GRU``; each direction has half of the width.
        width: size of the inputs and outputs.
        num_layers: layers.
        dropout: between the layers.
    """

    def __init__(
        self, cell: type[nn.LSTM] | type[nn.GRU], width: int, num_layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.forward_layers, self.backward_layers = (
            nn.ModuleList(cell(width, width // 2, batch_first=True) for _ in range(num_layers))
            for _ in range(2)
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Return (B, T, width); frames after the end of a recording are undefined.

        Args:
            x: frames (B, T, width).
            lengths: frames that count, (B,).
        """
        steps = torch.arange(x.shape[1], device=x.device)
        ends = lengths.to(x.device, non_blocking=True)[:, None]
        reversal = torch.where(steps < ends, ends - 1 - steps, steps)[..., None]  # its own inverse
        pairs = zip(self.forward_layers, self.backward_layers, strict=True)
        for index, (forward_layer, backward_layer) in enumerate(pairs):
            x = self.drop(x) if index else x
            reversed_x = x.gather(1, reversal.expand(-1, -1, x.shape[2]))
            backward = backward_layer(reversed_x)[0]
            backward = backward.gather(1, reversal.expand(-1, -1, backward.shape[2]))
            # 2 x (B, T, width / 2) → (B, T, width)
            x = torch.cat([forward_layer(x)[0], backward], -1)
        return x
