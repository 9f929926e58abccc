"""Gradients are clipped as PyTorch does it."""

import pytest
import torch
from torch import nn

from modules.gradients import clip_to_norm, drop_gradients, list_trained, measure_norm


@pytest.mark.parametrize("limit", [0.1, 1e6])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_clipping_is_pytorchs(limit: float, kind: torch.dtype) -> None:
    torch.manual_seed(0)
    weights = [nn.Parameter(torch.zeros(size, dtype=kind)) for size in (3, 50, 2)]
    optimizer = torch.optim.SGD(weights, lr=0.1)
    expected = [torch.randn_like(weight) for weight in weights[:2]]
    for weight, gradient in zip(weights, expected, strict=False):  # the last has none
        weight.grad = gradient.clone()
    norm = measure_norm([weight.grad for weight in list_trained(optimizer)])
    assert torch.equal(norm, nn.utils.get_total_norm(expected))
    clip_to_norm(list_trained(optimizer), limit, norm)
    copies = [nn.Parameter(torch.zeros_like(gradient)) for gradient in expected]
    for copy, gradient in zip(copies, expected, strict=True):
        copy.grad = gradient
    nn.utils.clip_grads_with_norm_(copies, limit, norm)
    for weight, copy in zip(weights, copies, strict=False):
        assert torch.equal(weight.grad, copy.grad)
    drop_gradients(optimizer)
    assert list_trained(optimizer) == []
