"""stage=replay: the batch that was not a number, forward and backward once more.

The file that callbacks.nan.guard left is read as a checkpoint is: it may come from a stranger.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor

from callbacks.nan.examination import (
    RandomStates,
    examine_batch,
    find_non_finite_inputs,
    find_non_finite_weights,
)
from callbacks.nan.post_mortem import describe_origin
from experiments.checkpoints.load import load_checkpoint, read_checkpoint
from experiments.checkpoints.post_mortems import batch_errors, check_post_mortem
from experiments.launch.console import quiet, tell

SHOWN_SAMPLES = 5
AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def run(config: DictConfig) -> float:
    """Tell loss, gradient norms and the first layer that is not finite; returns the loss.

    The network is in training mode, with the weights of ``ckpt_path``, or else with those in the
    file, and dropout draws what it drew.

    Raises:
        ValueError: no input, no post-mortem in it, or one without weights and no checkpoint.
    """
    quiet()
    path = find_post_mortem(config.input)
    content = _read(path, config.ckpt_path)
    facts = content["facts"]
    module = load_checkpoint(config.ckpt_path or path, facts["task"])
    device = _device(config, content)
    module.to(device).train()
    batch = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in content["batch"].items()}
    random = RandomStates(**content["random"])
    with batch_errors(f"input={path}"):
        found = examine_batch(module, batch, random, _precision(facts["precision"], device))
    told = facts | {
        "loss": found.loss,
        "first_layer": found.first_layer,
        "gradient_norms": found.gradient_norms,
        "weights_not_finite": find_non_finite_weights(module),
        "input_not_finite": find_non_finite_inputs(facts["samples"], batch),
    }
    tell(f"{path}: epoch {facts['epoch']}, step {facts['step']:,}, task {facts['task']}")
    tell(f"Weights: {config.ckpt_path or 'those in the file'}; precision {facts['precision']}\n")
    _tell(facts, told)
    return found.loss


def _read(path: Path, ckpt_path: str | None) -> dict[str, Any]:
    """The content of a post-mortem, for which there are weights."""
    content = read_checkpoint(path)
    if "facts" not in content:
        raise ValueError(f"input={path} is no post-mortem: name a run folder or its nan/step_*.pt")
    check_post_mortem(content, f"input={path}")
    facts = content["facts"]
    if not (ckpt_path or content["state_dict"]):
        raise ValueError(
            f"input={path} was written without weights, which are too large: give some with "
            f"ckpt_path=<a checkpoint of task {facts['task']}>"
        )
    return content


def find_post_mortem(given: Any) -> Path:
    """The .pt that ``input`` names: itself, or the last one of a run folder.

    Raises:
        ValueError: there is none.
    """
    if not given:
        raise ValueError("stage=replay needs input=<a run folder, or its nan/step_*.pt>")
    path = Path(str(given))
    if path.is_file():
        return path
    found = [*path.glob("nan/step_*.pt"), *path.glob("step_*.pt")]
    found = [file for file in found if file.stem.removeprefix("step_").isdecimal()]
    if not found:
        raise ValueError(
            f"input={path} holds no nan/step_*.pt: no step of that run was found not to be a number"
        )
    return max(found, key=lambda file: int(file.stem.split("_")[1]))


def _device(config: DictConfig, content: dict[str, Any]) -> torch.device:
    """The GPU where the step was on one and there is one, unless the trainer is to use none."""
    wanted = content["random"]["cuda"] is not None and config.trainer.accelerator != "cpu"
    return torch.device("cuda" if wanted and torch.cuda.is_available() else "cpu")


def _precision(name: str, device: torch.device) -> AbstractContextManager:
    if name not in AUTOCAST:
        return nullcontext()
    return torch.autocast(device.type, AUTOCAST[name], cache_enabled=False)


def _tell(then: dict[str, Any], now: dict[str, Any]) -> None:
    tell(f"Loss: {now['loss']:.6g} (in the run: {then['loss']:.6g})")
    tell("All is finite with these weights." if _fine(now) else describe_origin(now))
    tell("\nGradient norm of each layer:")
    width = max(map(len, now["gradient_norms"]), default=0)
    for name, norm in now["gradient_norms"].items():
        tell(f"  {name:{width}}  {norm:.4g}{'' if math.isfinite(norm) else '   <-'}")
    samples = [f"{one['id']} ({one['label']})" for one in now["samples"]]
    more = f" and {len(samples) - SHOWN_SAMPLES} more, listed in the .json beside it"
    shown = ", ".join(samples[:SHOWN_SAMPLES])
    tell(f"\nSamples: {shown}{more if len(samples) > SHOWN_SAMPLES else ''}")


def _fine(found: dict[str, Any]) -> bool:
    numbers = [found["loss"], *found["gradient_norms"].values()]
    return all(map(math.isfinite, numbers))
