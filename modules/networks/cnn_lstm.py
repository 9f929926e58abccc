"""The light lip reader of the lip-reading document: 3-D convolutions, then one LSTM."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS = (16, 32, 48)
GRID = (4, 6)  # cells that a frame is pooled to


class CNNLSTM(nn.Module):
    """Three Conv3d blocks, an LSTM, two linear layers: 721,044 parameters for 4 classes.

    Source: the lip-reading document (Conv3d 1→16→32→48, LSTM 1152→128, Linear 128→64→4, with
    BatchNorm and dropout in the head). It leaves open the kernels, the pooling and the dropout:
    3x3x3 kernels, halving by maximum in height and width, and 0.3 are ours. The count agrees.

    Args:
        num_classes: words to tell apart.
        hidden_size: width of the LSTM.
        dropout: before the last layer.
        channels_last: keep what is convolved in the order in memory that convolutions are fastest
            in, on CPUs and GPUs alike; the results are the same.
    """

    def __init__(
        self,
        num_classes: int = 4,
        hidden_size: int = 128,
        dropout: float = 0.3,
        channels_last: bool = True,
    ) -> None:
        super().__init__()
        self.order = torch.channels_last_3d if channels_last else torch.contiguous_format
        pairs = zip((1, *CHANNELS), CHANNELS, strict=False)
        self.features = nn.Sequential(*(block(inputs, outputs) for inputs, outputs in pairs))
        self.pool = nn.AdaptiveAvgPool3d((None, *GRID))
        self.lstm = nn.LSTM(CHANNELS[-1] * GRID[0] * GRID[1], hidden_size, batch_first=True)
        self.head = nn.Sequential(
            nn.Linear(hidden_size, 64),
            nn.BatchNorm1d(64),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(64, num_classes),
        )
        self.features.to(memory_format=self.order)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, T, H, W) grey clips in [0, 1] → (B, classes) logits, read off the last frame."""
        maps = self.features(x.contiguous(memory_format=self.order))
        cells = self._pool_to_grid(maps)  # → (B, 48, T, 4, 6)
        hidden, _ = self.lstm(cells.transpose(1, 2).flatten(2))  # (B, T, 1152) → (B, T, 128)
        return self.head(hidden[:, -1])  # (B, 128) → (B, classes)

    def _pool_to_grid(self, maps: Tensor) -> Tensor:
        """Average into the cells of the grid, (B, 48, T, H, W) → (B, 48, T, 4, 6).

        ONNX has no pooling into a grid; for these sizes, halving gives the same bits.
        """
        if maps.shape[3:] == GRID:
            return maps
        if maps.shape[3:] == (2 * GRID[0], 2 * GRID[1]):
            return F.avg_pool3d(maps, (1, 2, 2))
        return self.pool(maps)


def block(inputs: int, outputs: int) -> nn.Sequential:
    """Convolve in space and time, halve height and width; every frame is kept."""
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, kernel_size=3, padding=1),
        nn.BatchNorm3d(outputs),
        nn.ReLU(inplace=True),
        nn.MaxPool3d((1, 2, 2)),
    )
