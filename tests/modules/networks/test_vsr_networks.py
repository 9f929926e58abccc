"""Word networks: sizes, shapes, word masks, gradient checkpointing, brightness, learning."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from torch import Tensor, nn

from experiments.launch.instantiate import instantiate
from modules.networks.layers.clips import normalize_brightness
from modules.networks.layers.front_ends import ConvStem
from modules.networks.layers.temporal import TemporalBlock, weighted_time_mean
from modules.networks.resnet_bilstm import ResNetBiLSTM
from modules.networks.resnet_tcn import ResNetTCN
from modules.networks.word_tcn import WordTCN
from tests.helpers.emg_networks import count_parameters
from tests.helpers.paths import ROOT

DOCUMENT = 33_219_694  # parameters for 100 classes
SMALL = {
    ResNetBiLSTM: {"embedding_dim": 16, "hidden_size": 8, "num_layers": 2, "num_heads": 2},
    ResNetTCN: {"embedding_dim": 16, "hidden_size": 12, "num_layers": 2},
    WordTCN: {"embedding_dim": 12},
}
every = pytest.mark.parametrize("kind", SMALL)
large = pytest.mark.parametrize("kind", [ResNetBiLSTM, ResNetTCN])


def make_network(kind: type, **more) -> nn.Module:
    torch.manual_seed(0)
    return kind(5, **{**SMALL[kind], **more})


def make_clips(count: int = 3, frames: int = 6, height: int = 24, width: int = 32) -> Tensor:
    return torch.rand((count, 1, frames, height, width), generator=torch.Generator().manual_seed(1))


def make_middle_mask(x: Tensor) -> Tensor:
    """A word mask (B, T): the first third of the frames is context."""
    inside = torch.arange(x.shape[2]) >= x.shape[2] // 3
    return inside.float().expand(len(x), -1)


def test_resnet_bilstm_has_nearly_the_parameters_of_its_source() -> None:
    net = ResNetBiLSTM()
    assert count_parameters(net) == 33_287_460
    assert abs(count_parameters(net) / DOCUMENT - 1) < 0.0021
    assert count_parameters(net.lstm) == 16_801_792
    assert count_parameters(net.trunk) == 15_808 + 11_166_976
    assert (
        count_parameters(net.attention),
        count_parameters(net.pool),
        count_parameters(net.head),
    ) == (4_200_448, 525_312, 577_124)
    assert (net.lstm.input_size, net.lstm.num_layers, net.lstm.bidirectional) == (512, 3, True)


def test_attention_to_places_has_the_parameters_of_the_source() -> None:
    with torch.device("meta"):
        net = ResNetBiLSTM(frame_encoder="cbam")
    assert count_parameters(net) == DOCUMENT
    assert count_parameters(net.trunk) == 3_328 + 11_166_976 + 174_472 + 32_897
    assert count_parameters(net.pool) == 262_657
    with pytest.raises(ValueError, match="expected resnet or cbam"):
        ResNetBiLSTM(frame_encoder="vit")


@pytest.mark.parametrize("checkpointing", [False, True])
def test_frames_with_attention_are_independent(checkpointing: bool) -> None:
    net = make_network(ResNetBiLSTM, frame_encoder="cbam", checkpointing=checkpointing)
    x = make_clips()
    F.cross_entropy(net(x), torch.arange(3)).backward()
    unused = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert not unused
    net.eval()
    clips = normalize_brightness(x)
    torch.testing.assert_close(net.trunk(clips)[:, 2:4], net.trunk(clips[:, 2:4]))


def test_a_boundary_adds_one_input_to_the_lstm() -> None:
    with torch.device("meta"):  # counted alone
        assert (
            count_parameters(ResNetBiLSTM(use_word_mask=True)) - count_parameters(ResNetBiLSTM())
            == 2 * 4 * 512
        )


def test_resnet_tcn_has_the_documented_parameters() -> None:
    with torch.device("meta"):
        net = ResNetTCN()
        assert f"{count_parameters(net):,} parameters for 100 classes" in " ".join(
            str(net.__doc__).split()
        )
        assert count_parameters(ResNetTCN(use_word_mask=True)) - count_parameters(net) == 768


def test_word_tcn_has_the_documented_parameters() -> None:
    assert count_parameters(WordTCN()) == 728_652
    assert count_parameters(WordTCN(num_members=2)) == 2 * 728_652
    assert count_parameters(WordTCN(use_word_mask=True)) == 728_652 + 144
    assert count_parameters(WordTCN(500)) == 728_652 + 400 * 145


@pytest.mark.parametrize("name", ["resnet_bilstm", "resnet_tcn", "word_tcn"])
def test_configuration_and_class_have_the_same_defaults(name: str) -> None:
    path = ROOT / "conf" / "net" / f"{name}.yaml"
    with torch.device("meta"):  # the data says what the configuration leaves open
        made = instantiate(OmegaConf.load(path), num_classes=100, use_word_mask=False)
        plain = type(made)()
    assert str(made) == str(plain)
    for option in ("takes_word_mask", "checkpointing", "mirror"):
        assert getattr(made, option, None) == getattr(plain, option, None)


@every
@settings(max_examples=8)
@given(
    batch=st.integers(1, 3),
    frames=st.integers(1, 5),
    height=st.integers(24, 37),
    width=st.integers(24, 37),
    is_masked=st.booleans(),
)
def test_any_clip_from_one_frame_of_24_pixels_is_read(
    kind: type, batch: int, frames: int, height: int, width: int, is_masked: bool
) -> None:
    net, x = (
        make_network(kind, use_word_mask=is_masked),
        make_clips(batch, frames, height, width).requires_grad_(),
    )
    net.train(batch * frames > 1)
    logits = net(x, make_middle_mask(x) if is_masked else None)
    assert logits.shape == (batch, 5) and logits.isfinite().all()
    logits.square().sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())


@every
def test_every_frame_and_parameter_counts(kind: type) -> None:
    net, x = make_network(kind, use_word_mask=True, dropout=0.0), make_clips().requires_grad_()
    weights = torch.randn(5, generator=torch.Generator().manual_seed(2))
    (net(x, make_middle_mask(x)) @ weights).square().sum().backward()
    assert x.grad is not None and (x.grad.abs().sum((1, 3, 4)) > 0).all()
    unused = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert unused == []


@every
@pytest.mark.parametrize(
    ("shape", "result"),
    [
        ((2, 1, 4, 23, 24), "23, 24"),
        ((2, 1, 4, 24, 20), "24, 20"),
        ((2, 1, 0, 24, 24), "1, 0, 24"),
        ((2, 3, 4, 24, 24), "2, 3, 4"),
        ((2, 4, 24, 24), "2, 4, 24"),
    ],
    ids=["low", "narrow", "no frames", "colours", "no channel"],
)
def test_inputs_that_are_not_clips_are_refused(
    kind: type, shape: tuple[int, ...], result: str
) -> None:
    with pytest.raises(ValueError, match=f"{result}.*H, W from 24"):
        make_network(kind)(torch.rand(shape))


@every
def test_a_word_mask_of_another_length_is_refused(kind: type) -> None:
    with pytest.raises(ValueError, match=r"word mask of shape \(3, 5\).*\(3, 6\)"):
        make_network(kind, use_word_mask=True)(make_clips(), torch.ones(3, 5))


@every
def test_one_frame_alone_is_read_but_not_trained_on(kind: type) -> None:
    net, x = make_network(kind), make_clips(1, 1)
    assert net.eval()(x).isfinite().all()
    with pytest.raises(ValueError, match="batch normalisation needs two"):
        net.train()(x)


def test_sizes_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="net.embedding_dim=20.*multiple of 8"):
        ResNetBiLSTM(5, embedding_dim=20)
    with pytest.raises(ValueError, match="num_heads"):
        ResNetBiLSTM(5, embedding_dim=8, hidden_size=8, num_heads=3)
    with pytest.raises(ValueError, match="net.embedding_dim=16.*multiple of 3"):
        WordTCN(5, embedding_dim=16)
    with pytest.raises(ValueError, match="net.hidden_size=8.*multiple of 3"):
        ResNetTCN(5, hidden_size=8)


@every
def test_a_boundary_matters_when_it_is_used(kind: type) -> None:
    net, x = make_network(kind, use_word_mask=True).eval(), make_clips()
    everywhere = net(x, torch.ones(3, 6))
    torch.testing.assert_close(net(x), everywhere)  # none given: all is the word
    assert (net(x, make_middle_mask(x)) - everywhere).abs().max() > 1e-4
    assert net(x, torch.zeros(3, 6)).isfinite().all()


@every
def test_a_boundary_is_ignored_when_it_is_not_used(kind: type) -> None:
    net, x = make_network(kind).eval(), make_clips()
    assert torch.equal(net(x, make_middle_mask(x)), net(x))


def test_a_mean_over_the_word_leaves_out_the_rest() -> None:
    x = torch.randn(2, 3, 5)
    weights = torch.tensor([[0.0, 1, 1, 0, 0], [0, 0, 0, 0, 0]])
    mean = weighted_time_mean(x, weights)
    torch.testing.assert_close(mean[0], x[0, :, 1:3].mean(1))
    torch.testing.assert_close(mean[1], x[1].mean(1))  # no word is marked: all counts alike


@every
def test_a_result_does_not_depend_on_the_batch_around_it(kind: type) -> None:
    net, x = make_network(kind, use_word_mask=True).eval(), make_clips(4)
    alone = torch.cat([net(x[k : k + 1], make_middle_mask(x)[k : k + 1]) for k in range(4)])
    torch.testing.assert_close(net(x, make_middle_mask(x)), alone, rtol=1e-4, atol=1e-5)


@every
def test_brightness_is_normalized(kind: type) -> None:
    net, x = make_network(kind).eval(), make_clips()
    torch.testing.assert_close(net(x + 0.3), net(x), rtol=1e-3, atol=1e-4)  # brightness: exactly
    torch.testing.assert_close(net(0.3 + 0.5 * x), net(x), rtol=0.1, atol=0.1)  # contrast: nearly
    light = normalize_brightness(x)
    torch.testing.assert_close(light.mean((1, 2, 3)), torch.zeros(3), rtol=0, atol=1e-5)
    assert net(torch.full((1, 1, 4, 24, 24), 0.4)).isfinite().all()  # one grey everywhere


def test_the_front_end_is_a_convolution_in_three_dimensions() -> None:
    front, x = ConvStem(4, torch.channels_last).eval(), make_clips()[:, 0]
    kernels = front.conv.weight[:, None]  # (maps, 5, 7, 7) → (maps, 1, SPAN, 7, 7)
    maps = F.conv3d(x[:, None], kernels, stride=(1, 2, 2), padding=(2, 3, 3))
    assert kernels.shape == (4, 1, 5, 7, 7)
    maps = F.relu(front.norm(maps.transpose(1, 2).flatten(0, 1)))  # (B, C, T, ..) → (B * T, C, ..)
    torch.testing.assert_close(front(x), F.max_pool2d(maps, 3, 2, 1), rtol=1e-4, atol=1e-5)


def test_channels_last_changes_the_order_in_memory_alone() -> None:
    net, plain = (
        make_network(ResNetBiLSTM).eval(),
        make_network(ResNetBiLSTM, channels_last=False).eval(),
    )
    kernel, other = net.trunk[3].layers[0].weight, plain.trunk[3].layers[0].weight
    assert kernel.is_contiguous(memory_format=torch.channels_last) and other.is_contiguous()
    torch.testing.assert_close(net(make_clips()), plain(make_clips()), rtol=1e-4, atol=1e-5)


def learn_step(net: nn.Module) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """Return the loss of one training step, its gradients, and the statistics after it."""
    torch.manual_seed(3)  # dropout
    x = make_clips()
    loss = F.cross_entropy(net(x, make_middle_mask(x)), torch.tensor([0, 1, 2]))
    loss.backward()
    gradients = {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
    return loss.detach(), gradients, dict(net.named_buffers())


@large
def test_checkpointing_changes_neither_loss_nor_gradients_nor_statistics(kind: type) -> None:
    plain = make_network(kind, use_word_mask=True)
    net = copy.deepcopy(plain)
    net.trunk.checkpointing = True
    before = {name: x.clone() for name, x in net.named_buffers()}
    (loss, gradients, after), (loss_plain, gradients_plain, after_plain) = map(
        learn_step, (net, plain)
    )
    torch.testing.assert_close(loss, loss_plain, rtol=0, atol=0)
    assert len(gradients) == len(list(net.parameters()))
    torch.testing.assert_close(gradients, gradients_plain, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(after, after_plain, rtol=0, atol=0)
    assert all((after[name] != before[name]).any() for name in before)
    assert net.state_dict().keys() == plain.state_dict().keys()


def count_saved(net: nn.Module) -> int:
    """Return the number of values saved for the backward pass."""
    held: dict[int, int] = {}

    def note(x: Tensor) -> Tensor:
        held[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes() // x.element_size()
        return x

    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
        vectors = net.trunk(make_clips(2, 4)[:, 0])
    assert vectors.requires_grad
    return sum(held.values())


@large
def test_checkpointing_keeps_less(kind: type) -> None:
    plain, net = make_network(kind), make_network(kind, checkpointing=True)
    assert count_saved(net) < count_saved(plain) / 2
    assert count_saved(net.eval()) == count_saved(plain.eval())  # in training alone


def test_members_of_word_tcn_differ() -> None:
    net, x = make_network(WordTCN, num_members=2, use_word_mask=True).eval(), make_clips()
    first, second = net.forward_members(x, make_middle_mask(x))
    assert not torch.equal(first, second)


def test_word_tcn_reads_a_mirrored_mouth_alike() -> None:
    net, x = make_network(WordTCN).eval(), make_clips()
    torch.testing.assert_close(net(x.flip(-1)), net(x), rtol=1e-4, atol=1e-5)
    net.mirror = False
    assert (net(x.flip(-1)) - net(x)).abs().max() > 1e-3


def test_the_receptive_field_is_37_frames() -> None:
    torch.manual_seed(0)
    blocks = nn.Sequential(TemporalBlock(6, 1, 0.0), TemporalBlock(6, 2, 0.0)).eval()
    x = torch.randn(1, 6, 60, requires_grad=True)
    blocks(x)[0, :, 30].sum().backward()
    assert x.grad is not None
    seen = x.grad[0].abs().sum(0).nonzero()[:, 0]
    assert seen.min() >= 12 and seen.max() <= 48 and seen.max() - seen.min() > 28


@every
def test_the_order_of_the_frames_counts(kind: type) -> None:
    net, x = make_network(kind).eval(), make_clips()
    assert (net(x.flip(2)) - net(x)).abs().max() > 1e-4


@every
def test_bfloat16_gives_nearly_the_same_logits(kind: type) -> None:
    net, x = make_network(kind, use_word_mask=True, dropout=0.0), make_clips()
    expected = net.eval()(x, make_middle_mask(x))
    with torch.autocast("cpu", torch.bfloat16):
        logits = net(x, make_middle_mask(x))
        loss = net.train()(x, make_middle_mask(x)).float().square().mean()
    torch.testing.assert_close(logits.float(), expected, rtol=0.1, atol=0.05)
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.long
@every
def test_networks_export(kind: type) -> None:
    """torch.export with a dynamic batch size, on which ONNX export builds."""
    net, batch = make_network(kind, use_word_mask=True).eval(), torch.export.Dim("batch")
    arguments = (make_clips(2), make_middle_mask(make_clips(2)))
    program = torch.export.export(net, arguments, dynamic_shapes=({0: batch}, {0: batch}))
    x = make_clips(3)
    torch.testing.assert_close(
        program.module()(x, make_middle_mask(x)), net(x, make_middle_mask(x)), rtol=1e-4, atol=1e-5
    )


def test_word_tcn_overfits_eight_clips() -> None:
    torch.manual_seed(0)
    net, x, y = WordTCN(8, embedding_dim=48, dropout=0.0), make_clips(8, 6), torch.arange(8)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    for _ in range(12):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    assert (net(x).argmax(1) == y).all()
