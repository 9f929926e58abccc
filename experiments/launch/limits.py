"""Limit the number of processes to the processor cores (oversubscribe=false)."""

from __future__ import annotations

from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf


def refuse_excess(key: str, wanted: Any, config: DictConfig) -> None:
    """Refuse ``key=wanted`` processes on fewer processor cores.

    Cores are those that this process may use: its affinity and its container's share count.

    Raises:
        ValueError: with a valid argument in its place.
    """
    if config.oversubscribe or not is_count(wanted) or int(wanted) <= 1:
        return
    from joblib import cpu_count

    cores = cpu_count()
    if int(wanted) <= cores:
        return
    plural = "" if cores == 1 else "s"
    raise ValueError(
        f"{key}={wanted} starts {int(wanted):,} processes, and {cores} processor core{plural} can "
        f"be used here; expected at most {cores}. Set {key}={cores}, or oversubscribe=true to "
        "allow more"
    )


def refuse_excess_devices(config: DictConfig) -> None:
    """Refuse training with more processes than processor cores."""
    accelerator = str(config.trainer.accelerator)
    if accelerator == "cpu" or (accelerator == "auto" and not torch.accelerator.is_available()):
        refuse_excess("trainer.devices", config.trainer.devices, config)
    workers = OmegaConf.select(config, "datamodule.num_workers")  # a task may do without this key
    refuse_excess("datamodule.num_workers", workers, config)


def is_count(value: Any) -> bool:
    """Return whether a value is a number of processes; ``auto`` and null are not."""
    try:
        return not isinstance(value, bool) and int(value) == float(value)
    except (TypeError, ValueError, OverflowError):
        return False
