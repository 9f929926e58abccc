"""Letter and lip networks: parameter counts of the sources, shapes, gradients."""

import numpy as np
import pytest
import torch

from datamodules.simulators.hand import HandSimulator
from modules.networks.cnn_lstm import CNNLSTM
from modules.networks.landmark_gru import LandmarkGRU
from modules.networks.layers.hand_features import HandFeatures
from modules.networks.letter_net import LetterNet, ViewDropout
from modules.networks.lip_tcn import LipTCN
from tests.helpers.emg_networks import count_parameters


def test_landmark_gru_has_the_parameters_of_its_source() -> None:
    assert count_parameters(LandmarkGRU()) == 210_077


@pytest.mark.parametrize("frames", [1, 7])
def test_landmark_gru_takes_sequences(frames: int) -> None:
    net = LandmarkGRU().eval()
    x = torch.randn(5, frames, 63)
    assert net(x).shape == (5, 29)
    torch.testing.assert_close(net(x)[:1], net(x[:1]))


def test_landmark_gru_uses_every_frame() -> None:
    net, x = LandmarkGRU().eval(), torch.randn(1, 4, 63, requires_grad=True)
    net(x).sum().backward()
    assert x.grad is not None
    assert (x.grad.abs().sum((0, 2)) > 0).all()


def make_hands(frames: int = 1) -> torch.Tensor:
    samples = HandSimulator(signers=2, samples_per_class=2, frames=frames).simulate_signer(1)
    return torch.stack([torch.from_numpy(x) for _, x in samples])


def test_views_are_dropped_as_a_whole_in_training_alone() -> None:
    drop, values = ViewDropout([2, 3], 0.5), torch.ones(4, 200, 5)
    first, second = drop(values).split([2, 3], dim=2)
    for view in (first, second):
        assert torch.equal(view, view[..., :1].expand_as(view))
        assert 0.4 < view.mean() < 0.6
    assert not torch.equal(first[..., 0], second[..., 0])
    assert drop.eval()(values) is values


@pytest.mark.parametrize(("num_hands", "has_motion"), [(1, False), (2, False), (2, True)])
def test_every_feature_of_a_hand_belongs_to_a_view(num_hands: int, has_motion: bool) -> None:
    net = LetterNet(num_hands=num_hands, has_motion=has_motion)
    assert len(net.view_drop.views) == net.input_norm.num_features
    net(torch.randn(3, 2, 63 * num_hands)).sum().backward()


def test_networks_whose_checkpoint_states_no_view_dropout_drop_none() -> None:
    assert LetterNet().view_drop.share == 0


def test_features_do_not_depend_on_place_size_or_side() -> None:
    x = make_hands()[:, 0]
    x = x[x.abs().sum(1) > 0]
    points = x.reshape(-1, 21, 3)
    mirrored = points * torch.tensor([-1.0, 1, 1])
    moved = points * 0.6 + torch.tensor([0.2, -0.1, 0.0])
    features = HandFeatures()
    expected = features(x)
    assert expected.shape == (len(x), HandFeatures.num_features)
    for other in (mirrored, moved):
        torch.testing.assert_close(features(other.reshape(-1, 63)), expected, rtol=0.02, atol=0.02)


def test_letter_net_does_not_depend_on_the_batch() -> None:
    net, x = LetterNet().eval(), make_hands()
    visible = x[x.abs().sum((1, 2)) > 0]
    torch.testing.assert_close(net(visible)[:1], net(visible[:1]), rtol=1e-4, atol=1e-4)


def test_letter_net_averages_the_frames() -> None:
    net, x = LetterNet().eval(), make_hands()[:6]
    torch.testing.assert_close(net(x.repeat(1, 4, 1)), net(x), rtol=1e-4, atol=1e-4)


def test_left_and_right_hands_are_read_alike() -> None:
    hands = [x for _, x in HandSimulator(signers=1, samples_per_class=2).simulate_signer(0)]
    right = torch.from_numpy(np.stack([hand for hand in hands if hand.any()]))  # (N, 1, 63)
    left = right.clone()
    left[..., ::3] = 1 - left[..., ::3]  # x in shares of the image's width
    net = LetterNet().eval()
    torch.testing.assert_close(net(left), net(right), rtol=1e-3, atol=1e-4)


def test_two_hands_are_told_apart_and_one_may_be_absent() -> None:
    net = LetterNet(num_classes=5, num_hands=2, nothing=-1).eval()
    hands = torch.rand(4, 1, 126)
    hands[1, :, :63] = hands[2, :, 63:] = 0
    logits = net(hands)
    assert logits.shape == (4, 5) and logits.isfinite().all()
    assert not torch.allclose(net(torch.cat([hands[..., 63:], hands[..., :63]], -1)), logits)
    closer = hands.clone()
    closer[0, 0, 63::3] += 0.3  # the right hand is elsewhere
    assert not torch.allclose(net(closer)[0], logits[0])
    torch.testing.assert_close(net(closer)[1:], logits[1:])


