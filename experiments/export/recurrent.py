"""LSTM and GRU layers as ONNX operators; PyTorch's exporter unrolls them to a fixed length.

Sources: the operators LSTM and GRU of the ONNX standard, version 14.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

# The order of PyTorch's gates in ONNX: i, f, g, o of an LSTM as i, o, f, c; r, z, n of a GRU as
# z, r, h.
GATE_ORDERS = {nn.LSTM: (0, 3, 1, 2), nn.GRU: (1, 0, 2)}


class OnnxRecurrent(nn.Module):
    """The layers of an ``nn.LSTM`` or ``nn.GRU`` as ONNX operators, for exporting alone.

    The last state is not returned: it is None.
    """

    def __init__(self, layer: nn.LSTM | nn.GRU) -> None:
        super().__init__()
        assert layer.batch_first and not getattr(layer, "proj_size", 0) and layer.bias, layer
        self.hidden_size, self.operator = layer.hidden_size, type(layer).__name__
        self.directions = ("", "_reverse") if layer.bidirectional else ("",)
        self.num_layers = layer.num_layers
        for number in range(layer.num_layers):
            for name, weight in self._convert_weights(layer, number).items():
                self.register_buffer(f"{name}_{number}", weight)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """Return (B, T, directions * H) for (B, T, inputs)."""
        for number in range(self.num_layers):
            names = ("inputs", "states", "biases")
            x = self._run_layer(x, [getattr(self, f"{name}_{number}") for name in names])
        return x, None

    def _run_layer(self, x: Tensor, weights: list[Tensor]) -> Tensor:
        batch, steps, directions = x.shape[0], x.shape[1], len(self.directions)
        attributes = {"hidden_size": self.hidden_size}
        attributes["direction"] = "bidirectional" if directions == 2 else "forward"
        if self.operator == "GRU":
            attributes["linear_before_reset"] = 1  # as in PyTorch
        y = torch.onnx.ops.symbolic(
            self.operator,
            (x.transpose(0, 1), *weights),
            attributes,
            dtype=x.dtype,
            shape=(steps, directions, batch, self.hidden_size),
            version=20,  # of the operator set
        )
        # (T, directions, B, H) → (B, T, directions, H) → (B, T, directions * H)
        return y.permute(2, 0, 1, 3).flatten(2)

    def _convert_weights(self, layer: nn.LSTM | nn.GRU, number: int) -> dict[str, Tensor]:
        """Return inputs (D, gates H, in), states (D, gates H, H) and biases (D, 2 gates H)."""

        def reorder_gates(name: str, direction: str) -> Tensor:
            parts = getattr(layer, f"{name}_l{number}{direction}").detach().chunk(len(order))
            return torch.cat([parts[gate] for gate in order])

        order = GATE_ORDERS[type(layer)]
        stacked = {
            name: torch.stack([reorder_gates(name, way) for way in self.directions])
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        }
        return {
            "inputs": stacked["weight_ih"],
            "states": stacked["weight_hh"],
            "biases": torch.cat([stacked["bias_ih"], stacked["bias_hh"]], dim=1),
        }


def replace_recurrent(model: nn.Module) -> nn.Module:
    """Return a copy with ``OnnxRecurrent`` in place of LSTM and GRU layers."""
    if type(model) in GATE_ORDERS:
        return OnnxRecurrent(model)
    changed = copy.copy(model)
    changed._modules = {
        name: None if child is None else replace_recurrent(child)
        for name, child in model._modules.items()
    }
    return changed
