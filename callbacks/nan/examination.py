"""Examine a batch: loss, gradients, and the first layer with a non-finite output."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from modules.base import Batch, TaskModule


class RandomStates(NamedTuple):
    """Random states before a step: of torch's generator, and of the GPU's if there is one.

    It is a named tuple because one is created at every step.
    """

    cpu: Tensor
    cuda: Tensor | None = None

    def restore(self) -> None:
        """Set the generators to these states."""
        torch.set_rng_state(self.cpu)
        if self.cuda is not None and torch.cuda.is_available():
            torch.cuda.set_rng_state(self.cuda)


@dataclass(frozen=True)
class Examination:
    """Result of a forward and a backward pass.

    Attributes:
        loss: of the batch.
        first_layer: the first layer with a non-finite output; empty if there is none.
        gradient_norms: by the name of the layer, of each layer with parameters.
    """

    loss: float
    first_layer: str
    gradient_norms: dict[str, float]


def examine_batch(
    module: TaskModule, batch: Batch, random: RandomStates, precision: AbstractContextManager
) -> Examination:
    """Run a batch forward and backward; leave the module as it was.

    Args:
        module: in the mode, training or evaluation, to run it in.
        batch: as the network takes it, on the module's device.
        random: states before the forward pass, so that dropout draws the same again.
        precision: context of the forward pass, such as autocast.
    """
    layers: list[str] = []
    with _unchanged(module), torch.enable_grad(), _noting_non_finite_layers(module, layers):
        random.restore()
        with precision:
            loss = module.forward_and_loss(batch)[1]
        loss.backward()
        norms = measure_gradient_norms(module)
    return Examination(loss.item(), layers[0] if layers else "", norms)


def measure_gradient_norms(module: nn.Module) -> dict[str, float]:
    """Return the gradient norm of each layer that has a gradient, by the layer's name."""
    layers: dict[str, list[Tensor]] = {}
    for name, parameter in module.named_parameters():
        if parameter.grad is not None:
            layers.setdefault(name.rpartition(".")[0], []).append(parameter.grad)
    return {name: nn.utils.get_total_norm(grads).item() for name, grads in layers.items()}


def find_non_finite_weights(module: nn.Module) -> list[str]:
    """Return the names of weights and saved buffers that contain a NaN or an infinity."""
    state = module.state_dict()
    return [name for name, tensor in state.items() if not bool(torch.isfinite(tensor).all())]


def find_non_finite_inputs(samples: list[dict[str, Any]], batch: Batch) -> list[str]:
    """Return the ids of the ``samples`` (B,) with a NaN or an infinity in their input."""
    is_bad = ~torch.isfinite(batch["x"]).flatten(1).all(1)  # (B,)
    indices = torch.nonzero(is_bad).flatten().tolist()
    return list(dict.fromkeys(samples[index]["id"] for index in indices))  # no duplicates


@contextmanager
def _unchanged(module: nn.Module) -> Iterator[None]:
    """Restore gradients, buffers and random states at the end of the ``with`` block."""
    grads = [(parameter, parameter.grad) for parameter in module.parameters()]
    buffers = [(buffer, buffer.clone()) for buffer in module.buffers()]
    devices = {parameter.device for parameter, _ in grads if parameter.device.type == "cuda"}
    for parameter, _ in grads:
        parameter.grad = None
    try:
        with torch.random.fork_rng(list(devices)):
            yield
    finally:
        for parameter, grad in grads:
            parameter.grad = grad
        for buffer, copy in buffers:
            buffer.copy_(copy)


@contextmanager
def _noting_non_finite_layers(module: nn.Module, layers: list[str]) -> Iterator[None]:
    """Append the names of layers with a non-finite output to ``layers``, inner ones first."""

    def check_output(name: str, output: Any) -> None:
        if not all(bool(torch.isfinite(tensor).all()) for tensor in _list_floats(output)):
            layers.append(name)

    hooks = [
        layer.register_forward_hook(lambda _, __, output, name=name: check_output(name, output))
        for name, layer in module.named_modules()
        if name
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _list_floats(output: Any) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        if output.is_floating_point():
            yield output
    elif isinstance(output, dict):
        yield from _list_floats(list(output.values()))
    elif isinstance(output, list | tuple):  # a packed sequence is a tuple too
        for part in output:
            yield from _list_floats(part)
