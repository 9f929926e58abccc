"""Resolvers of the configuration: ``${name:…}`` in YAML."""

from __future__ import annotations

import os
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from experiments.launch.monitor import metric_mode
from experiments.launch.resumed_run import find_run_folder
from experiments.launch.run_labels import run_group, run_id, run_name, run_tags

# Files of GPUs that PyTorch's CUDA interface may use: NVIDIA, Jetson, AMD, Windows's Linux.
GPU_DEVICES = ("nvidia*", "nvhost*", "nvgpu*", "nvmap", "kfd", "dxg")
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
    if accelerator not in ("auto", "gpu", "cuda") or not _has_cuda():
        return "bf16-mixed" if convolutions and _cpu_has_bf16() else "32-true"
    import torch

    major, _ = torch.cuda.get_device_capability()
    if major < 7:
        return "32-true"
    return wanted or ("bf16-mixed" if major >= 8 else "16-mixed")


def _has_cuda() -> bool:
    """Return whether PyTorch finds a CUDA device.

    Importing PyTorch takes a second; Linux without any device file of a GPU needs no answer of it.
    """
    is_linux = sys.platform == "linux" and "torch" not in sys.modules
    if is_linux and not any(any(Path("/dev").glob(name)) for name in GPU_DEVICES):
        return False
    import torch

    return torch.cuda.is_available()


def _cpu_has_bf16() -> bool:
    """Return whether the processor has bfloat16 instructions; emulation is slower."""
    cpu_info = Path("/proc/cpuinfo")
    if "torch" not in sys.modules and cpu_info.is_file():
        flags = re.search(r"^flags\s*:(.*)$", cpu_info.read_text(encoding="utf-8"), re.M)
        return flags is not None and not {"amx_bf16", "avx512_bf16"}.isdisjoint(flags[1].split())
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
