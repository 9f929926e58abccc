"""Resolvers of the configuration: ``${name:…}`` in YAML."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from experiments.launch.monitor import metric_mode
from experiments.launch.resumed_run import find_run_folder
from experiments.launch.run_labels import run_group, run_id, run_name, run_tags

# One value per composed configuration.
FIXED = ("run_id", "run_folder", "run_name", "run_group", "run_tags")


def register_resolvers() -> None:
    """Register the resolvers; further calls change nothing."""
    for name, resolver in {
        "auto_precision": auto_precision,
        "full_or_tiny": full_or_tiny,
        "fused": fused,
        "metric_mode": metric_mode,
        "run_folder": run_folder,
        "run_group": run_group,
        "run_id": run_id,
        "run_name": run_name,
        "run_tags": run_tags,
        "wandb_offline": wandb_offline,
    }.items():
        OmegaConf.register_resolver(name, resolver, replace=True, use_cache=name in FIXED)


def auto_precision(
    accelerator: str = "auto", wanted: str | None = None, convolutions: bool = False
) -> str:
    """Return mixed precision for hardware that is faster with it, else 32-bit.

    ``wanted`` replaces the mixed precision of CUDA devices, which is by default ``bf16-mixed`` for
    compute capability 8.0 and up (float32's range, no loss scaling) and ``16-mixed`` for those
    with half-precision tensor cores (7.0 and up). CPUs with bfloat16 instructions use
    ``bf16-mixed`` if ``convolutions`` take most of the time.
    """
    import torch

    if accelerator not in ("auto", "gpu", "cuda") or not torch.cuda.is_available():
        return "bf16-mixed" if convolutions and _cpu_has_bf16() else "32-true"
    major, _ = torch.cuda.get_device_capability()
    if major < 7:
        return "32-true"
    return wanted or ("bf16-mixed" if major >= 8 else "16-mixed")


def _cpu_has_bf16() -> bool:
    """Return whether the processor has bfloat16 instructions; emulation is slower."""
    import torch

    known = getattr(torch.cpu, "get_capabilities", dict)()  # torch >= 2.10
    return bool(known.get("amx_bf16") or known.get("avx512_bf16"))


def fused(precision: str | int) -> bool:
    """Return whether an optimizer may be fused.

    In mixed precision a fused optimizer unscales gradients itself, too late for clipping.
    """
    return str(precision) in ("32", "32-true")


def full_or_tiny(full: Any, tiny: Any, *, _root_: DictConfig) -> Any:
    """Return ``full``, or ``tiny`` with ``size=tiny``."""
    return tiny if _root_.get("size") == "tiny" else full


def run_folder(task: str, resume: str | None = None) -> str:
    """Return the resumed folder, else a new one named by task and time."""
    now = datetime.now()
    return find_run_folder(resume) if resume else f"outputs/{task}/{now:%Y-%m-%d}_{now:%H-%M-%S}"


def wandb_offline() -> bool:
    """Return whether Weights & Biases has no login here, which it would ask for."""
    if os.environ.get("WANDB_API_KEY"):
        return False
    netrc = Path(os.environ.get("NETRC", Path.home() / ".netrc"))
    return not (netrc.exists() and "wandb" in netrc.read_text(errors="replace"))
