"""stage=export: write a checkpoint's model for other programs, or as an app for browsers."""

from __future__ import annotations

import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from shlex import quote
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor

from experiments.checkpoints.load import list_paths, load_checkpoint, require_checkpoint
from experiments.checkpoints.plain_file import CARD, CLASSES, WEIGHTS, class_to_idx
from experiments.checkpoints.run_confusions import add_run_confusions
from experiments.checkpoints.starters import is_starter
from experiments.export.starters import copy_starter, refuse_starter_settings
from experiments.launch.console import logger, silence_lightning
from experiments.reports.results import count_parameters
from modules.base import TaskModule

ENSEMBLE_NAME = "ensemble.ckpt"  # gives an export without export.output= its name


def run(config: DictConfig) -> None:
    """Write the model of ``ckpt_path`` to ``export.output``, and check the file.

    Raises:
        ValueError: no checkpoint, a checkpoint that does not load, an unknown format, or an output
            that is the checkpoint itself or a folder.
    """
    silence_lightning()
    name = choose_format(config)
    is_own = is_starter(config.ckpt_path, config.task)
    if is_own:
        refuse_starter_settings(config, name)
    if name in APP_FORMATS:
        _write_app(config, name)
        return
    if is_own:
        path = choose_path(config, name)
        size_mb = copy_starter(Path(config.ckpt_path), path) / 1e6
        logger.info(f"Wrote {path}: a copy of the model to start with, {size_mb:.2f} MB")
        return
    module = require_checkpoint(config)
    if name == "hub":
        _write_hub_folder(config, module)
        return
    add_run_confusions(module, config.ckpt_path)
    path = choose_path(config, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")  # never half a file under its name
    try:
        checks = FORMATS[name](module, partial, config)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    size_mb = path.stat().st_size / 1e6
    logger.info(f"Wrote {path}: {_describe_model(module)}, {size_mb:.2f} MB; {checks}")


def choose_format(config: DictConfig) -> str:
    """Return ``export.format``, or the format of the output's suffix.

    Raises:
        ValueError: an unknown format, or a quantization that does not fit it.
    """
    settings = config.export
    name = settings.format or FORMAT_OF_SUFFIX.get(Path(str(settings.output or "")).suffix, "pth")
    if name not in (*FORMATS, *APP_FORMATS, "hub"):
        known = ", ".join((*FORMATS, *APP_FORMATS, "hub"))
        raise ValueError(f"export.format={name} is not known. Formats: {known}")
    if settings.quantize not in (None, "int8"):
        raise ValueError(f"export.quantize={settings.quantize} is not known: int8, or null")
    if name == "pth" and len(list_paths(config.ckpt_path)) > 1:
        raise ValueError(
            "export.format=pth holds one network, and ckpt_path= names several. Use "
            "export.format=onnx"
        )
    has_onnx = name in ("onnx", *APP_FORMATS)
    if settings.quantize and not has_onnx:
        raise ValueError(
            f"export.quantize={settings.quantize} is for export.format=onnx, web and html, not "
            f"{name}"
        )
    if config.profile and (not has_onnx or settings.quantize):
        raise ValueError(
            f"profile={config.profile} becomes part of a file with export.format=onnx, web or html "
            "and without export.quantize= alone. Other files take the profile separately"
        )
    return name


def choose_path(config: DictConfig, format_name: str) -> Path:
    """Return ``export.output``, or the checkpoint's path with the suffix of the format.

    Raises:
        ValueError: it is a folder, or the checkpoint itself.
    """
    sources = list_paths(config.ckpt_path)
    source = sources[0] if len(sources) == 1 else sources[0].with_name(ENSEMBLE_NAME)
    if format_name in FOLDER_ENDS:
        end = FOLDER_ENDS[format_name]
        return Path(str(config.export.output or source.with_name(f"{source.stem}{end}")))
    suffix = next(suffix for suffix, name in FORMAT_OF_SUFFIX.items() if name == format_name)
    path = Path(str(config.export.output or source.with_suffix(suffix)))
    if path.is_dir():
        raise ValueError(
            f"export.output={path} is a folder; name a file, such as {path / source.stem}{suffix}"
        )
    if path.exists() and any(path.samefile(one) for one in sources):
        raise ValueError(
            f"export.output={path} is ckpt_path itself, which is kept: name another file"
        )
    return path


def _write_app(config: DictConfig, name: str) -> None:
    from experiments.export.web.app import write_app  # slow to import

    path = choose_path(config, name)
    checks = write_app(config, name, path)
    logger.info(f"Wrote {path}: {checks}\n{explain_opening(name, path)}")


def _write_hub_folder(config: DictConfig, module: TaskModule) -> None:
    from experiments.export.hub.folder import write_hub_folder  # slow to import

    path = choose_path(config, "hub")
    checks = write_hub_folder(config, module, path)
    logger.info(f"Wrote {path}: {_describe_model(module)}; {checks}\nUse it with ckpt_path={path}")


def _describe_model(module: TaskModule) -> str:
    classes = len(module.card.classes)
    return (
        f"{type(module.net).__name__} of task {module.card.task}, "
        f"{f'{classes:,} classes' if classes else 'text without closed classes'}, "
        f"{count_parameters(module):,} parameters"
    )


# ---- formats: each function writes a file, reads it back, and describes the checks


def write_pth(module: TaskModule, path: Path, config: DictConfig | None = None) -> str:
    """Write ``collect_plain_content``, for ``torch.load(path, weights_only=True)``.

    Raises:
        ValueError: the file has other weights when it is read back.
    """
    buffer = BytesIO()  # a full disk is then an OSError, and no RuntimeError of torch
    torch.save(collect_plain_content(module), buffer)
    path.write_bytes(buffer.getbuffer())
    weights = load_checkpoint(path).net.state_dict()
    _check_weights(collect_plain_content(module)[WEIGHTS], weights)
    return f"read back, its {len(weights)} weights are the same bit by bit"


def collect_plain_content(module: TaskModule) -> dict[str, Any]:
    """Return the content of a plain file.

    ``model_state_dict`` holds the network's weights on the CPU, ``class_to_idx`` the number of each
    class (the phrases of a closed vocabulary; empty for open text), and ``config`` the model card,
    plain data that rebuild the model.
    """
    weights = {k: v.cpu().contiguous() for k, v in module.net.state_dict().items()}
    return {WEIGHTS: weights, CLASSES: class_to_idx(module.card), CARD: module.card.to_plain()}


def _check_weights(written: dict[str, Tensor], read: dict[str, Tensor]) -> None:
    names = written.keys() | read.keys()
    wrong = [k for k in names if not _is_identical(written.get(k), read.get(k))]
    if wrong:
        raise ValueError(
            f"export.output: these weights differ when they are read back: {', '.join(wrong)}. "
            "Check the disk, and write to another one"
        )


def _is_identical(a: Tensor | None, b: Tensor | None) -> bool:
    """Return whether two tensors have the same bits; NaN equals itself."""
    if a is None or b is None or a.shape != b.shape or a.dtype != b.dtype:
        return False
    return torch.equal(*(x.contiguous().reshape(-1).view(torch.uint8) for x in (a, b)))


def _write_onnx(module: TaskModule, path: Path, config: DictConfig) -> str:
    from experiments.export.onnx import write_onnx  # slow to import

    return write_onnx(module, path, config)


def _write_program(module: TaskModule, path: Path, config: DictConfig) -> str:
    from experiments.export.program import write_program

    return write_program(module, path, config)


FORMAT_OF_SUFFIX = {".pth": "pth", ".onnx": "onnx", ".pt2": "program", ".html": "html"}
FOLDER_ENDS = {"web": "_app", "hub": "_hub"}  # of the default names of folders
APP_FORMATS = {  # and how each is opened
    "web": "Try it: python -m http.server --bind 127.0.0.1 --directory {quoted} 8000",
    "html": "Open it in a browser: a double click is enough.",
}
FORMATS: dict[str, Callable[[TaskModule, Path, DictConfig], str]] = {
    "pth": write_pth,
    "onnx": _write_onnx,
    "program": _write_program,
}


def explain_opening(name: str, path: Path) -> str:
    """Return how an app is opened, as a command for a terminal where it is a folder."""
    return APP_FORMATS[name].format(quoted=quote(str(path)))
