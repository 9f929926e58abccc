"""``export.format=program``: write a network as PyTorch's exported program (.pt2)."""

from __future__ import annotations

import json
import tempfile
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from experiments.export.inference_module import (
    build_inference_module,
    export_metadata,
    run_on_arrays,
)
from experiments.export.onnx import make_example
from experiments.export.parity import check_parity, double_length, reference_batches
from experiments.export.reference_data import build_reference_data, describe_data
from modules.base import TaskModule


def write_program(module: TaskModule, path: Path, config: DictConfig) -> str:
    """Export a module, compare the file with PyTorch, and return the comparison in words.

    ``torch.export.load(path).module()`` reads any batch size and length. ``metadata.json`` inside
    the file describes its answers.

    Raises:
        ValueError: the network cannot be exported, or its answers differ.
    """
    with tempfile.TemporaryDirectory() as folder:
        data = build_reference_data(config, module, Path(folder))
        batches = list(reference_batches(module, data))
    model = build_inference_module(module, config)
    example, dynamic_shapes = make_example(model, batches[0].inputs)
    try:
        program = torch.export.export(model, example, dynamic_shapes=dynamic_shapes)
    except Exception as error:  # the exporter raises many kinds
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"export.format=program: {type(module.net).__name__} cannot be exported ({reason}). "
            "Use export.format=pth, or another net="
        ) from error
    _remove_traces(program.graph_module)
    buffer, metadata = BytesIO(), json.dumps(export_metadata(module))
    torch.export.save(program, buffer, extra_files={"metadata.json": metadata})
    path.write_bytes(buffer.getbuffer())
    with path.open("rb") as file:
        network = partial(run_on_arrays, torch.export.load(file).module())
    check_parity(network, [double_length(model, batches[0])])
    return f"{check_parity(network, batches)} {describe_data(data)}"


def _remove_traces(root: Any) -> None:
    """Remove stack traces, which hold paths of this machine."""
    for graph_module in root.modules():
        for node in getattr(getattr(graph_module, "graph", None), "nodes", ()):
            node.meta.pop("stack_trace", None)
