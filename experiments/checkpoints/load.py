"""From a checkpoint file, which may come from a stranger, to a module that is ready to use.

A plain file, as ``stage=export`` writes it, is read as a checkpoint too.
"""

from __future__ import annotations

import importlib
import pickle
import warnings
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from datamodules.tokenizers import tokenizer_from
from experiments.launch.instantiate import BUILDABLE
from modules.base import TaskModule
from unvoiced.networks import OnnxNetwork

# What a checkpoint may name to be built: only classes, only below these packages, and only
# networks. Anything else (functions, other packages) is refused before it is imported.
ALLOWED_PACKAGES = ("modules.", "torch.nn.", "torchmetrics.")
BUILT = ("net", "module")  # the parts of a card that name classes
ONNX = ".onnx"  # the ending of exported networks
NET = "net."  # what the names of the network's weights begin with in a module
WEIGHTS, CLASSES, CARD = "model_state_dict", "class_to_idx", "config"  # keys of a plain file
# What a plain file's card must say, or nothing could be built, tested and told.
NEEDED = {
    **{"task": str, "module": dict, "net": dict, "input": dict},
    **{"classes": list, "trained_classes": list, "simulated": bool},
}
AGAIN = "It was changed or damaged: export it again"


def load_checkpoint(path: str | Path, task: str | None = None) -> TaskModule:
    """The module in a checkpoint or plain file, in evaluation mode, with ``classes`` and ``card``.

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
    module = _module(card, path)
    weights = checkpoint["state_dict"]
    if checkpoint.get("net_alone"):  # what only training needs, if anything, stays as it begins
        weights = _besides_net(module) | weights
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"ckpt_path={path}: its weights do not fit its network: {error}") from None
    return module.eval()


def require_checkpoint(config: DictConfig) -> TaskModule:
    """The module of ``ckpt_path``.

    Raises:
        ValueError: no checkpoint given, or one that does not load.
    """
    if not config.ckpt_path:
        raise ValueError(
            f"stage={config.stage} needs ckpt_path=<a checkpoint>, such as "
            "outputs/<task>/<date>_<time>/checkpoints/best.ckpt"
        )
    return load_checkpoint(config.ckpt_path, config.task)


def _module(card: dict[str, Any], path: str | Path) -> TaskModule:
    answers = _answers(card)
    try:
        module = _build(card["module"] | {"net": card["net"], **answers}, path)
    except (TypeError, AttributeError, RuntimeError) as error:
        raise ValueError(
            f"ckpt_path={path}: what it says of its network and module cannot be built: {error}"
        ) from None
    if not isinstance(module, TaskModule):
        raise ValueError(f"ckpt_path={path}: its module is a {type(module).__name__}, of no task")
    module.card = card
    return module


def _besides_net(module: TaskModule) -> dict[str, Tensor]:
    return {k: v for k, v in module.state_dict().items() if not k.startswith(NET)}


def _answers(card: dict[str, Any]) -> dict[str, Any]:
    """What the module may say: classes, and how text is written where it writes text."""
    answers = {"classes": card["classes"]}
    if "tokenizer" in card:
        answers["tokenizer"] = tokenizer_from(card["tokenizer"])
    return answers


def task_of(path: Path) -> str | None:
    """The task of a checkpoint, plain file or exported network; None where it says none."""
    try:
        exported = path.suffix == ONNX
        card = OnnxNetwork(path).about if exported else read_checkpoint(path)["card"]
    except ValueError:
        return None
    task = card.get("task")
    return task if isinstance(task, str) and task.isidentifier() else None


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, read with ``weights_only=True``: ``card``, ``state_dict``, ….

    Of a plain file too; its weights are the network's alone, under their names in a module.

    Raises:
        ValueError: no such file, truncated, not a checkpoint or plain file of this project, or it
            names something that a checkpoint may not build.
    """
    content = _content(path)
    if isinstance(content, dict) and WEIGHTS in content and "card" not in content:
        content = _as_checkpoint(content, path)
    known = isinstance(content, dict) and {"card", "state_dict"} <= set(content)
    if not (known and isinstance(content["card"], dict)):
        raise ValueError(f"ckpt_path={path} is not a checkpoint that this suite wrote")
    _refuse_targets(content, path)
    return content


