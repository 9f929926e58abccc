"""Gradient checkpointing: less is kept, and training stays the same."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import yaml
from torch import Tensor, nn

from modules.networks.cnn_lstm import CNNLSTM
from modules.networks.emg_hybrid import EMGHybrid
from modules.networks.emg_spatiotemporal import EMGSpatioTemporal
from modules.networks.lip_tcn import LipTCN
from modules.networks.resnet_bilstm import ResNetBiLSTM
from modules.networks.resnet_tcn import ResNetTCN
from modules.networks.word_tcn import WordTCN
from tests.helpers.emg_networks import make_network, make_recordings
from tests.helpers.paths import ROOT

LARGE_NETWORKS: dict[type, Callable[[], nn.Module]] = {
    CNNLSTM: lambda: CNNLSTM(hidden_size=8),
    LipTCN: lambda: LipTCN(4, frames=3, num_members=2, embedding_dim=12),
    WordTCN: lambda: WordTCN(4, embedding_dim=12, num_layers=1),
    EMGHybrid: lambda: make_network(EMGHybrid),
    EMGSpatioTemporal: lambda: make_network(EMGSpatioTemporal),
    ResNetTCN: lambda: ResNetTCN(4, embedding_dim=16, hidden_size=12, num_layers=1),
    ResNetBiLSTM: lambda: ResNetBiLSTM(4, embedding_dim=16, hidden_size=8, num_layers=1),
}
SMALL_NETWORKS = {"emg_ctc", "emg_words", "landmark_gru", "letter_net"}  # see docs/benchmarks.md


def make_pair(kind: type) -> tuple[nn.Module, nn.Module]:
    """Return equal networks without and with gradient checkpointing, in training."""
    torch.manual_seed(0)
    plain = LARGE_NETWORKS[kind]().train()
    net = copy.deepcopy(plain)
    for part in net.modules():
        if hasattr(part, "checkpointing"):
            part.checkpointing = True
    return plain, net


def make_inputs(kind: type) -> tuple[Tensor, ...]:
    torch.manual_seed(1)
    if kind in (EMGHybrid, EMGSpatioTemporal):
        return make_recordings(200, 120)
    return (torch.rand(2, 1, 3, 32, 48),)


def learn_step(net: nn.Module, inputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """Return the loss of a step with dropout, its gradients and the statistics after it."""
    torch.manual_seed(3)
    logits = net.forward_members(*inputs)
    loss = logits.square().mean()
    loss.backward()
    gradients = {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
    return {"loss": loss.detach(), **gradients, **dict(net.named_buffers())}


@pytest.mark.parametrize("kind", LARGE_NETWORKS)
def test_recomputation_changes_nothing(kind: type) -> None:
    plain, net = make_pair(kind)
    expected, found = (learn_step(one, make_inputs(kind)) for one in (plain, net))
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values, rtol=1e-6, atol=1e-7, msg=name)
    counts = [x for name, x in net.named_buffers() if name.endswith("num_batches_tracked")]
    assert all(count == 1 for count in counts)
    assert torch.rand(1) == draw_after(plain, make_inputs(kind))


def draw_after(net: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    """Return the first random number after a step."""
    learn_step(net, inputs)
    return torch.rand(1)


def count_saved(net: nn.Module, inputs: tuple[Tensor, ...]) -> int:
    """Return the bytes that are kept for the backward pass, beside the weights."""
    weights = {p.untyped_storage().data_ptr() for p in net.parameters()}
    kept: dict[int, int] = {}

    def note(x: Tensor) -> Tensor:
        if x.untyped_storage().data_ptr() not in weights:
            kept[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
        held = net.forward_members(*inputs)
    assert held.requires_grad
    return sum(kept.values())


@pytest.mark.parametrize("kind", LARGE_NETWORKS)
def test_recomputation_keeps_less_in_training_alone(kind: type) -> None:
    plain, net = make_pair(kind)
    inputs = make_inputs(kind)
    assert count_saved(net, inputs) < 0.75 * count_saved(plain, inputs)
    assert count_saved(net.eval(), inputs) == count_saved(plain.eval(), inputs)


def test_every_large_network_has_the_setting() -> None:
    files = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / "conf/net").iterdir()}
    assert {name for name, net in files.items() if "checkpointing" not in net} == SMALL_NETWORKS
    large = [net["_target_"] for net in files.values() if "checkpointing" in net]
    assert sorted(large) == sorted(f"{kind.__module__}.{kind.__name__}" for kind in LARGE_NETWORKS)
