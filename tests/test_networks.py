"""Networks: the counts that the documents give, shapes, gradients."""

import pytest
import torch

from modules.networks.landmark_gru import LandmarkGRU


def count(net: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def test_landmark_gru_counts_what_the_document_counts() -> None:
    assert count(LandmarkGRU()) == 210_077


@pytest.mark.parametrize("frames", [1, 7])
def test_landmark_gru_takes_sequences(frames: int) -> None:
    net = LandmarkGRU().eval()
    x = torch.randn(5, frames, 63)
    assert net(x).shape == (5, 29)
    torch.testing.assert_close(net(x)[:1], net(x[:1]))


def test_landmark_gru_looks_at_every_frame() -> None:
    net, x = LandmarkGRU().eval(), torch.randn(1, 4, 63, requires_grad=True)
    net(x).sum().backward()
    assert x.grad is not None
    assert (x.grad.abs().sum((0, 2)) > 0).all()
