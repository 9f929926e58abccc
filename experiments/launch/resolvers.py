"""The few values that a configuration works out for itself: ``${name:…}`` in YAML."""

from __future__ import annotations

import os
import re
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from experiments.launch.monitor import metric_mode
from experiments.launch.plain_yaml import read_plain_yaml

FIXED = ("run_id", "run_folder")  # one value per composed configuration
RUN_ID = re.compile(r"[\w-]{1,64}", re.ASCII)


def register_resolvers() -> None:
    """Make the resolvers known; calling it again changes nothing."""
    for name, resolver in {
        "auto_precision": auto_precision,
        "full_or_tiny": full_or_tiny,
        "fused": fused,
        "metric_mode": metric_mode,
        "run_folder": run_folder,
        "run_id": run_id,
        "wandb_offline": wandb_offline,
    }.items():
        OmegaConf.register_resolver(name, resolver, replace=True, use_cache=name in FIXED)


def auto_precision(
    accelerator: str = "auto", wanted: str | None = None, convolutions: bool = False
) -> str:
    """Mixed precision where the hardware is faster with it, 32-bit elsewhere.

    On such hardware ``wanted`` goes before the choice that is made otherwise:

    ``bf16-mixed`` on CUDA devices of compute capability 8.0 and up (float32's range, no loss
    scaling), ``16-mixed`` on those with half-precision tensor cores (7.0 and up), and, where
    ``convolutions`` take most of the time, ``bf16-mixed`` on CPUs with instructions for it.
    """
    import torch

    if accelerator not in ("auto", "gpu", "cuda") or not torch.cuda.is_available():
        return "bf16-mixed" if convolutions and _cpu_has_bf16() else "32-true"
    major, _ = torch.cuda.get_device_capability()
    if major < 7:
        return "32-true"
    return wanted or ("bf16-mixed" if major >= 8 else "16-mixed")


def _cpu_has_bf16() -> bool:
    """Whether the processor multiplies bfloat16 itself; where it is emulated, it is slower."""
    import torch

    known = getattr(torch.cpu, "get_capabilities", dict)()  # torch >= 2.10
    return bool(known.get("amx_bf16") or known.get("avx512_bf16"))


def fused(precision: str | int) -> bool:
    """Whether an optimizer may be fused: in mixed precision it unscales gradients by itself, and
    they could not be clipped before."""
    return str(precision) in ("32", "32-true")


def full_or_tiny(full: Any, tiny: Any, *, _root_: DictConfig) -> Any:
    """``full``, or ``tiny`` in a smoke run (``size=tiny``)."""
    return tiny if _root_.get("size") == "tiny" else full


def run_folder(task: str, resume: str | None = None) -> str:
    """Where a run writes: the folder that it resumes, else a new one named by task and time."""
    now = datetime.now()
    return resume or f"outputs/{task}/{now:%Y-%m-%d}_{now:%H-%M-%S}"


def run_id(resume: str | None = None) -> str:
    """The name by which loggers know the run; a resumed run keeps it."""
    saved = Path(resume, "config.yaml") if resume else None
    content = read_plain_yaml(saved) if saved and saved.exists() else None
    known = str(content.get("run_id", "")) if isinstance(content, dict) else ""
    return known if RUN_ID.fullmatch(known) else uuid.uuid4().hex[:8]


def wandb_offline() -> bool:
    """Whether Weights & Biases has no login on this machine (then it must not ask for one)."""
    if os.environ.get("WANDB_API_KEY"):
        return False
    netrc = Path(os.environ.get("NETRC", Path.home() / ".netrc"))
    return not (netrc.exists() and "wandb" in netrc.read_text(errors="replace"))
