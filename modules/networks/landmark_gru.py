"""The reference network of the ASL alphabet: a GRU over hand landmarks."""

from __future__ import annotations

from torch import Tensor, nn

from modules.networks.base import Network


class LandmarkGRU(Network):
    """Linear, ReLU, GRU, Linear: 210,077 parameters with the defaults.

    Source: docs/sources.md, section 5 (GRU, hidden size 128, 2 layers, dropout 0.3, 29
    classes).

    Args:
        num_classes: letters and signs.
        input_size: values per frame; 21 landmarks x (x, y, z).
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
        self.input_proj = nn.Sequential(nn.Linear(input_size, hidden_size), nn.ReLU())
        between = dropout if num_layers > 1 else 0.0
        self.gru = nn.GRU(hidden_size, hidden_size, num_layers, batch_first=True, dropout=between)
        self.head = nn.Linear(hidden_size, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, classes) of landmarks (B, T, 63)."""
        return self.head(self.embed(x))

    def embed(self, x: Tensor) -> Tensor:
        """Return the last state of the GRU, (B, hidden_size)."""
        hidden, _ = self.gru(self.input_proj(x))  # (B, T, 63) → (B, T, 128)
        return hidden[:, -1]
