"""EMGCTC: padding, lengths, short recordings, any electrodes, gradients."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from modules.networks.emg_ctc import EMGCTC
from modules.networks.layers.masks import MaskedBatchNorm1d, length_mask

kinds_of_output = pytest.mark.parametrize("positions", [3, None], ids=["tokens", "ctc"])


def make_network(
    positions: int | None = None, channels: int = 2, rate: float = 250.0, **more
) -> EMGCTC:
    torch.manual_seed(0)
    return EMGCTC(channels, 11, positions, rate, **{"hidden_size": 8, "num_layers": 1} | more)


def make_settled_network(positions: int | None = None, **more) -> EMGCTC:
    """Return a network in eval mode whose normalizations are not the identity."""
    net = make_network(positions, **more)
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


@kinds_of_output
@settings(max_examples=8)
@given(length=st.integers(1, 200), padding=st.integers(0, 200))
def test_padding_changes_nothing(positions: int | None, length: int, padding: int) -> None:
    net = make_settled_network(positions)
    x, known = make_recordings(length)
    longer, lengths = make_recordings(length + padding, length)
    longer[1, :length] = x[0]
    with torch.no_grad():
        alone, count = net(x, known)
        beside, counts = net(longer, lengths)
    assert counts[1] == count[0]
    torch.testing.assert_close(beside[1, : count[0]], alone[0, : count[0]], rtol=1e-5, atol=1e-5)


def test_samples_beyond_the_length_are_not_read() -> None:
    net = make_settled_network()
    x, length = make_recordings(120, 70)
    noisy = x.clone()
    noisy[1, 70:] = 50.0
    with torch.no_grad():
        (calm, counts), (loud, _) = net(x, length), net(noisy, length)
    torch.testing.assert_close(loud[1, : counts[1]], calm[1, : counts[1]], rtol=1e-5, atol=1e-5)


def test_padding_changes_nothing_in_training_either() -> None:
    net = make_network(dropout=0.0).train()
    x, length = make_recordings(150, 70)
    expected, counts = net(x, length)
    padded, _ = net(F.pad(x, (0, 0, 0, 90)), length)
    mask = length_mask(counts, expected.shape[1], x.device)
    torch.testing.assert_close(
        padded[:, : mask.shape[1]][mask], expected[mask], rtol=1e-4, atol=1e-4
    )


@settings(max_examples=12)
@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=4),
    rate=st.sampled_from([100.0, 250.0, 516.8, 1000.0, 2000.0]),
)
def test_the_output_has_the_promised_lengths(lengths: list[int], rate: float) -> None:
    net = make_network(rate=rate).eval()
    x, length = make_recordings(*lengths)
    with torch.no_grad():
        frames, counts = net.encode_frames(x, length)
        logits, read = net(x, length)
    promised = net.output_lengths(length)
    assert torch.equal(counts, promised) and torch.equal(read, promised)
    assert (promised >= 1).all() and (promised.diff()[length.diff() >= 0] >= 0).all()
    assert frames.shape == (len(lengths), promised.max(), net.frame_dim)
    assert logits.shape == (len(lengths), promised.max(), 11)
    assert frames.isfinite().all() and logits.isfinite().all()


@pytest.mark.parametrize("rate", [250.0, 1000.0, 2000.0])
def test_a_second_is_twenty_five_frames_at_any_rate(rate: float) -> None:
    a_second = torch.tensor([round(rate)])
    assert make_network(rate=rate).output_lengths(a_second).item() == 25


@kinds_of_output
@pytest.mark.parametrize("length", [1, 2, 7, 8])
def test_a_recording_shorter_than_a_frame_is_one(positions: int | None, length: int) -> None:
    net = make_settled_network(positions)
    with torch.no_grad():
        logits, counts = net(*make_recordings(length))
    assert logits.shape == (1, positions or 1, 11) and counts.tolist() == [positions or 1]
    assert logits.isfinite().all()


@pytest.mark.parametrize("channels", [1, 2, 8, 17])
@pytest.mark.parametrize("rate", [100.0, 250.0, 1000.0])
def test_any_electrodes_at_any_rate_are_read_and_all_of_them(channels: int, rate: float) -> None:
    net = make_network(3, channels, rate).eval()
    x, length = make_recordings(300, 200, channels=channels)
    logits, counts = net(x.requires_grad_(), length)
    assert logits.shape == (2, 3, 11) and counts.tolist() == [3, 3]
    logits.square().sum().backward()
    assert x.grad is not None and (x.grad.abs().sum((0, 1)) > 0).all()


def test_the_strength_of_an_electrode_does_not_matter() -> None:
    net = make_settled_network()
    x, length = make_recordings(300, 220)
    with torch.no_grad():
        logits, counts = net(x, length)
        louder, _ = net(x * torch.tensor([20.0, 0.5]), length)
    mask = length_mask(counts, logits.shape[1], x.device)
    torch.testing.assert_close(louder[mask], logits[mask], rtol=1e-2, atol=1e-3)


@kinds_of_output
def test_gradients_reach_every_parameter_and_are_finite(positions: int | None) -> None:
    net = make_network(positions).train()
    logits, counts = net(*make_recordings(1, 300, 40))
    mask = length_mask(counts, logits.shape[1], logits.device)
    logits[mask].log_softmax(-1)[:, 0].sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_gradients_of_the_signal_are_finite_even_where_it_is_short_or_silent() -> None:
    net = make_network().eval()
    x, length = make_recordings(300, 40, 1)
    x[1, :, 0] = 0
    net(x.requires_grad_(), length)[0].square().sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()
    assert x.grad[0].any(1).float().mean() > 0.9


@kinds_of_output
def test_mixed_precision_is_finite_and_agrees(positions: int | None) -> None:
    net = make_network(positions, dropout=0.0).train()
    x, length = make_recordings(1, 200, 40)
    expected, known = net(x, length)
    with torch.autocast("cpu", torch.bfloat16):
        logits, counts = net(x, length)
    assert logits.dtype == torch.bfloat16 and torch.equal(counts, known)
    mask = length_mask(known, logits.shape[1], x.device)
    torch.testing.assert_close(logits[mask].float(), expected[mask], rtol=0.1, atol=0.1)
    logits.float().square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in net.parameters())


def test_a_silent_recording_and_a_long_one_are_read() -> None:
    net = make_network(rate=1000.0).eval()
    with torch.no_grad():
        for x in (torch.zeros(1, 500, 2), torch.randn(1, 20_000, 2)):
            assert net(x, torch.tensor([x.shape[1]]))[0].isfinite().all()


@kinds_of_output
def test_the_network_overfits_four_recordings(positions: int | None) -> None:
    net = make_network(positions, dropout=0.0).train()
    x, length = make_recordings(80, 70, 90, 76)
    texts = torch.randint(1, 11, (4, 3), generator=torch.Generator().manual_seed(2))
    optimizer = torch.optim.Adam(net.parameters(), 3e-2)
    for _ in range(150):
        logits, counts = net(x, length)
        if positions:
            loss = F.cross_entropy(logits.flatten(0, 1), texts.flatten())
        else:
            shares = logits.log_softmax(-1).transpose(0, 1)  # (B, T, V) → (T, B, V)
            loss = F.ctc_loss(shares, texts, counts, torch.full((4,), 3))
        if loss < 0.3:
            return
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    pytest.fail(f"the loss is still {loss:.2f}")
