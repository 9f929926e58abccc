"""Norm, clipping and removal of gradients, with few operations where they lie on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


def list_trained(optimizer: Optimizer) -> list[Tensor]:
    """Return the parameters of an optimizer that have a gradient."""
    groups = optimizer.param_groups
    return [p for group in groups for p in group["params"] if p.grad is not None]


def measure_norm(gradients: list[Tensor]) -> Tensor:
    """Return the norm () of all gradients together, as ``nn.utils.get_total_norm`` does."""
    if not gradients or not are_plain(gradients):
        return nn.utils.get_total_norm(gradients)
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients, 2.0)))


def are_plain(gradients: list[Tensor]) -> bool:
    """Return whether all are 32-bit tensors on a CPU, which need no grouping."""
    return all(type(g) is Tensor and g.is_cpu and g.dtype is torch.float32 for g in gradients)


def clip_to_norm(trained: list[Tensor], limit: float, norm: Tensor) -> None:
    """Scale gradients in place to a norm of at most ``limit``; they have the norm ``norm`` ().

    On a CPU, gradients below the limit are left alone, which multiplication by 1 also does.
    """
    gradients = [p.grad for p in trained if p.grad is not None]
    if not are_plain(gradients):
        nn.utils.clip_grads_with_norm_(trained, limit, norm)
        return
    factor = (limit / (norm + 1e-6)).item()
    if not factor >= 1:
        torch._foreach_mul_(gradients, factor)


def drop_gradients(optimizer: Optimizer) -> None:
    """Drop all gradients as ``Optimizer.zero_grad`` does, without its profiler's record."""
    if type(optimizer).zero_grad is not Optimizer.zero_grad:
        optimizer.zero_grad()
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None
