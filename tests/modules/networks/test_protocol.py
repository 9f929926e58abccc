"""The protocol that every network of conf/net implements."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from experiments.checkpoints.known_classes import import_class, known_classes
from modules.networks.base import Network, SequenceNetwork
from tests.helpers.paths import ROOT

CLASSES = {path.stem: {"num_classes": 4} for path in (ROOT / "conf" / "net").glob("*.yaml")}
SIGNALS = {"channels": 2, "vocab_size": 9, "positions": 3, "sample_rate": 250.0}
SETTINGS: dict[str, dict[str, Any]] = {
    "letter_net": {"num_classes": 4, "num_members": 2, "hidden_size": 8, "nothing": 0},
    "lip_tcn": {"num_classes": 4, "num_members": 2, "embedding_dim": 6, "frames": 5},
    "word_tcn": {"num_classes": 4, "num_members": 2, "embedding_dim": 6, "use_word_mask": True},
    "resnet_bilstm": {"num_classes": 4, "embedding_dim": 8, "hidden_size": 8, "num_heads": 2},
    "resnet_tcn": {"num_classes": 4, "embedding_dim": 8, "hidden_size": 6},
    "emg_ctc": SIGNALS | {"hidden_size": 8},
    "emg_hybrid": SIGNALS | {"hidden_size": 8, "num_heads": 2},
    "emg_spatiotemporal": SIGNALS | {"hidden_size": 8, "num_heads": 2, "num_layers": 1},
    "emg_words": SIGNALS | {"embedding_dim": 8, "num_members": 2},
}
every_network = pytest.mark.parametrize("name", sorted(CLASSES))


def make_network(name: str, **changes: Any) -> Network:
    torch.manual_seed(0)
    kind = import_class(known_classes("net")[name])
    return kind(**SETTINGS.get(name, CLASSES[name]) | changes).eval()


def make_inputs(network: Network) -> tuple[Tensor, ...]:
    torch.manual_seed(1)
    if isinstance(network, SequenceNetwork):
        return torch.randn(3, 200, 2), torch.tensor([200, 120, 60])
    if type(network).__name__ in ("LandmarkGRU", "LetterNet"):
        return (torch.randn(3, 2, 63),)
    mask = [torch.ones(3, 5)] if network.takes_word_mask else []
    return torch.rand(3, 1, 5, 32, 48), *mask


def logits_of(network: Network) -> Tensor:
    outputs = network(*make_inputs(network))
    return outputs[0] if isinstance(outputs, tuple) else outputs


@every_network
def test_logits_are_the_mean_of_the_members(name: str) -> None:
    network = make_network(name)
    assert isinstance(network, Network)
    members = network.forward_members(*make_inputs(network))
    assert len(members) == SETTINGS.get(name, {}).get("num_members", 1)
    torch.testing.assert_close(members.mean(0), logits_of(network))


@every_network
def test_an_embedding_has_one_vector_per_answer(name: str) -> None:
    network = make_network(name)
    inputs = make_inputs(network)
    embedding, logits = network.embed(*inputs), logits_of(network)
    outputs, same_embedding = network.forward_with_embedding(*inputs)
    torch.testing.assert_close(outputs[0] if isinstance(outputs, tuple) else outputs, logits)
    torch.testing.assert_close(same_embedding, embedding)
    assert embedding.shape[:-1] == logits.shape[:-1] and embedding.shape[-1] > 1
    assert embedding.isfinite().all() and embedding.std(0).max() > 0


@every_network
def test_lengths_are_those_of_the_logits(name: str) -> None:
    if name.startswith("emg"):
        network = make_network(name, positions=None)
        x, length = make_inputs(network)
        assert torch.equal(network.output_lengths(length), network(x, length)[1])
    else:
        assert make_network(name).output_lengths(torch.tensor([5, 2])).tolist() == [1, 1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["emg_words", "letter_net", "word_tcn"])
def test_a_compiled_network_has_the_same_weights_and_logits(name: str) -> None:
    network, compiled = make_network(name), make_network(name)
    compiled.compile(backend="eager")
    assert compiled.state_dict().keys() == network.state_dict().keys()
    torch.testing.assert_close(logits_of(compiled), logits_of(network))
    inputs = make_inputs(network)
    torch.testing.assert_close(compiled.forward_members(*inputs), network.forward_members(*inputs))
