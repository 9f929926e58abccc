"""Files of a training step that was not finite, and the sentences that describe it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from callbacks.nan.examination import RandomStates
from modules.base import Batch, TaskModule

SHOWN_STEPS = 5  # in the report
SHOWN_NAMES = 8  # of layers, weights or samples in a sentence


def write_post_mortem(
    path: Path,
    facts: dict[str, Any],
    module: TaskModule,
    batch: Batch,
    random: RandomStates,
    weights_mb: float,
) -> None:
    """Write ``path`` (.pt), a checkpoint with the batch in it, for stage=replay.

    Args:
        path: its folder is created.
        facts: content of the .json next to it.
        module: its weights are included if they take at most ``weights_mb`` (MB).
        batch: as the network took it.
        random: states before the step.
        weights_mb: see ``module``.
    """
    state = module.state_dict()
    is_small = sum(tensor.nbytes for tensor in state.values()) <= weights_mb * 1e6
    content = {
        "card": module.card.to_plain(),
        "state_dict": {k: v.cpu() for k, v in state.items()} if is_small else {},
        "batch": {k: _copy_alone(v) for k, v in batch.items()},
        "random": random._asdict(),
        "facts": facts,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)


def _copy_alone(value: Any) -> Any:
    """Return a tensor on the CPU without the batches that were fetched together with it."""
    return value.cpu().clone() if isinstance(value, Tensor) else value


def write_facts(path: Path, facts: dict[str, Any]) -> None:
    """Write the .json; NaN and infinity, which JSON does not have, become strings."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_replace_non_finite(facts), indent=2, allow_nan=False, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _replace_non_finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _replace_non_finite(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_replace_non_finite(part) for part in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def describe_post_mortems(run_dir: Path) -> list[str]:
    """Return sentences on the post-mortems in a run folder, oldest first, for the report."""
    paths = sorted((run_dir / "nan").glob("step_*.json"), key=lambda p: int(p.stem.split("_")[1]))
    sentences = [_describe_post_mortem(path) for path in paths[:SHOWN_STEPS]]
    if len(paths) > SHOWN_STEPS:
        sentences.append(f"{len(paths) - SHOWN_STEPS:,} more such steps: see `nan/`.")
    return sentences


def _describe_post_mortem(path: Path) -> str:
    facts = json.loads(path.read_text(encoding="utf-8"))
    sentence = (
        f"Not a number in epoch {facts['epoch']}, step {facts['step']:,}: loss {facts['loss']}, "
        f"gradient norm {facts['gradient_norm']}. {describe_origin(facts)} {facts['done']}"
    )
    batch = path.with_suffix(".pt")
    return f"{sentence} `stage=replay input={batch}` repeats it." if batch.exists() else sentence


def describe_origin(facts: dict[str, Any]) -> str:
    """Return a sentence on the earliest known place with a non-finite value."""
    if facts["input_not_finite"]:
        names = ", ".join(facts["input_not_finite"][:SHOWN_NAMES])
        return f"The input of these samples is not finite: {names}."
    if facts["weights_not_finite"]:
        names = ", ".join(facts["weights_not_finite"][:SHOWN_NAMES])
        return f"The input is finite; these weights are not: {names}."
    if facts["first_layer"]:
        return (
            "Input and weights are finite; the first layer with a non-finite output is "
            f"{facts['first_layer']}."
        )
    norms = facts["gradient_norms"].items()
    grads = [name for name, norm in norms if not math.isfinite(float(norm))]
    if grads:
        names = ", ".join(grads[:SHOWN_NAMES])
        return f"The output of every layer is finite; these gradients are not: {names}."
    return "The output and the gradient of every layer are finite; only the loss is not."
