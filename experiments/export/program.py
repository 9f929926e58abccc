"""``export.format=program``: write a network as PyTorch's exported program (.pt2)."""

from __future__ import annotations

import json
import tempfile
from functools import partial
from io import BytesIO
from pathlib import Path

import torch
from omegaconf import DictConfig

from experiments.export.inference_module import about, deployed, in_numpy
from experiments.export.onnx import (
    agreement,
    compared,
    example_of,
    longer,
    samples_for,
    source,
)
from modules.base import TaskModule

ABOUT = "about.json"  # what the answers mean, inside the file


def write_program(module: TaskModule, path: Path, config: DictConfig) -> str:
    """Export, read back, and compare with the module on prepared samples.

    ``torch.export.load(path).module()`` takes any batch and length.

    Raises:
        ValueError: a network that cannot be exported, or answers that differ.
    """
    with tempfile.TemporaryDirectory() as folder:
        data = samples_for(config, module, Path(folder))
        pairs = list(compared(module, data))
    model = deployed(module, config)
    example, dynamic = example_of(model, pairs[0].inputs)
    try:
        program = torch.export.export(model, example, dynamic_shapes=dynamic)
    except Exception as error:  # of the exporter, of many kinds
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"export.format=program: {type(module.net).__name__} cannot be exported ({reason}). "
            "Use export.format=pth, or another net="
        ) from error
    buffer = BytesIO()
    torch.export.save(program, buffer, extra_files={ABOUT: json.dumps(about(module))})
    path.write_bytes(buffer.getbuffer())
    with path.open("rb") as file:
        again = partial(in_numpy, torch.export.load(file).module())
    agreement(again, [longer(model, pairs[0])])
    return f"{agreement(again, pairs)} {source(data)}"
