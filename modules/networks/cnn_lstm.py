"""The reference network of lip-reading: 3-D convolutions, then one LSTM."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.networks.base import Network
from modules.networks.layers.pooling import pool_to_grid
from modules.networks.layers.recomputation import forward_layer

CONV_CHANNELS = (16, 32, 48)
GRID_CELLS = (4, 6)  # that the maps of a frame are pooled into


class CNNLSTM(Network):
    """Three Conv3d blocks, an LSTM, two linear layers: 721,044 parameters for 4 classes.

    Source: docs/sources.md, section 3 (Conv3d 1→16→32→48, LSTM 1152→128, Linear 128→64→4,
    with BatchNorm and dropout in the head). It does not state kernels, pooling and dropout; 3x3x3
    kernels, maxima that halve height and width, and 0.3 are choices of this project. The number of
    parameters agrees.

    Args:
        num_classes: words.
        hidden_size: width of the LSTM.
        dropout: before the last layer.
        channels_last: memory format of the convolutions, the fastest on CPUs and GPUs; the results
            are the same.
        checkpointing: recompute the activations of the convolutions in training instead of keeping
            them: less memory, up to 1.6 times the time, and the same gradients and running
            statistics.
    """

    def __init__(
        self,
        num_classes: int = 4,
        hidden_size: int = 128,
        dropout: float = 0.3,
        channels_last: bool = True,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.checkpointing = checkpointing
        self.order = torch.channels_last_3d if channels_last else torch.contiguous_format
        pairs = zip((1, *CONV_CHANNELS), CONV_CHANNELS, strict=False)
        self.features = nn.Sequential(*(make_block(inputs, outputs) for inputs, outputs in pairs))
        cells = GRID_CELLS[0] * GRID_CELLS[1]
        self.lstm = nn.LSTM(CONV_CHANNELS[-1] * cells, hidden_size, batch_first=True)
        self.head = nn.Sequential(
            nn.Linear(hidden_size, 64),
            nn.BatchNorm1d(64),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(64, num_classes),
        )
        self.features.to(memory_format=self.order)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, classes) of grey clips (B, 1, T, H, W) in [0, 1]."""
        return self.head(self._pool_states(x))

    def embed(self, x: Tensor) -> Tensor:
        """Return the vectors before the last layer, (B, 64)."""
        return self.head[:-1](self._pool_states(x))

    def _pool_states(self, x: Tensor) -> Tensor:
        """Return the last state of the LSTM, (B, hidden_size)."""
        maps = x.contiguous(memory_format=self.order)
        for block in self.features:
            maps = forward_layer(block, maps, recompute=self.checkpointing)
        cells = self._pool_to_grid(maps)  # → (B, 48, T, 4, 6)
        hidden, _ = self.lstm(cells.transpose(1, 2).flatten(2))  # (B, T, 1152) → (B, T, 128)
        return hidden[:, -1]

    def _pool_to_grid(self, maps: Tensor) -> Tensor:
        """Average into the cells of the grid, (B, 48, T, H, W) → (B, 48, T, 4, 6).

        Halving is faster than the general case, and as exact as adaptive pooling.
        """
        if maps.shape[3:] == GRID_CELLS:
            return maps
        if maps.shape[3:] == (2 * GRID_CELLS[0], 2 * GRID_CELLS[1]):
            return F.avg_pool3d(maps, (1, 2, 2))
        return pool_to_grid(maps, GRID_CELLS)


def make_block(inputs: int, outputs: int) -> nn.Sequential:
    """Return a convolution in space and time that halves height and width."""
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, kernel_size=3, padding=1),
        nn.BatchNorm3d(outputs),
        nn.ReLU(inplace=True),
        nn.MaxPool3d((1, 2, 2)),
    )
