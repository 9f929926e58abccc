"""From a checkpoint file, which may come from a stranger, to a module that is ready to use."""

from __future__ import annotations

import importlib
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn

from datamodules.tokenizers import tokenizer_from
from modules.base import TaskModule

# What a checkpoint may name to be built: only classes, only below these packages, and only
# networks. Anything else (functions, other packages) is refused before it is imported.
ALLOWED_PACKAGES = ("modules.", "torch.nn.", "torchmetrics.")


def load_checkpoint(path: str | Path, task: str | None = None) -> TaskModule:
    """The module in a checkpoint, in evaluation mode; its ``classes`` and ``card`` are set.

    >>> module = load_checkpoint("outputs/asl/…/checkpoints/best.ckpt")
    >>> module.classes[module(landmarks).argmax(1)[0]]

    Raises:
        ValueError: no such file, truncated, not one of ours, of another task, or it names
            something that a checkpoint may not build.
    """
    checkpoint = read_checkpoint(Path(path))
    card = checkpoint["card"]
    if task is not None and card["task"] != task:
        raise ValueError(
            f"ckpt_path={path} is a checkpoint of task {card['task']}, not {task}: say "
            f"task={card['task']}"
        )
    module = _build(card["module"] | {"net": card["net"], **_answers(card)}, path)
    module.card = card
    try:
        module.load_state_dict(checkpoint["state_dict"])
    except RuntimeError as error:
        raise ValueError(f"ckpt_path={path}: its weights do not fit its network: {error}") from None
    return module.eval()


def _answers(card: dict[str, Any]) -> dict[str, Any]:
    """What the module may say: classes, and how text is written where it writes text."""
    answers = {"classes": card["classes"]}
    if "tokenizer" in card:
        answers["tokenizer"] = tokenizer_from(card["tokenizer"])
    return answers


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, read with ``weights_only=True``.

    Raises:
        ValueError: no such file, truncated, or not a checkpoint of this project.
    """
    if not path.is_file():
        raise ValueError(f"ckpt_path={path} does not exist")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ValueError(
            f"ckpt_path={path} holds more than numbers and text, or is no checkpoint at all. It "
            "was not loaded: such a file can run commands"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = str(error).partition("\n")[0] or "it is empty"
        raise ValueError(
            f"ckpt_path={path} is truncated or damaged ({reason}). Take another checkpoint of "
            "the run: last.ckpt, or one of epoch_*.ckpt"
        ) from None
    if not isinstance(checkpoint, dict) or not {"card", "state_dict"} <= set(checkpoint):
        raise ValueError(f"ckpt_path={path} is not a checkpoint that this suite wrote")
    return checkpoint


def _build(node: Any, path: str | Path) -> Any:
    """Build nested ``_target_`` nodes of plain data, allowed classes only."""
    if isinstance(node, list):
        return [_build(value, path) for value in node]
    if not isinstance(node, dict):
        return node
    arguments = {k: _build(value, path) for k, value in node.items() if k != "_target_"}
    if "_target_" not in node:
        return arguments
    return _allowed_class(node["_target_"], path)(**arguments)


def _allowed_class(target: Any, path: str | Path) -> type[nn.Module]:
    refusal = ValueError(
        f"ckpt_path={path} asks for {target!r}, which a checkpoint may not build (allowed: "
        f"networks below {', '.join(ALLOWED_PACKAGES)}). Nothing of it was run"
    )
    if not isinstance(target, str) or not target.startswith(ALLOWED_PACKAGES):
        raise refusal
    package, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(package), name)
    except (ImportError, AttributeError):
        raise refusal from None
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise refusal
    return found
