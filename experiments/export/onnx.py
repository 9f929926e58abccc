"""``export.format=onnx``: write a network with its metadata for ONNX Runtime."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.export import Dim

from experiments.export.inference_module import (
    build_inference_module,
    export_metadata,
)
from experiments.export.muting import mute_exporter
from experiments.export.parity import (
    Inputs,
    answer_batch,
    check_parity,
    describe_latency,
    double_length,
    reference_batches,
)
from experiments.export.personal import PersonalNetwork, personal_metadata, read_own_profile
from experiments.export.recurrent import replace_recurrent
from experiments.export.reference_data import build_reference_data, describe_data
from modules.base import TaskModule
from unvoiced.networks import PLAIN_TEXT_KEYS, OnnxNetwork


def write_onnx(module: TaskModule, path: Path, config: DictConfig) -> str:
    """Export a module, compare the file with PyTorch, and return the comparison in words.

    Raises:
        ValueError: the network cannot be exported, or its answers differ.
    """
    with tempfile.TemporaryDirectory() as folder:
        data = build_reference_data(config, module, Path(folder))
        batches, model = (
            list(reference_batches(module, data)),
            build_inference_module(module, config, with_embedding=True),
        )
        metadata = export_metadata(module)
        if config.profile:
            profile = read_own_profile(config, module)
            model, metadata = PersonalNetwork(model, profile), personal_metadata(module, profile)
            batches = [answer_batch(model, batch) for batch in batches]
        save_network(model, batches[0].inputs, metadata, path)
        network = OnnxNetwork(path)
        check_parity(network, [double_length(model, batches[0])])
        parity, latency = check_parity(network, batches), describe_latency(network, model, batches)
        report = f"{parity} {describe_data(data)}; {latency}"
        if config.export.quantize:
            from experiments.export.int8 import quantize_file  # imports a slow library

            quantized = quantize_file(path, data, module, batches)
            report = f"{quantized}\nBefore quantizing: {report}"
    return report


def save_network(model: nn.Module, inputs: Inputs, metadata: dict[str, Any], path: Path) -> None:
    """Write a network that reads any batch size and length.

    Args:
        model: an inference module.
        inputs: an example.
        metadata: plain data by name.

    Raises:
        ValueError: the network has a part that ONNX cannot express.
    """
    example, dynamic_shapes = make_example(model, inputs)
    try:
        with mute_exporter():
            program = torch.onnx.export(
                replace_recurrent(model),
                example,
                dynamo=True,
                dynamic_shapes=dynamic_shapes,
                verbose=False,
                input_names=model.input_names[: len(example)],
                output_names=model.output_names,
            )
    except Exception as error:  # the exporter raises many kinds
        reason = str(error.__cause__ or error).strip().partition("\n")[0]
        raise ValueError(
            f"export.format=onnx: {type(model.net).__name__} has a part that ONNX cannot express "
            f"({type(error).__name__}: {reason}). Use export.format=pth, or another net="
        ) from error
    _remove_traces(program.model)
    _name_sizes(program.model.graph)
    program.model.metadata_props.update(
        {k: v if k in PLAIN_TEXT_KEYS else json.dumps(v) for k, v in metadata.items()}
    )
    program.save(path)


def _remove_traces(model: Any) -> None:
    """Remove the exporter's notes, such as stack traces with paths of this machine."""
    model.metadata_props.clear()
    graphs = [model.graph, *(function.graph for function in model.functions.values())]
    for graph in graphs:
        for part in (graph, *graph.inputs, *graph.initializers.values(), *graph.all_nodes()):
            part.metadata_props.clear()
            part.doc_string = None
        for node in graph.all_nodes():
            for value in node.outputs:
                value.metadata_props.clear()


def _name_sizes(graph: Any) -> None:
    """Name the sizes of the inputs batch and length; the exporter calls them s41 and s45."""
    first = graph.inputs[0].shape
    names = {getattr(first[0], "value", None): "batch", getattr(first[1], "value", None): "length"}
    names.pop(None, None)  # a size that is fixed
    computed = (value for node in graph for value in node.outputs)
    for value in (*graph.inputs, *computed):
        for axis, size in enumerate(value.shape or ()):
            if getattr(size, "value", None) in names:
                value.shape[axis] = names[size.value]


def make_example(model: Any, inputs: Inputs) -> tuple[tuple[Tensor, ...], Any]:
    """Return inputs for an exporter to trace, and their dynamic sizes: batch and length.

    Exporters take a size of 1 as fixed, so that the example has at least two of each.
    """
    example = tuple(torch.from_numpy(np.repeat(part[:1], 2, axis=0)) for part in inputs)
    if not model.is_text:
        example = tuple(
            part if part.shape[1] > 1 else part.repeat_interleave(3, dim=1) for part in example
        )
    return example, tuple(dict.fromkeys(range(min(2, x.ndim)), Dim.DYNAMIC) for x in example)
