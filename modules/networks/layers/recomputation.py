"""Gradient checkpointing: activations that are computed again instead of kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def forward_layer(
    layer: nn.Module,
    *inputs: Tensor,
    recompute: bool,
    compute: Callable[..., Any] | None = None,
) -> Any:
    """Return ``layer(*inputs)``, and keep fewer activations for the backward pass.

    Source: Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016. Loss, gradients and
    dropout stay the same, and the second pass does not count in the running statistics of batch
    normalisation.

    Args:
        layer: a layer or block of a network.
        inputs: of the layer.
        recompute: whether training computes the layer's activations again in the backward pass.
        compute: a method of the layer, in place of ``forward``.
    """
    run = layer if compute is None else compute
    if not (recompute and layer.training and torch.is_grad_enabled()):
        return run(*inputs)

    def make_contexts() -> tuple[AbstractContextManager, AbstractContextManager]:
        return nullcontext(), _buffers_restored(layer)  # of the first and of the second pass

    return checkpoint(run, *inputs, use_reentrant=False, context_fn=make_contexts)


@contextmanager
def _buffers_restored(net: nn.Module) -> Iterator[None]:
    originals = [(part, dict(part.named_buffers(recurse=False))) for part in net.modules()]
    for part, buffers in originals:
        for name, values in buffers.items():
            setattr(part, name, values.clone())
    try:
        yield
    finally:
        for part, buffers in originals:
            for name, values in buffers.items():
                setattr(part, name, values)