def _content(path: Path) -> Any:
    if not path.is_file():
        raise ValueError(f"ckpt_path={path} does not exist")
    if path.suffix == ONNX:
        raise ValueError(
            f"ckpt_path={path} is an exported network, which stage=live and stage=serve read. Take "
            "the checkpoint that it was exported from"
        )
    try:
        with warnings.catch_warnings():  # torch's, of odd pickles; what matters is told below
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ValueError(
            f"ckpt_path={path} holds more than numbers and text, or is no checkpoint at all. It "
            "was not loaded: such a file can run commands"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = str(error).partition("\n")[0] or "it is empty"
        others = "another checkpoint of the run: last.ckpt, or one of epoch_*.ckpt"
        advice = "Export it again" if path.suffix == ".pth" else f"Take {others}"
        raise ValueError(f"ckpt_path={path} is truncated or damaged ({reason}). {advice}") from None


def class_to_idx(card: dict[str, Any]) -> dict[str, int]:
    """The number of each class; empty where text is open.

    Where text is written, they number the phrases of a closed vocabulary, and not the logits,
    which are of tokens.
    """
    return {name: number for number, name in enumerate(card["classes"])}


def _as_checkpoint(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """A plain file's content as a checkpoint's; ``net_alone`` says that there is nothing else.

    Raises:
        ValueError: somebody else's, which does not say what its weights are the weights of; or
            one that was changed.
    """
    card, weights = content.get(CARD), content[WEIGHTS]
    missing = [key for key, kind in NEEDED.items() if not _says(card, key, kind)]
    if missing:
        raise ValueError(
            f"ckpt_path={path} holds weights ({WEIGHTS}) and {_found(card)}, but not what "
            f"they are the weights of: {CARD} must also say {', '.join(missing)}. Take a file that "
            "stage=export wrote, or load them in Python into their own network: "
            f"net.load_state_dict(torch.load(path, weights_only=True)['{WEIGHTS}'])"
        )
    if not isinstance(weights, dict) or not all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in weights.items()
    ):
        raise ValueError(f"ckpt_path={path}: its {WEIGHTS} must be tensors by name. {AGAIN}")
    if content.get(CLASSES, class_to_idx(card)) != class_to_idx(card):
        raise ValueError(f"ckpt_path={path}: {CLASSES} and {CARD}.classes disagree. {AGAIN}")
    return {
        "card": card,
        "state_dict": {NET + name: value for name, value in weights.items()},
        "net_alone": True,
    }


def _says(card: Any, key: str, kind: type) -> bool:
    value = card.get(key) if isinstance(card, dict) else None
    if kind is list:
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    return isinstance(value, kind)


def _found(card: Any) -> str:
    if not isinstance(card, dict):
        return f"no {CARD}" if card is None else f"a {CARD} that is no dict ({type(card).__name__})"
    return f"a {CARD} of " + (
        shorten(", ".join(map(str, card)), 100, placeholder=" …") or "nothing"
    )


def _refuse_targets(content: dict[str, Any], path: Path) -> None:
    """All that a checkpoint names to be built is allowed, wherever it names it.

    Its card's net and module are networks, and no other part of the card names anything: those
    become arguments of what Hydra builds. The run's configuration, which nothing is built from,
    names what a run may be made of.
    """
    card = content["card"]
    for part, node in card.items():
        for target in _targets(node) if part != "config" else ():
            if part not in BUILT:
                raise _refusal(target, path)
            _allowed_class(target, path)
    for target in _targets([{k: v for k, v in content.items() if k != "card"}, card.get("config")]):
        if not any(fnmatch(str(target), pattern) for pattern in BUILDABLE):
            raise _refusal(target, path)


def _targets(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        if "_target_" in node:
            yield node["_target_"]
        node = list(node.values())
    if isinstance(node, list | tuple):
        for value in node:
            yield from _targets(value)


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
    if not isinstance(target, str) or not target.startswith(ALLOWED_PACKAGES):
        raise _refusal(target, path)
    package, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(package), name)
    except (ImportError, AttributeError):
        raise _refusal(target, path) from None
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise _refusal(target, path)
    return found


def _refusal(target: Any, path: str | Path) -> ValueError:
    return ValueError(
        f"ckpt_path={path} asks for {target!r}, which a checkpoint may not build (allowed: "
        f"networks below {', '.join(ALLOWED_PACKAGES)}, as its net and module). Nothing of it was "
        "run"
    )
