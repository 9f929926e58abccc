"""Load untrusted checkpoint files as modules that are ready to use.

Plain files of ``stage=export`` are read as checkpoints too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, ListConfig
from torch import Tensor
from torch.nn.modules import module as torch_module

from experiments.checkpoints.card import TARGET, ModelCard
from experiments.checkpoints.ensemble import build_ensemble, refuse_same_files
from experiments.checkpoints.hub_folder import is_hub_folder, read_hub_folder
from experiments.checkpoints.known_classes import (
    import_class,
    is_module_of,
    refuse_unknown_classes,
)
from experiments.checkpoints.old_checkpoints import rename_checkpoint
from experiments.checkpoints.plain_file import NET, is_plain_file, to_checkpoint
from experiments.checkpoints.torch_files import read_torch_file
from modules.base import TaskModule
from unvoiced.networks import OnnxNetwork
from unvoiced.plain_data import require_fact
from unvoiced.tokenizers import build_tokenizer
from unvoiced.writing.word_models import build_word_model

ONNX, PROGRAM = ".onnx", ".pt2"  # the endings of exported networks
SHOWN_NAMES = 3  # of weights, in an error


def load_checkpoint(path: str | Path, task: str | None = None) -> TaskModule:
    """Return the module of a checkpoint or plain file, in evaluation mode.

    >>> module = load_checkpoint("outputs/asl/…/checkpoints/best.ckpt")
    >>> module.classes[module(landmarks).argmax(1)[0]]

    Raises:
        ValueError: no such file, truncated, not one of ours, of another task, or it names
            something that a checkpoint may not build.
    """
    checkpoint = read_checkpoint(Path(path))
    card: ModelCard = checkpoint["card"]
    require_same_task(path, card.task, task)
    try:
        return _build_module(card, checkpoint["state_dict"], bool(checkpoint.get("net_alone")))
    except ValueError as error:
        raise ValueError(f"ckpt_path={path}: {error}") from None
    except (TypeError, AttributeError, RuntimeError, LookupError, ArithmeticError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"ckpt_path={path}: its network and module cannot be built: {reason}"
        ) from None


def load_ensemble(paths: Sequence[str], task: str | None = None) -> TaskModule:
    """Return the module of several checkpoints, which averages their probabilities.

    Raises:
        ValueError: a checkpoint does not load, is named twice, or does not fit the first.
    """
    if len(paths) == 1:
        return load_checkpoint(paths[0], task)
    refuse_same_files(paths)
    return build_ensemble(paths, [load_checkpoint(path, task) for path in paths])


def require_checkpoint(config: DictConfig) -> TaskModule:
    """Return the module of ``ckpt_path``: of a checkpoint, or an ensemble of several.

    Raises:
        ValueError: no checkpoint given, or one that does not load.
    """
    if isinstance(config.ckpt_path, ListConfig):
        return load_ensemble(list(config.ckpt_path), config.task)
    return load_checkpoint(_given_path(config), config.task)


def require_model(config: DictConfig) -> TaskModule:
    """Return the module of a checkpoint, a plain file, an exported ``.onnx`` or an ensemble.

    Raises:
        ValueError: none given, or one that does not load.
    """
    if isinstance(config.ckpt_path, ListConfig):
        return require_checkpoint(config)
    path = _given_path(config)
    if path.suffix != ONNX:
        return load_checkpoint(path, config.task)
    from experiments.checkpoints.exported import load_exported  # imports all kinds of modules

    module = load_exported(path)
    require_same_task(path, module.card.task, config.task)
    return module


def list_paths(ckpt_path: str | ListConfig) -> list[Path]:
    """Return the files that ``ckpt_path=`` names."""
    named = ckpt_path if isinstance(ckpt_path, ListConfig) else [ckpt_path]
    return [Path(str(path)) for path in named]


def _given_path(config: DictConfig) -> Path:
    if not config.ckpt_path:
        raise ValueError(
            f"stage={config.stage} needs ckpt_path=<a checkpoint>, such as "
            "outputs/<task>/<date>_<time>/checkpoints/best.ckpt"
        )
    return Path(str(config.ckpt_path))


def require_same_task(path: str | Path, found: str, expected: str | None) -> None:
    """Refuse a model of another task.

    Raises:
        ValueError: with both tasks.
    """
    if expected is not None and found != expected:
        raise ValueError(
            f"ckpt_path={path} is a model of task {found}, not {expected}. Set task={found}"
        )


def read_task(path: Path) -> str | None:
    """Return the task of a model file; None if it cannot be read."""
    try:
        if path.suffix == ONNX:
            return OnnxNetwork(path).metadata["task"]
        return _read_content(path, f"ckpt_path={path}")["card"].task
    except ValueError:
        return None


def read_checkpoint(path: Path, option: str = "ckpt_path") -> dict[str, Any]:
    """Return the content of a checkpoint: ``card`` (a ``ModelCard``), ``state_dict``, ….

    Of a plain file too; its weights are the network's alone, under their names in a module.

    Args:
        path: of the file.
        option: that names it, for errors.

    Raises:
        ValueError: no such file, truncated, not a checkpoint or plain file of this project, or it
            names something that a checkpoint may not build.
    """
    place = f"{option}={path}"
    content = _read_content(path, place)
    refuse_unknown_classes(content["card"], place)
    return rename_checkpoint(content, content["card"], place)


def _read_content(path: Path, place: str) -> dict[str, Any]:
    """Return the content of a checkpoint with a valid card, whatever classes the card names."""
    if path.suffix == ONNX and path.is_file():
        raise ValueError(
            f"{place} is an exported network without training state, which validate, test, "
            "predict, live and serve read. Take the checkpoint that it was exported from"
        )
    if path.suffix == PROGRAM:
        raise ValueError(
            f"{place} is a program for PyTorch alone (torch.export.load); loading one can run "
            "code, so no stage does. Take a .ckpt, .pth or .onnx file of the same model"
        )
    content = read_hub_folder(path, place) if is_hub_folder(path) else read_torch_file(path, place)
    if is_plain_file(content):
        content = to_checkpoint(content, place)
    elif isinstance(content, dict) and {"card", "state_dict"} <= content.keys():
        card = ModelCard.from_plain(content["card"], f"{place}: card")
        weights = _check_weights(content["state_dict"], place)
        content = content | {"card": card, "state_dict": weights}
    else:
        raise ValueError(f"{place} is not a checkpoint that this suite wrote")
    _require_finite(content["state_dict"], place)
    return content


def _check_weights(weights: Any, place: str) -> dict[str, Tensor]:
    """Return the weights as a plain dict of tensors by name."""
    require_fact(f"{place}: state_dict", weights, isinstance(weights, dict), "a dict")
    for name, value in weights.items():
        named = isinstance(name, str) and isinstance(value, Tensor)
        require_fact(f"{place}: a value of state_dict", value, named, "a tensor with a name")
    return dict(weights)


def _require_finite(weights: dict[str, Tensor], place: str) -> None:
    for name, value in weights.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise ValueError(
                f"{place}: its weights {name[:200]} hold numbers that are not finite, as after a "
                "training that diverged. Take an earlier checkpoint"
            )


# ---- building


def _build_module(card: ModelCard, weights: dict[str, Tensor], net_alone: bool) -> TaskModule:
    with torch.device("meta"), limit_module_size(20 * len(weights) + 1_000):
        outline = _construct_module(card)
    expected = outline.state_dict()
    if net_alone:  # weights that only training needs keep their initial values
        expected = {k: v for k, v in expected.items() if k.startswith(NET)}
    _refuse_other_shapes(expected, weights)
    module = _construct_module(card)
    module.load_state_dict(module.state_dict() | weights)
    module.card = card
    return module.eval()


def _construct_module(card: ModelCard) -> TaskModule:
    if not is_module_of(card.task, card.module[TARGET]):
        raise ValueError(f"{card.module[TARGET]} is not the module of task {card.task}")
    net, module = (
        (import_class(node[TARGET]), {k: v for k, v in node.items() if k != TARGET})
        for node in (card.net, card.module)
    )
    answers: dict[str, Any] = {"classes": list(card.classes)}
    if card.tokenizer is not None:
        answers["tokenizer"] = build_tokenizer(card.tokenizer)
    if card.language_model is not None:
        answers["language_model"] = build_word_model(card.language_model)
    built = module[0](**module[1], net=net[0](**net[1]), **answers)
    if not isinstance(built, TaskModule):
        raise ValueError(f"its module is a {type(built).__name__}, of no task")
    return built


@contextmanager
def limit_module_size(parts: int) -> Iterator[None]:
    """Limit the layers and weights that are constructed in the context.

    Raises:
        ValueError: a network has more of them.
    """
    count = 0

    def count_part(*_: Any) -> None:
        nonlocal count
        count += 1
        if count > parts:
            raise ValueError("its network has more layers than the file has weights")

    hooks = [
        torch_module.register_module_module_registration_hook(count_part),
        torch_module.register_module_parameter_registration_hook(count_part),
        torch_module.register_module_buffer_registration_hook(count_part),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _refuse_other_shapes(expected: dict[str, Tensor], weights: dict[str, Tensor]) -> None:
    wrong = [name for name in expected if name not in weights]
    wrong += [name for name in weights if name not in expected]
    wrong += [
        f"{name} {tuple(weights[name].shape)} for {tuple(value.shape)}"
        for name, value in expected.items()
        if name in weights and weights[name].shape != value.shape
    ]
    if wrong:
        more = f" and {len(wrong) - SHOWN_NAMES:,} more" if len(wrong) > SHOWN_NAMES else ""
        named = ", ".join(name[:200] for name in wrong[:SHOWN_NAMES])
        raise ValueError(f"its weights do not fit its network: {named}{more}")
