"""EMGWords: lengths, padding, gain, ensembles, gradients."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.networks.emg_words import EMGWords

CHANNELS, VOCABULARY, SAMPLE_RATE = 4, 11, 250.0
positions_or_ctc = pytest.mark.parametrize("positions", [1, 3, None])


def make_network(positions: int | None, seed: int = 0, **settings: object) -> EMGWords:
    torch.manual_seed(seed)
    return EMGWords(CHANNELS, VOCABULARY, positions, SAMPLE_RATE, **settings)


def make_recordings(*lengths: int) -> tuple[Tensor, Tensor]:
    """Return noise (B, T, C) of these numbers of samples, padded with zeros to the longest."""
    torch.manual_seed(1)
    x = torch.randn(len(lengths), max(lengths), CHANNELS)
    for row, length in enumerate(lengths):
        x[row, length:] = 0
    return x, torch.tensor(lengths)


@positions_or_ctc
def test_logits_have_the_lengths_that_the_network_promises(positions: int | None) -> None:
    x, length = make_recordings(300, 1, 120)
    logits, lengths = make_network(positions)(x, length)
    assert logits.shape == (3, int(lengths.max()), VOCABULARY) and logits.isfinite().all()
    assert torch.equal(lengths, make_network(positions).output_lengths(length))
    if positions:
        assert lengths.tolist() == [positions] * 3


@positions_or_ctc
def test_samples_beyond_the_length_do_not_count(positions: int | None) -> None:
    network = make_network(positions).eval()
    x, length = make_recordings(240)
    expected, lengths = network(x, length)
    padded = F.pad(x, (0, 0, 0, 160), value=1e3)
    logits, _ = network(padded, length)
    torch.testing.assert_close(logits[:, : lengths[0]], expected, rtol=1e-4, atol=1e-4)


def test_the_gain_of_the_amplifier_does_not_count() -> None:
    network = make_network(1).eval()
    x, length = make_recordings(240, 200)
    torch.testing.assert_close(
        network(50 * x, length)[0], network(10 * x, length)[0], atol=1e-2, rtol=0
    )


def test_an_ensemble_averages_the_logits_of_its_members() -> None:
    network = make_network(1, num_members=3).eval()
    x, length = make_recordings(240, 200)
    members = network.forward_members(x, length)
    assert members.shape == (3, 2, 1, VOCABULARY) and members.std(0).min() > 0
    torch.testing.assert_close(network(x, length)[0], members.mean(0))


@positions_or_ctc
def test_gradients_reach_every_parameter(positions: int | None) -> None:
    network = make_network(positions, num_members=2)
    x, length = make_recordings(300, 220)
    logits, _ = network(x, length)
    logits.log_softmax(-1)[..., 0].sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_the_network_fits_four_recordings() -> None:
    network = make_network(1, embedding_dim=16, dropout=0.0, inner_dropout=0.0)
    x, length = make_recordings(200, 180, 160, 190)
    optimizer = torch.optim.Adam(network.parameters(), 2e-2)
    for _ in range(40):
        loss = nn.functional.cross_entropy(network(x, length)[0][:, 0], torch.arange(4))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1
