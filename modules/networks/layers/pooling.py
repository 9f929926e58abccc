"""Averages of maps into the cells of a grid."""

from __future__ import annotations

import torch
from torch import Tensor


def pool_to_grid(maps: Tensor, cells: tuple[int, int]) -> Tensor:
    """Average maps (..., H, W) into the cells of a grid, (..., rows, columns).

    The cells are those of ``nn.AdaptiveAvgPool2d``, which ONNX cannot express: they overlap where
    the sizes are no multiples.
    """
    rows, columns = (
        average_weights(size, count).to(maps)
        for size, count in zip(maps.shape[-2:], cells, strict=True)
    )
    return rows @ maps @ columns.T


def average_weights(size: int, count: int) -> Tensor:
    """Return the weights (count, size) that average ``size`` places into ``count`` cells."""
    cells = [(k * size // count, -(-(k + 1) * size // count)) for k in range(count)]
    return torch.tensor(
        [[(start <= n < end) / (end - start) for n in range(size)] for start, end in cells]
    )
