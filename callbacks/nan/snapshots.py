"""Copies of weights, buffers and optimizer state to return to after a bad step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor, nn
from torch.optim import Optimizer


class BufferBackup:
    """Copies of a module's saved buffers (running statistics) after the last good step.

    Args:
        module: its persistent buffers are copied, on their devices.
    """

    def __init__(self, module: nn.Module) -> None:
        state = module.state_dict(keep_vars=True).values()
        self.live = [tensor for tensor in state if not isinstance(tensor, nn.Parameter)]
        self.copies = [tensor.clone() for tensor in self.live]

    def save(self) -> None:
        """Copy the current buffers."""
        if self.live:
            torch._foreach_copy_(self.copies, self.live)

    def restore(self) -> None:
        """Set the buffers to the copies."""
        if self.live:
            torch._foreach_copy_(self.live, self.copies)

    def restore_if(self, is_bad: Tensor) -> None:
        """``restore`` where ``is_bad`` () is 1, ``save`` where it is 0, without a GPU sync."""
        for dtype in {tensor.dtype for tensor in self.live}:
            live = [tensor for tensor in self.live if tensor.dtype == dtype]
            copies = [tensor for tensor in self.copies if tensor.dtype == dtype]
            chosen = torch.where(is_bad > 0, _flatten(copies), _flatten(live))
            parts = chosen.split([tensor.numel() for tensor in live])
            shaped = [part.view_as(tensor) for part, tensor in zip(parts, live, strict=True)]
            torch._foreach_copy_(live, shaped)
            torch._foreach_copy_(copies, shaped)


def _flatten(tensors: list[Tensor]) -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


class Snapshot:
    """A copy of weights, buffers and optimizer state, on their devices.

    Args:
        modules: their weights and buffers are copied.
        optimizer: its state is copied, without learning rates.
        number: number of the step that follows, from 1.
    """

    def __init__(self, modules: Iterable[nn.Module], optimizer: Optimizer, number: int) -> None:
        self.number, self.optimizer = number, optimizer
        live = [t for module in modules for t in module.state_dict(keep_vars=True).values()]
        self.tensors = [(tensor, tensor.detach().clone()) for tensor in live]
        self.state = {p: _copy_state(state) for p, state in optimizer.state.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return numbers and tensors, in the order of modules and optimizer parameters."""
        parameters = _list_parameters(self.optimizer)
        return {
            "number": self.number,
            "tensors": [copy for _, copy in self.tensors],
            "state": {n: self.state[p] for n, p in enumerate(parameters) if p in self.state},
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the copies of another snapshot, on the devices of this one."""
        parameters = _list_parameters(self.optimizer)
        self.number = state_dict["number"]
        pairs = zip(self.tensors, state_dict["tensors"], strict=True)
        self.tensors = [(tensor, copy.to(tensor.device)) for (tensor, _), copy in pairs]
        states = state_dict["state"].items()
        self.state = {parameters[n]: _move_state(state, parameters[n]) for n, state in states}

    @torch.no_grad()
    def restore(self) -> None:
        """Set weights, buffers and optimizer state to the copies."""
        for tensor, copy in self.tensors:
            tensor.copy_(copy)
        self.optimizer.state.clear()
        self.optimizer.state.update({p: _copy_state(state) for p, state in self.state.items()})


def take_snapshot(trainer: L.Trainer) -> Snapshot:
    """Copy weights, averages of weights, buffers and optimizer state of a running training."""
    modules: list[nn.Module] = [trainer.lightning_module]
    for callback in trainer.callbacks:
        if isinstance(callback, WeightAveraging) and callback._average_model is not None:
            modules.append(callback._average_model)
    return Snapshot(modules, trainer.optimizers[0], trainer.global_step + 1)


def _list_parameters(optimizer: Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _move_state(state: dict[str, Any], parameter: Tensor) -> dict[str, Any]:
    """Move a parameter's optimizer state to its device, except step counts."""
    return {
        k: v.to(parameter.device) if isinstance(v, Tensor) and v.ndim else v
        for k, v in state.items()
    }


def _copy_state(state: dict[str, Any]) -> dict[str, Any]:
    return {k: v.clone() if isinstance(v, Tensor) else v for k, v in state.items()}
