"""Optimizer steps that change nothing, and learning rates lowered for the rest of a run."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch.optim import Optimizer


def lower_learning_rates(optimizer: Optimizer, schedulers: Iterable[Any], factor: float) -> None:
    """Multiply the current learning rates and all scheduled ones by ``factor``.

    Schedulers compute them from values in the optimizer's groups and in their own lists. Both
    are saved in checkpoints.
    """
    for group in optimizer.param_groups:
        for name in ("lr", "initial_lr", "max_lr", "min_lr"):
            if name in group:
                group[name] = group[name] * factor
    for scheduler in schedulers:
        _lower_schedule(scheduler, factor)


def _lower_schedule(scheduler: Any, factor: float) -> None:
    for name in ("base_lrs", "max_lrs", "min_lrs", "_last_lr"):
        if hasattr(scheduler, name):
            setattr(scheduler, name, [rate * factor for rate in getattr(scheduler, name)])
    if hasattr(scheduler, "eta_min"):
        scheduler.eta_min *= factor
    for part in getattr(scheduler, "_schedulers", ()):
        _lower_schedule(part, factor)


def discard_gradients(optimizer: Optimizer, scaler: Any) -> None:
    """Make the next optimizer step change nothing: leave no parameter with a gradient.

    If the optimizer itself unscales, the scaler requires gradients: these become NaN, so that it
    skips the step.
    """
    is_unscaling = scaler is not None and getattr(optimizer, "_step_supports_amp_scaling", False)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if is_unscaling and parameter.grad is not None:
                parameter.grad.fill_(math.nan)
            else:
                parameter.grad = None


def can_skip_on_device(optimizer: Optimizer, scaler: Any) -> bool:
    """Return whether the optimizer reads ``found_inf`` on the device; make Adam and AdamW do so.

    Fused kernels read it and leave the weights as they are where it is 1.
    """
    if scaler is not None and getattr(optimizer, "_step_supports_amp_scaling", False):
        return False  # the scaler would overwrite it
    if isinstance(optimizer, torch.optim.Adam):
        _use_fused_kernel(optimizer)
    return all(group.get("fused") for group in optimizer.param_groups)


def _use_fused_kernel(optimizer: Optimizer) -> None:
    """Switch Adam or AdamW to its fused kernel from the next step on."""
    for group in optimizer.param_groups:
        if group["fused"] or group["differentiable"] or group["capturable"]:
            continue
        group["fused"], group["foreach"] = True, False
        for parameter in group["params"]:
            state = optimizer.state.get(parameter, {})
            if "step" in state:
                state["step"] = torch.as_tensor(state["step"]).float().to(parameter.device)
