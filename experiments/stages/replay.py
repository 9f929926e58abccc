"""stage=replay: repeat the training step with a loss that was not finite.

The file that callbacks.nan.guard wrote is read as a checkpoint is: it may come from anyone.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
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
from experiments.checkpoints.post_mortems import check_post_mortem, explain_batch_errors
from experiments.launch.console import logger, silence_lightning

MAX_PRINTED_SAMPLES = 5
AUTOCAST_TYPES = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def run(config: DictConfig) -> float:
    """Print loss, gradient norms and the first layer that is not finite; return the loss.

    The network is in training mode, with the weights of ``ckpt_path`` or of the file itself, and
    with the random state of the step.

    Raises:
        ValueError: no input, no post-mortem in it, or one without weights and no checkpoint.
    """
    silence_lightning()
    path = find_post_mortem(config.input)
    content = read_post_mortem(path, config.ckpt_path)
    facts = content["facts"]
    module = load_checkpoint(config.ckpt_path or path, facts["task"])
    device = _choose_device(config, content)
    module.to(device).train()
    batch = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in content["batch"].items()}
    random = RandomStates(**content["random"])
    with explain_batch_errors(f"input={path}"):
        outcome = examine_batch(module, batch, random, _autocast(facts["precision"], device))
    replayed = facts | asdict(outcome)
    replayed["weights_not_finite"] = find_non_finite_weights(module)
    replayed["input_not_finite"] = find_non_finite_inputs(facts["samples"], batch)
    source = config.ckpt_path or "those in the file"
    logger.info(f"{path}: epoch {facts['epoch']}, step {facts['step']:,}, task {facts['task']}")
    logger.info(f"Weights: {source}; precision {facts['precision']}\n")
    _report_step(facts, replayed)
    return outcome.loss


def find_post_mortem(given: Any) -> Path:
    """Return the post-mortem that ``input`` names, or the last one of a run folder.

    Raises:
        ValueError: there is none.
    """
    if not given:
        raise ValueError("stage=replay needs input=<a run folder, or its nan/step_*.pt>")
    path = Path(str(given))
    if path.is_file():
        return path
    files = [*path.glob("nan/step_*.pt"), *path.glob("step_*.pt")]
    files = [file for file in files if file.stem.removeprefix("step_").isdecimal()]
    if not files:
        raise ValueError(
            f"input={path} holds no nan/step_*.pt: all losses of that run were finite numbers"
        )
    return max(files, key=lambda file: int(file.stem.split("_")[1]))


def read_post_mortem(path: Path, ckpt_path: str | None) -> dict[str, Any]:
    """Return the validated content of a post-mortem.

    Raises:
        ValueError: another file, or one without weights where ``ckpt_path`` gives none.
    """
    content = read_checkpoint(path)
    if "facts" not in content:
        raise ValueError(f"input={path} is no post-mortem: name a run folder or its nan/step_*.pt")
    check_post_mortem(content, f"input={path}")
    if not (ckpt_path or content["state_dict"]):
        raise ValueError(
            f"input={path} was written without weights, which are too large: give some with "
            f"ckpt_path=<a checkpoint of task {content['facts']['task']}>"
        )
    return content


def _choose_device(config: DictConfig, content: dict[str, Any]) -> torch.device:
    """Return the GPU if the step ran on one and the trainer may use one."""
    use_gpu = content["random"]["cuda"] is not None and config.trainer.accelerator != "cpu"
    return torch.device("cuda" if use_gpu and torch.cuda.is_available() else "cpu")


def _autocast(precision: str, device: torch.device) -> AbstractContextManager:
    if precision not in AUTOCAST_TYPES:
        return nullcontext()
    return torch.autocast(device.type, AUTOCAST_TYPES[precision], cache_enabled=False)


def _report_step(recorded: dict[str, Any], replayed: dict[str, Any]) -> None:
    loss, norms = replayed["loss"], replayed["gradient_norms"]
    is_finite = all(map(math.isfinite, [loss, *norms.values()]))
    logger.info(f"Loss: {loss:.6g} (in the run: {recorded['loss']:.6g})")
    logger.info("All is finite with these weights." if is_finite else describe_origin(replayed))
    logger.info("\nGradient norm of each layer:")
    width = max(map(len, norms), default=0)
    for name, norm in norms.items():
        logger.info(f"  {name:{width}}  {norm:.4g}{'' if math.isfinite(norm) else '   <-'}")
    samples = [f"{sample['id']} ({sample['label']})" for sample in replayed["samples"]]
    hidden = len(samples) - MAX_PRINTED_SAMPLES
    more = f" and {hidden} more, listed in the .json next to it" if hidden > 0 else ""
    logger.info(f"\nSamples: {', '.join(samples[:MAX_PRINTED_SAMPLES])}{more}")
