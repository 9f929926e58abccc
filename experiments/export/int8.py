"""``export.quantize=int8``: 8-bit weights and sums of an exported network, and their cost."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from torchmetrics.functional.text import word_error_rate

from datamodules.base import PreparedDataModule
from experiments.export.onnx import (
    Pair,
    agreement,
    compared,
    quiet_exporter,
    source,
    speeds_ms,
)
from modules.base import TaskModule
from unvoiced import Recognizer
from unvoiced.networks import OnnxNetwork

MEASURED = 256  # samples by which the ranges of sums are measured
CONVOLVED = ["Conv", "Gemm", "MatMul"]


class _Samples(CalibrationDataReader):
    """Inputs one after the other, as the quantizer asks for them."""

    def __init__(self, feeds: list[dict[str, np.ndarray]]) -> None:
        self.left = iter(feeds)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.left, None)


def quantize(path: Path, data: PreparedDataModule, module: TaskModule, pairs: list[Pair]) -> str:
    """Quantize the exported network at ``path`` in place; says what the new file does.

    Agreement with PyTorch, score, size and speed are measured on the int8 file itself.

    Networks with convolutions get fixed ranges, measured on samples that are trained on where
    there are any; others measure each input as it comes.

    Args:
        path: of the network.
        data: of the samples.
        module: whose network it is.
        pairs: of the tested samples.

    Raises:
        ValueError: a network that cannot be quantized.
    """
    before = OnnxNetwork(path)
    was = path.stat().st_size, score(before, data, pairs)
    feeds = [dict(zip(before.names, pair.inputs, strict=True)) for pair in _trained(module, data)]
    _replace(path, feeds, type(module.net).__name__)
    after = OnnxNetwork(path)
    now = path.stat().st_size, score(after, data, pairs)
    sizes = f"{was[0] / 1e6:.2f} to {now[0] / 1e6:.2f} MB"
    slow, fast = speeds_ms([before, after], pairs[0].inputs)
    agrees = agreement(after, pairs, tolerance=math.inf)
    return (
        f"int8, measured on this file: {agrees} {source(data)}; {now[1]} (float32: {was[1]}); "
        f"one answer takes {fast:.2f} ms (float32: {slow:.2f}); {sizes}"
    )


def _replace(path: Path, feeds: list[dict[str, np.ndarray]], name: str) -> None:
    """Put the quantized network in the place of the other, with its metadata."""
    facts = onnx.load(path).metadata_props
    try:
        with quiet_exporter():
            _write(path, feeds)
    except Exception as error:  # of the quantizer, of many kinds
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"export.quantize=int8: ONNX Runtime cannot quantize {name} ({reason}). Leave it out"
        ) from error
    model = onnx.load(path)
    del model.metadata_props[:]
    model.metadata_props.extend(facts)
    onnx.save(model, path)


def score(network: OnnxNetwork, data: PreparedDataModule, pairs: list[Pair]) -> str:
    """Of the tested samples, in words: accuracy or word errors; without labels, agreement."""
    labelled = (data.prepared.manifest["label"] != "").any()
    answers = [network(*pair.inputs) for pair in pairs]
    if network.metadata.get("tokenizer"):
        return _word_errors(network, data, pairs, answers)
    said = np.concatenate([answer[0].argmax(1) for answer in answers])
    rows = np.concatenate([pair.rows for pair in pairs])
    true = np.concatenate([pair.logits.argmax(1) for pair in pairs])
    name = "accuracy" if labelled else "same answer as PyTorch"
    true = data.targets[rows] if labelled else true
    return f"{name} {(said == true).mean():.4f} of {len(rows):,}"


def _word_errors(
    network: OnnxNetwork, data: Any, pairs: list[Pair], answers: list[tuple[np.ndarray, ...]]
) -> str:
    reader = Recognizer(network)
    said, true = [], []
    for pair, (logits, lengths) in zip(pairs, answers, strict=True):
        said += [reader.tokenizer.decode(ids) for ids in reader.decoder.ids(logits, lengths)]
        if (data.prepared.manifest["label"] != "").any():
            true += [data.texts[row] for row in pair.rows]
        else:
            counts = np.broadcast_to(lengths, len(pair.rows))
            ids = reader.decoder.ids(pair.logits, counts)
            true += [reader.tokenizer.decode(one) for one in ids]
    return f"word error rate {float(word_error_rate(said, true)):.4f} of {len(true):,}"


def _trained(module: TaskModule, data: PreparedDataModule) -> list[Pair]:
    """Some samples to measure by: of the training, else of the test."""
    rows = data.indices.train if len(data.indices.train) else data.indices.test
    step = max(1, len(rows) // MEASURED)
    return list(compared(module, data, rows[::step][:MEASURED]))


def _write(path: Path, feeds: list[dict[str, np.ndarray]]) -> None:
    ready = path.with_name(path.name + ".ready")
    try:
        model = onnx.load(path)
        del model.graph.value_info[:]  # shapes that the exporter noted may contradict ONNX's own
        onnx.save(model, path)
        # Symbolic shapes would change nothing, and leave files in the current folder on failure.
        quant_pre_process(str(path), str(ready), skip_symbolic_shape=True)
        if "Conv" in _operators(ready):
            quantize_static(
                str(ready),
                str(path),
                _Samples(feeds),
                per_channel=True,
                op_types_to_quantize=CONVOLVED,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        else:
            quantize_dynamic(str(ready), str(path), weight_type=QuantType.QInt8)
    finally:
        ready.unlink(missing_ok=True)


def _operators(path: Path) -> set[str]:
    return {node.op_type for node in onnx.load(path).graph.node}
