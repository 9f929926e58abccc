"""All EMG networks: lengths, padding, gradients, precision, learning; sizes of the sources."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from modules.networks.emg_ctc import EMGCTC
from modules.networks.emg_hybrid import EMGHybrid
from modules.networks.emg_spatiotemporal import EMGSpatioTemporal
from modules.networks.emg_words import EMGWords
from modules.networks.layers.attention import sinusoidal_positions
from modules.networks.layers.masks import MaskedBatchNorm1d, length_mask
from modules.networks.layers.recurrent import BidirectionalRNN
from tests.helpers.emg_networks import (
    NO_DROPOUT,
    count_parameters,
    make_network,
    make_recordings,
    make_settled_network,
)

all_networks = pytest.mark.parametrize("kind", list(NO_DROPOUT), ids=lambda kind: kind.__name__)
all_outputs = pytest.mark.parametrize("positions", [3, None], ids=["tokens", "ctc"])


# ---- all networks


@all_networks
@settings(max_examples=15)
@given(lengths=st.lists(st.integers(1, 400), min_size=1, max_size=4))
def test_outputs_have_the_promised_lengths(kind: type, lengths: list[int]) -> None:
    net = make_network(kind, positions=None).eval()
    x, length = make_recordings(*lengths)
    with torch.no_grad():
        frames, counts = net.encode_frames(x, length)
        logits, logit_counts = net(x, length)
    promised = net.output_lengths(length)
    assert torch.equal(counts, promised) and torch.equal(logit_counts, promised)
    assert (promised >= 1).all()
    assert frames.shape == (len(lengths), promised.max(), net.frame_dim)
    assert logits.shape == (len(lengths), promised.max(), 11)
    assert frames.isfinite().all() and logits.isfinite().all()


@all_networks
@all_outputs
@settings(max_examples=10)
@given(length=st.integers(1, 300), padding=st.integers(0, 300), value=st.sampled_from([0.0, 1e3]))
def test_padding_changes_nothing(
    kind: type, positions: int | None, length: int, padding: int, value: float
) -> None:
    net = make_settled_network(kind, positions)
    x, _ = make_recordings(length)
    padded = F.pad(x, (0, 0, 0, padding), value=value).repeat(2, 1, 1)
    lengths = torch.tensor([length, length + padding])
    with torch.no_grad():
        alone, count = net(x, lengths[:1])
        beside, counts = net(padded, lengths)
    assert counts[0] == count[0]
    torch.testing.assert_close(beside[0, : count[0]], alone[0, : count[0]], rtol=1e-4, atol=1e-4)


@all_networks
def test_padding_changes_nothing_in_training_either(kind: type) -> None:
    net = make_network(kind, **NO_DROPOUT[kind]).train()
    x, length = make_recordings(150, 70)
    expected, counts = net(x, length)
    padded, _ = net(F.pad(x, (0, 0, 0, 90)), length)
    mask = length_mask(counts, expected.shape[1], x.device)
    padded = padded[:, : mask.shape[1]]
    torch.testing.assert_close(padded[mask], expected[mask], rtol=1e-4, atol=1e-4)


@all_networks
@all_outputs
def test_gradients_reach_every_parameter_and_are_finite(kind: type, positions: int | None) -> None:
    net = make_network(kind, positions).train()
    x, length = make_recordings(1, 300, 40)
    logits, counts = net(x.requires_grad_(), length)
    mask = length_mask(counts, logits.shape[1], x.device)
    logits[mask].log_softmax(-1)[:, 0].sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name
    # EMGWords divides one sample by its standard deviation, 0; no parameter depends on that.
    first_row = 1 if kind is EMGWords else 0
    assert x.grad is not None and x.grad[first_row:].isfinite().all()
    assert x.grad[1].any(1).float().mean() > 0.9


@all_networks
@all_outputs
def test_mixed_precision_is_finite_and_agrees(kind: type, positions: int | None) -> None:
    net = make_network(kind, positions, **NO_DROPOUT[kind]).train()
    x, length = make_recordings(1, 200, 40)
    expected, counts = net(x, length)
    with torch.autocast("cpu", torch.bfloat16):
        logits, mixed_counts = net(x, length)
    assert logits.dtype == torch.bfloat16 and torch.equal(mixed_counts, counts)
    assert logits.isfinite().all()
    mask = length_mask(counts, logits.shape[1], x.device)
    mask[0] = False  # of one sample, for which EMGWords' logarithms of energies differ more
    torch.testing.assert_close(logits[mask].float(), expected[mask], rtol=0.1, atol=0.1)
    logits.float().square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in net.parameters())


@all_networks
@pytest.mark.parametrize("channels", [1, 2, 8, 17])
def test_every_channel_of_any_number_counts(kind: type, channels: int) -> None:
    net = make_network(kind, channels=channels).eval()
    x, length = make_recordings(90, 30, channels=channels)
    logits, lengths = net(x.requires_grad_(), length)
    assert logits.shape == (2, 3, 11) and lengths.tolist() == [3, 3]
    logits.square().sum().backward()
    assert x.grad is not None and (x.grad.abs().sum((0, 1)) > 0).all()


@all_networks
def test_a_silent_recording_and_a_long_one_are_read(kind: type) -> None:
    net = make_network(kind, sample_rate=1000.0).eval()
    with torch.no_grad():
        for x in (torch.zeros(1, 500, 2), torch.randn(1, 20_000, 2)):
            assert net(x, torch.tensor([x.shape[1]]))[0].isfinite().all()


@all_networks
@all_outputs
def test_the_network_overfits_four_recordings(kind: type, positions: int | None) -> None:
    short = {"window_ms": 40, "hop_ms": 20} if kind is EMGSpatioTemporal else {}
    net = make_network(kind, positions, **NO_DROPOUT[kind], **short).train()
    slow = kind in (EMGCTC, EMGWords)  # fewer frames per second
    x, length = make_recordings(*((80, 70, 90, 76) if slow else (40, 34, 28, 38)))
    texts = torch.randint(1, 11, (4, 3), generator=torch.Generator().manual_seed(2))
    optimizer = torch.optim.Adam(net.parameters(), 3e-2 if kind is EMGCTC else 1e-2)
    for _ in range(150):
        loss = compute_loss(*net(x, length), texts)
        if loss < 0.3:
            return
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    pytest.fail(f"the loss is still {loss:.2f}")


def compute_loss(logits: Tensor, lengths: Tensor, texts: Tensor) -> Tensor:
    """Return the cross entropy of 3 tokens, or the CTC loss for more frames."""
    if logits.shape[1] == texts.shape[1]:
        return F.cross_entropy(logits.flatten(0, 1), texts.flatten())
    log_probs = logits.log_softmax(-1).transpose(0, 1)  # (B, T, vocabulary) → (T, B, vocabulary)
    return F.ctc_loss(log_probs, texts, lengths, torch.full((4,), 3))


# ---- EMGCTC


@pytest.mark.parametrize("rate", [250.0, 1000.0, 2000.0])
def test_emg_ctc_has_25_frames_a_second_at_any_sample_rate(rate: float) -> None:
    a_second = torch.tensor([round(rate)])
    assert make_network(EMGCTC, None, sample_rate=rate).output_lengths(a_second).item() == 25


@all_outputs
@pytest.mark.parametrize("length", [1, 2, 7, 8])
def test_emg_ctc_reads_recordings_shorter_than_a_frame(positions: int | None, length: int) -> None:
    net = make_settled_network(EMGCTC, positions)
    with torch.no_grad():
        logits, counts = net(*make_recordings(length))
    assert logits.shape == (1, positions or 1, 11) and counts.tolist() == [positions or 1]
    assert logits.isfinite().all()


def test_emg_ctc_ignores_the_gain_of_an_electrode() -> None:
    net = make_settled_network(EMGCTC, None)
    x, length = make_recordings(300, 220)
    with torch.no_grad():
        logits, counts = net(x, length)
        louder, _ = net(x * torch.tensor([20.0, 0.5]), length)
    mask = length_mask(counts, logits.shape[1], x.device)
    torch.testing.assert_close(louder[mask], logits[mask], rtol=1e-2, atol=1e-3)


def test_emg_ctc_has_finite_gradients_of_short_and_silent_signals() -> None:
    net = make_network(EMGCTC, None).eval()
    x, length = make_recordings(300, 40, 1)
    x[1, :, 0] = 0
    net(x.requires_grad_(), length)[0].square().sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()


# ---- EMGWords


def test_emg_words_ignores_the_gain_of_the_amplifier() -> None:
    net = make_network(EMGWords).eval()
    x, length = make_recordings(240, 200)
    loud, quiet = net(50 * x, length)[0], net(10 * x, length)[0]
    torch.testing.assert_close(loud, quiet, atol=1e-2, rtol=0)


# ---- networks of the sources


def test_emg_hybrid_matches_its_source() -> None:
    net = EMGHybrid(channels=8, vocab_size=32_128, positions=16, sample_rate=1000.0)
    assert count_parameters(net) == 13_138_816
    assert (net.input_proj.in_channels, net.input_proj.out_channels, net.drop.p) == (8, 256, 0.3)
    assert isinstance(net.norm, nn.BatchNorm1d)
    assert len(net.blocks) == 3
    for block in net.blocks:
        assert [part.kernel_size for part in (block.conv1, block.conv2)] == [(3,), (3,)]
    for direction in (net.lstm.forward_layers, net.lstm.backward_layers):
        assert [layer.hidden_size for layer in direction] == [128, 128]
    assert net.lstm.drop.p == 0.3
    assert [layer.attention.num_heads for layer in net.layers] == [8, 8]
    assert list_dropouts(net) == {0.3, 0.1} and net.frame_dim == 256
    assert [type(part) for part in net.reader.head] == [nn.Linear, nn.ReLU, nn.Linear]


def test_emg_spatiotemporal_matches_its_source() -> None:
    net = EMGSpatioTemporal(channels=8, vocab_size=32_128, positions=16, sample_rate=1000.0)
    assert count_parameters(net) == 15_786_880
    assert (net.window, net.hop) == (256, 128)
    sizes = [part.out_features for part in net.input_proj if isinstance(part, nn.Linear)]
    assert sizes == [128, 256]
    for layer in net.layers:
        assert (layer.time_attention.num_heads, layer.channel_attention.num_heads) == (8, 8)
    assert len(net.layers) == 6
    assert list_dropouts(net) == {0.1} and net.frame_dim == 256
    assert net.channel_embedding.shape == (8, 256)


def list_dropouts(net: nn.Module) -> set[float]:
    return {part.p for part in net.modules() if isinstance(part, nn.Dropout)}


@pytest.mark.parametrize(
    ("rate", "factor"), [(2000, 8), (1000, 8), (500, 4), (250, 2), (200, 2), (125, 1), (50, 1)]
)
def test_emg_hybrid_halves_down_to_about_125_frames_a_second(rate: int, factor: int) -> None:
    net = make_network(EMGHybrid, sample_rate=rate)
    assert net.output_lengths(torch.tensor([80])).item() == 80 // factor


def test_emg_spatiotemporal_takes_its_windows_in_milliseconds() -> None:
    net = make_network(EMGSpatioTemporal)
    assert (net.window, net.hop) == (64, 32)
    lengths = net.output_lengths(torch.tensor([1, 64, 65, 96, 97]))
    assert lengths.tolist() == [1, 1, 2, 2, 3]


@pytest.mark.parametrize(
    ("kind", "wrong", "message"),
    [
        (EMGHybrid, {"num_heads": 3}, "num_heads=3 does not divide"),
        (EMGHybrid, {"hidden_size": 15}, "even"),
        (EMGHybrid, {"sample_rate": 0}, "above 0"),
        (EMGHybrid, {"positions": 0}, "at least one token"),
        (EMGSpatioTemporal, {"hop_ms": 1}, "hop_ms=1 is shorter"),
    ],
    ids=["heads", "odd", "rate", "positions", "hop"],
)
def test_invalid_arguments_are_refused(kind: type, wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_network(kind, **wrong)


# ---- layers


def test_masked_batch_norm_is_batch_norm_over_the_frames_that_count() -> None:
    norm, plain = MaskedBatchNorm1d(4), nn.BatchNorm1d(4)
    x, length = torch.randn(3, 4, 9) + 2, torch.tensor([9, 2, 5])
    mask = length_mask(length, 9, x.device)
    normed = norm(x, mask[:, None]).transpose(1, 2)  # (B, C, T) → (B, T, C)
    torch.testing.assert_close(normed[mask], plain(x.transpose(1, 2)[mask]))
    assert not normed[~mask].any()
    torch.testing.assert_close(norm.state_dict(), plain.state_dict())


def test_both_directions_of_the_lstm_agree_with_torch_on_packed_sequences() -> None:
    ours = BidirectionalRNN(nn.LSTM, 8, 2, 0.0)
    torchs = nn.LSTM(8, 4, 2, True, True, bidirectional=True)
    for layer in range(2):
        for part, suffix in (
            (ours.forward_layers[layer], ""),
            (ours.backward_layers[layer], "_reverse"),
        ):
            for name, parameter in part.named_parameters():
                parameter.data = getattr(torchs, name[:-1] + str(layer) + suffix).data
    x, lengths = torch.randn(3, 9, 8), torch.tensor([4, 9, 1])
    packed, _ = torchs(pack_padded_sequence(x, lengths, True, enforce_sorted=False))
    mask = length_mask(lengths, 9, x.device)
    expected = pad_packed_sequence(packed, True)[0][mask]
    torch.testing.assert_close(ours(x, lengths)[mask], expected, rtol=1e-5, atol=1e-5)


def test_sinusoidal_positions_differ_at_every_step_and_keep_the_type() -> None:
    table = sinusoidal_positions(torch.zeros(500, 15))
    assert table.shape == (500, 15) and table[0, :8].eq(0).all() and table[0, 8:].eq(1).all()
    assert torch.cdist(table, table).fill_diagonal_(1).min() > 1e-2
    assert sinusoidal_positions(torch.zeros(2, 3, 4, dtype=torch.bfloat16)).dtype == torch.bfloat16
