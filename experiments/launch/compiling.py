"""Compile the network of a run with ``torch.compile`` (compile=true)."""

from __future__ import annotations

import lightning as L
import torch
from omegaconf import DictConfig
from torch import Tensor

from modules.base import TaskModule


def compile_network(config: DictConfig, module: TaskModule, trainer: L.Trainer) -> None:
    """Compile the network in place where the configuration asks for it; weights keep their names.

    A small function is compiled first, because a missing compiler would otherwise end the first
    step with a long traceback.

    Raises:
        ValueError: if PyTorch cannot compile for the device of the trainer.
    """
    if not config.compile:
        return
    device = trainer.strategy.root_device
    try:
        torch.compile(_double)(torch.ones(2, device=device))
    except Exception as error:  # the back ends share no base class
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        compiler = "a C++ compiler, such as g++" if device.type == "cpu" else "Triton"
        raise ValueError(
            f"compile=true: PyTorch cannot compile for {device.type} here ({reason}); expected "
            f"{compiler}. Install it, or set compile=false."
        ) from error
    module.net.compile()


def _double(x: Tensor) -> Tensor:
    return 2 * x
