"""stage=export: a checkpoint's model as one file that is read without this suite."""

from __future__ import annotations

import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor

from experiments.checkpoints.load import load_checkpoint, require_checkpoint
from experiments.checkpoints.plain_file import CARD, CLASSES, WEIGHTS, class_to_idx
from experiments.launch.console import quiet, tell
from experiments.reports.results import count_parameters
from modules.base import TaskModule


def run(config: DictConfig) -> None:
    """Write the model of ``ckpt_path`` to ``output`` in ``format``, read it back, compare.

    Raises:
        ValueError: no checkpoint given, one that does not load, a format that is not known, or an
            output that is the checkpoint itself or a folder.
    """
    quiet()
    settings = config.export
    name = settings.format or ENDINGS.get(Path(str(settings.output or "")).suffix, "pth")
    if name not in FORMATS:
        raise ValueError(f"export.format={name} is not known. Formats: {', '.join(FORMATS)}")
    if settings.quantize not in (None, "int8"):
        raise ValueError(f"export.quantize={settings.quantize} is not known: int8, or null")
    if settings.quantize and name != "onnx":
        raise ValueError(
            f"export.quantize={settings.quantize} is for export.format=onnx, not {name}"
        )
    module = require_checkpoint(config)
    path = _output(config, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")  # never half a file under its name
    try:
        checked = FORMATS[name](module, partial, config)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    tell(f"Wrote {path}: {_described(module)}, {path.stat().st_size / 1e6:.2f} MB; {checked}")


def _output(config: DictConfig, name: str) -> Path:
    source = Path(config.ckpt_path)
    ending = next(ending for ending, other in ENDINGS.items() if other == name)
    path = Path(str(config.export.output or source.with_suffix(ending)))
    if path.is_dir():
        raise ValueError(
            f"export.output={path} is a folder; name a file, such as {path / source.stem}{ending}"
        )
    if path.exists() and path.samefile(source):
        raise ValueError(
            f"export.output={path} is ckpt_path itself, which is kept: name another file"
        )
    return path


def _described(module: TaskModule) -> str:
    classes = len(module.card.classes)
    return (
        f"{type(module.net).__name__} of task {module.card.task}, "
        f"{f'{classes:,} classes' if classes else 'text without closed classes'}, "
        f"{count_parameters(module):,} parameters"
    )


# ---- formats: each writes a file, reads it back, and says what was checked


def write_pth(module: TaskModule, path: Path, config: DictConfig | None = None) -> str:
    """The plain file: ``plain_content``, as ``torch.load(path, weights_only=True)`` gives it.

    Raises:
        ValueError: what is read back is not what was written.
    """
    buffer = BytesIO()  # a full disk is an OSError of ours, and no RuntimeError of torch
    torch.save(plain_content(module), buffer)
    path.write_bytes(buffer.getbuffer())
    again = load_checkpoint(path).net.state_dict()
    _refuse_other_weights(plain_content(module)[WEIGHTS], again)
    return f"read back, its {len(again)} weights are the same bit by bit"


def plain_content(module: TaskModule) -> dict[str, Any]:
    """What a plain file holds.

    ``model_state_dict``: the network's own weights, on the CPU, by their names in the network.
    ``class_to_idx``: the number of each class; of task emg the phrases of a closed vocabulary, and
    empty where text is open. ``config``: the card, plain data from which all is built again.
    """
    weights = {k: v.cpu().contiguous() for k, v in module.net.state_dict().items()}
    return {WEIGHTS: weights, CLASSES: class_to_idx(module.card), CARD: module.card.to_plain()}


def _refuse_other_weights(written: dict[str, Tensor], read: dict[str, Tensor]) -> None:
    wrong = [k for k in written.keys() | read.keys() if not _same(written.get(k), read.get(k))]
    if wrong:
        raise ValueError(
            f"output: read back, these weights are not what was written: {', '.join(wrong)}. Look "
            "after the disk, and write to another"
        )


def _same(one: Tensor | None, other: Tensor | None) -> bool:
    """Bit by bit: what is not a number is the same as itself."""
    if one is None or other is None or one.shape != other.shape or one.dtype != other.dtype:
        return False
    return torch.equal(*(x.contiguous().reshape(-1).view(torch.uint8) for x in (one, other)))


def _write_onnx(module: TaskModule, path: Path, config: DictConfig) -> str:
    from experiments.export.onnx import write_onnx  # the exporter takes a while to import

    return write_onnx(module, path, config)


def _write_program(module: TaskModule, path: Path, config: DictConfig) -> str:
    from experiments.export.program import write_program

    return write_program(module, path, config)


ENDINGS = {".pth": "pth", ".onnx": "onnx", ".pt2": "program"}  # of files, and their formats
FORMATS: dict[str, Callable[[TaskModule, Path, DictConfig], str]] = {
    "pth": write_pth,
    "onnx": _write_onnx,
    "program": _write_program,
}
