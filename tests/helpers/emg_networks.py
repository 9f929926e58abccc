"""Small EMG networks and recordings for them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from modules.networks.emg_ctc import EMGCTC
from modules.networks.emg_hybrid import EMGHybrid
from modules.networks.emg_spatiotemporal import EMGSpatioTemporal
from modules.networks.emg_words import EMGWords
from modules.networks.layers.masks import MaskedBatchNorm1d, length_mask

ATTENTION_SIZES = {"hidden_size": 16, "num_heads": 2, "num_layers": 1}
SMALL_SIZES = {
    EMGHybrid: ATTENTION_SIZES,
    EMGSpatioTemporal: ATTENTION_SIZES,
    EMGCTC: {"hidden_size": 8, "num_layers": 1},
    EMGWords: {"embedding_dim": 16, "num_layers": 1},
}
NO_DROPOUT = {
    EMGHybrid: {"dropout": 0.0, "attention_dropout": 0.0},
    EMGSpatioTemporal: {"dropout": 0.0},
    EMGCTC: {"dropout": 0.0},
    EMGWords: {"dropout": 0.0, "inner_dropout": 0.0},
}


def make_network(kind: type, positions: int | None = 3, channels: int = 2, **more) -> nn.Module:
    """Return a small network of 11 tokens for recordings at 250 Hz."""
    torch.manual_seed(0)
    settings = {"sample_rate": 250.0, "positions": positions} | SMALL_SIZES[kind] | more
    return kind(channels, 11, **settings)


def make_settled_network(kind: type, positions: int | None) -> nn.Module:
    """Return a network in eval mode whose normalizations are not the identity."""
    net = make_network(kind, positions)
    for part in net.modules():
        if isinstance(part, MaskedBatchNorm1d):
            part.running_mean.uniform_(-1, 1)
            nn.init.uniform_(part.bias)
    return net.eval()


def make_recordings(*lengths: int, channels: int = 2) -> tuple[Tensor, Tensor]:
    """Return noise (B, T, C) of these numbers of samples, padded with zeros to the longest."""
    torch.manual_seed(1)
    x, length = torch.randn(len(lengths), max(lengths), channels), torch.tensor(lengths)
    return x * length_mask(length, max(lengths), x.device)[..., None], length


def count_parameters(net: nn.Module) -> int:
    """Return the number of weights of a network."""
    return sum(parameter.numel() for parameter in net.parameters())
