"""The recurrent reader of hand landmarks that the ASL recipe describes."""

from __future__ import annotations

from torch import Tensor, nn


class LandmarkGRU(nn.Module):
    """Linear, ReLU, GRU, Linear: 210,077 parameters with the defaults.

    Source: the ASL alphabet recipe (GRU, hidden size 128, 2 layers, dropout 0.3, 29 classes).

    Args:
        num_classes: letters and signs to tell apart.
        input_size: numbers a frame; 21 landmarks x (x, y, z).
        hidden_size: width of the projection and of each GRU layer.
        num_layers: GRU layers.
        dropout: between the GRU layers.
    """

    def __init__(
        self,
        num_classes: int = 29,
        input_size: int = 63,
        hidden_size: int = 128,
        num_layers: int = 2,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Linear(input_size, hidden_size), nn.ReLU())
        between = dropout if num_layers > 1 else 0.0
        self.gru = nn.GRU(hidden_size, hidden_size, num_layers, batch_first=True, dropout=between)
        self.head = nn.Linear(hidden_size, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, 63) landmarks → (B, classes) logits, read off the last frame."""
        hidden, _ = self.gru(self.project(x))  # (B, T, 63) → (B, T, 128)
        return self.head(hidden[:, -1])  # (B, T, 128) → (B, classes)
