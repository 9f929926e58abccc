"""Average the probabilities of several trained networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from modules.networks.base import Network


class Ensemble(Network):
    """The mean of the probabilities of several networks, as logits.

    Source: Lakshminarayanan, Pritzel and Blundell, "Simple and Scalable Predictive Uncertainty
    Estimation using Deep Ensembles", NeurIPS 2017. The logits are the logarithms of the means, so
    that their softmax is the mean itself; with CTC, the mean of each frame.

    Args:
        nets: networks of the same inputs and answers.
    """

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)
        self.takes_word_mask = any(map(_takes_word_mask, nets))
        self.variant = f"ensemble of {len(self.nets)} networks"

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return logits (B, classes), or token logits (B, L, tokens) and how many count (B,)."""
        return _average([net(*self._select_inputs(net, inputs)) for net in self.nets])

    def embed(self, *inputs: Tensor) -> Tensor:
        """Return the vectors of all networks one after the other, (B, sum of D)."""
        return torch.cat([net.embed(*self._select_inputs(net, inputs)) for net in self.nets], -1)

    def forward_with_embedding(self, *inputs: Tensor) -> tuple[Any, Tensor]:
        """Return the results of ``forward`` and ``embed`` in one pass."""
        pairs = [net.forward_with_embedding(*self._select_inputs(net, inputs)) for net in self.nets]
        return _average([pair[0] for pair in pairs]), torch.cat([pair[1] for pair in pairs], -1)

    def output_lengths(self, length: Tensor) -> Tensor:
        """Return how many logits count of recordings of (B,) frames."""
        return self.nets[0].output_lengths(length)

    def _select_inputs(self, net: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the inputs without a word mask that this network does not take."""
        return inputs[:1] if self.takes_word_mask and not _takes_word_mask(net) else inputs


def _average(outputs: list[Any]) -> Any:
    """Return the mean of the probabilities as logits, with the lengths of text."""
    if isinstance(outputs[0], tuple):
        return _average([logits for logits, _ in outputs]), outputs[0][1]
    log_probs = torch.stack([logits.float().log_softmax(-1) for logits in outputs])
    return log_probs.logsumexp(0) - math.log(len(outputs))


def _takes_word_mask(net: nn.Module) -> bool:
    return isinstance(net, Network) and net.takes_word_mask
