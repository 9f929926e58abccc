"""LSTM and GRU layers as ONNX has them; PyTorch's exporter writes out the steps of one length.

Sources: the operators LSTM and GRU of the ONNX standard, version 14.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

OPSET = 20
# Where ONNX has PyTorch's gates: i, f, g, o of an LSTM as i, o, f, c; r, z, n of a GRU as z, r, h.
ORDERS = {nn.LSTM: (0, 3, 1, 2), nn.GRU: (1, 0, 2)}


class Recurrent(nn.Module):
    """The layers of an ``nn.LSTM`` or ``nn.GRU`` as ONNX operators; for exporting alone.

    Gives (B, T, directions * H) and None: whoever wants the last state takes the last frame.
    """

    def __init__(self, layer: nn.LSTM | nn.GRU) -> None:
        super().__init__()
        assert layer.batch_first and not getattr(layer, "proj_size", 0) and layer.bias, layer
        self.hidden, self.kind = layer.hidden_size, type(layer).__name__
        self.ways = ("", "_reverse") if layer.bidirectional else ("",)
        self.count = layer.num_layers
        for number in range(layer.num_layers):
            for name, weight in self._weights(layer, number).items():
                self.register_buffer(f"{name}_{number}", weight)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """(B, T, inputs) → (B, T, directions * H)."""
        for number in range(self.count):
            parts = [getattr(self, f"{name}_{number}") for name in ("inputs", "states", "biases")]
            x = self._run(x, parts)
        return x, None

    def _run(self, x: Tensor, parts: list[Tensor]) -> Tensor:
        batch, steps, ways = x.shape[0], x.shape[1], len(self.ways)
        attributes = {"hidden_size": self.hidden}
        attributes["direction"] = "bidirectional" if ways == 2 else "forward"
        if self.kind == "GRU":
            attributes["linear_before_reset"] = 1  # as PyTorch has it
        y = torch.onnx.ops.symbolic(
            self.kind,
            (x.transpose(0, 1), *parts),
            attributes,
            dtype=x.dtype,
            shape=(steps, ways, batch, self.hidden),
            version=OPSET,
        )
        # (T, directions, B, H) → (B, T, directions, H) → (B, T, directions * H)
        return y.permute(2, 0, 1, 3).flatten(2)

    def _weights(self, layer: nn.LSTM | nn.GRU, number: int) -> dict[str, Tensor]:
        """inputs (ways, gates H, in), states (ways, gates H, H), biases (ways, 2 gates H)."""

        def gates(name: str, way: str) -> Tensor:
            parts = getattr(layer, f"{name}_l{number}{way}").detach().chunk(len(order))
            return torch.cat([parts[place] for place in order])

        order = ORDERS[type(layer)]
        both = [torch.cat([gates("bias_ih", way), gates("bias_hh", way)]) for way in self.ways]
        return {
            "inputs": torch.stack([gates("weight_ih", way) for way in self.ways]),
            "states": torch.stack([gates("weight_hh", way) for way in self.ways]),
            "biases": torch.stack(both),
        }


def with_recurrent(model: nn.Module) -> nn.Module:
    """A copy whose LSTM and GRU layers are ``Recurrent``."""
    if type(model) in ORDERS:
        return Recurrent(model)
    changed = copy.copy(model)
    changed._modules = {
        name: None if child is None else with_recurrent(child)
        for name, child in model._modules.items()
    }
    return changed
