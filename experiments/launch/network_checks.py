"""Checks of a network against the task and its frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from datamodules.base import PreparedDataModule
from experiments.launch.settings.signatures import find_class, list_arguments
from experiments.launch.settings.suggestions import list_choices
from modules.base import TaskModule
from unvoiced.validation import to_yaml


def require_arguments(
    net: dict[str, Any], module: dict[str, Any], data: PreparedDataModule
) -> None:
    """Refuse a network without an argument of the data, or settings that it sets.

    Raises:
        ValueError: with the network's class and the argument.
    """
    rules, takes_others = list_arguments(find_class(net["_target_"]))
    for group, settings in (("net", net), ("module", module)):
        for name in getattr(data, f"{group}_arguments"):
            if name in settings:
                value = to_yaml(settings[name])
                raise ValueError(f"{group}.{name}={value} has no effect: it follows from the data")
    for name in data.net_arguments:
        if name not in rules and not takes_others:
            raise ValueError(_explain(net["_target_"], data, f"it takes no {name}"))
    for name, value in net.items():
        is_filled = value is not None or name in data.net_defaults
        if name in rules and not is_filled and not rules[name].accepts(None):
            reason = f"net.{name}=null does not follow from these data"
            raise ValueError(_explain(net["_target_"], data, reason))


def require_fitting_frames(module: TaskModule, data: PreparedDataModule) -> None:
    """Refuse a network that cannot read a recording of the training set.

    Raises:
        ValueError: with the network's class and the frames.
    """
    if not len(data.indices.train):
        return
    batch = data.build_dataset(data.indices.train[:1])[np.arange(1)]
    batch["x"] = data.preprocess(batch["x"])
    module.eval()
    try:
        with torch.no_grad():
            _ = module(batch["x"], batch["length"]) if "text" in batch else _read(module, batch)
    except (RuntimeError, IndexError, TypeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(_explain(type(module.net).__name__, data, reason)) from error
    finally:
        module.train()


def _read(module: Any, batch: dict[str, Any]) -> torch.Tensor:
    return module(*module.network_inputs(batch))


def _explain(name: str, data: PreparedDataModule, reason: str) -> str:
    shape = " x ".join(map(str, data.prepared.meta["frame"]["shape"]))
    return (
        f"net: {name.rpartition('.')[2]} does not fit task={data.task} with frames of {shape} "
        f"({reason}). Choose another net=; choices: {', '.join(list_choices('net'))}"
    )
