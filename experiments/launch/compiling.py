"""Compile the network of a run with ``torch.compile`` (compile=true)."""

from __future__ import annotations

import lightning as L
import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from modules.base import TaskModule


def compile_network(config: DictConfig, module: TaskModule, trainer: L.Trainer) -> None:
    """Compile the network in place where the configuration asks for it; weights keep their names.

    Raises:
        ValueError: if PyTorch cannot compile for the device of the trainer.
    """
    if config.compile:
        compile_for(module.net, config.compile, trainer.strategy.root_device)


def compile_for(net: nn.Module, mode: bool | str, device: torch.device) -> None:
    """Compile a network in place.

    A small function is compiled first, because a missing compiler would otherwise end the first
    step with a long traceback.

    Args:
        net: the network.
        mode: of ``torch.compile``; True for its default.
        device: that the network is used on.

    Raises:
        ValueError: if PyTorch cannot compile for the device.
    """
    options = {} if mode is True else {"mode": mode}
    try:
        torch.compile(_double)(torch.ones(2, device=device))
    except Exception as error:  # the back ends share no base class
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        compiler = "a C++ compiler, such as g++" if device.type == "cpu" else "Triton"
        setting = f"compile={'true' if mode is True else mode}"
        raise ValueError(
            f"{setting}: PyTorch cannot compile for {device.type} here ({reason}); expected "
            f"{compiler}. Install it, or set compile=null."
        ) from error
    net.compile(**options)


def _double(x: Tensor) -> Tensor:
    return 2 * x