def test_a_frame_without_a_hand_is_no_class_of_a_model_without_one() -> None:
    logits = LetterNet(num_classes=30, nothing=-1).eval()(torch.zeros(2, 1, 63))
    assert (logits == logits[0, 0]).all()


def test_an_absent_hand_is_the_class_nothing() -> None:
    net = LetterNet()
    zeros = torch.zeros(4, 1, 63, requires_grad=True)
    net.forward_members(zeros).sum().backward()
    assert zeros.grad is not None and zeros.grad.isfinite().all()
    assert net.eval()(torch.zeros(4, 1, 63)).argmax(1).tolist() == [27] * 4


def test_cnn_lstm_has_the_parameters_of_its_source() -> None:
    assert count_parameters(CNNLSTM()) == 721_044
    assert count_parameters(CNNLSTM(num_classes=10)) == 721_044 + 6 * 65


def test_cnn_lstm_pools_a_frame_to_1152_numbers_and_keeps_every_frame() -> None:
    net, x = CNNLSTM().eval(), torch.rand(2, 1, 32, 64, 96, requires_grad=True)
    cells = net._pool_to_grid(net.features(x))
    assert cells.shape == (2, 48, 32, 4, 6)
    logits = net(x)
    assert logits.shape == (2, 4)
    torch.testing.assert_close(logits[:1], net(x[:1]), rtol=1e-4, atol=1e-5)
    logits.sum().backward()
    assert x.grad is not None and (x.grad.abs().sum((0, 1, 3, 4)) > 0).all()


def test_channels_last_changes_the_order_in_memory_alone() -> None:
    """The memory format also survives loading weights."""
    net, other = CNNLSTM().eval(), CNNLSTM().eval()
    other.load_state_dict({k: v.contiguous() for k, v in net.state_dict().items()})
    kernel = other.features[1][0].weight
    assert kernel.is_contiguous(memory_format=torch.channels_last_3d)
    x = torch.rand(2, 1, 6, 32, 48)
    torch.testing.assert_close(net(x), other(x))
    plain = CNNLSTM(channels_last=False).eval()
    plain.load_state_dict(net.state_dict())
    assert plain.features[1][0].weight.is_contiguous()
    torch.testing.assert_close(net(x), plain(x), rtol=1e-4, atol=1e-5)


def test_lip_tcn_has_the_documented_parameters_and_does_not_depend_on_the_batch() -> None:
    net, x = LipTCN(5, num_members=2).eval(), torch.rand(3, 1, 12, 32, 48)
    torch.testing.assert_close(net(x)[:1], net(x[:1]), rtol=1e-4, atol=1e-4)
    assert count_parameters(LipTCN(4)) == 366_300
    assert count_parameters(LipTCN(4, num_members=3)) == 3 * 366_300
    assert count_parameters(LipTCN(4, num_outlines=2)) == 366_300 + 2 * 157_540


def test_outlines_do_not_see_what_stays_in_a_clip() -> None:
    net, x = LipTCN(5, num_members=0, num_outlines=1).eval(), torch.rand(2, 1, 12, 32, 48)
    torch.testing.assert_close(net(x.flip(-1)), net(x), rtol=1e-4, atol=1e-4)
    still = [net(frame.expand(2, 1, 12, 32, 48)) for frame in torch.rand(2, 2, 1, 1, 32, 48)]
    torch.testing.assert_close(*still, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(net(x), still[0])
    with torch.no_grad():
        larger = torch.nn.functional.interpolate(x[:, 0], scale_factor=2)[:, None]
        torch.testing.assert_close(net(larger), net(x), rtol=1e-4, atol=1e-4)


def test_lip_tcn_reads_a_mirrored_mouth_and_another_light_alike() -> None:
    net, x = LipTCN(5).eval(), torch.rand(3, 1, 12, 32, 48)
    torch.testing.assert_close(net(x.flip(-1)), net(x), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(net(0.3 + 0.5 * x), net(x), rtol=0.1, atol=0.1)
    assert net(torch.full((1, 1, 12, 32, 48), 0.4)).isfinite().all()  # one grey everywhere


@pytest.mark.parametrize(("frames", "size"), [(5, (32, 48)), (29, (44, 44)), (12, (16, 24))])
def test_lip_tcn_takes_other_lengths_and_sizes(frames: int, size: tuple[int, int]) -> None:
    x = torch.rand(2, 1, frames, *size, requires_grad=True)
    LipTCN(5, frames=frames).train()(x).square().sum().backward()
    assert x.grad is not None and (x.grad.abs().sum((0, 1, 3, 4)) > 0).all()  # every frame counts


def test_lip_tcn_exports() -> None:
    net = LipTCN(5).eval()
    shapes = ({0: torch.export.Dim("batch")},)
    program = torch.export.export(net, (torch.rand(2, 1, 12, 32, 48),), dynamic_shapes=shapes)
    x = torch.rand(3, 1, 12, 32, 48)
    torch.testing.assert_close(program.module()(x), net(x), rtol=1e-4, atol=1e-4)
