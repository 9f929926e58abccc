"""``export.quantize=int8``: 8-bit weights and sums of an exported network, and their cost."""

from __future__ import annotations

import math
from pathlib import Path

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
from experiments.export.muting import mute_exporter
from experiments.export.parity import (
    ReferenceBatch,
    check_parity,
    measure_latency_ms,
    reference_batches,
)
from experiments.export.reference_data import describe_data
from modules.base import TaskModule
from unvoiced import Recognizer
from unvoiced.networks import OnnxNetwork

CALIBRATION_SAMPLES = 256  # for the ranges of activations


class CalibrationInputs(CalibrationDataReader):
    """Inputs, one after the other, for the quantizer."""

    def __init__(self, feeds: list[dict[str, np.ndarray]]) -> None:
        self._remaining = iter(feeds)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next input; None after the last."""
        return next(self._remaining, None)


def quantize_file(
    path: Path, data: PreparedDataModule, module: TaskModule, batches: list[ReferenceBatch]
) -> str:
    """Quantize an exported network in place, and describe the accuracy of the new file.

    Networks with convolutions get fixed ranges, measured on training samples where there are any;
    others measure each input. Parity, score, size and latency are measured on the int8 file.

    Args:
        path: of the exported network.
        data: the reference data.
        module: that was exported.
        batches: of the test split.

    Raises:
        ValueError: the network cannot be quantized.
    """
    original = OnnxNetwork(path)
    size, score = path.stat().st_size, describe_score(original, data, batches)
    feeds = [
        dict(zip(original.names, batch.inputs, strict=True))
        for batch in _select_calibration_batches(module, data)
    ]
    _replace_file(path, feeds, type(module.net).__name__)
    quantized = OnnxNetwork(path)
    slow, fast = measure_latency_ms([original, quantized], batches[0].inputs)
    parity = check_parity(quantized, batches, tolerance=math.inf)
    return (
        f"int8, measured on this file: {parity} {describe_data(data)}; "
        f"{describe_score(quantized, data, batches)} (float32: {score}); "
        f"one answer takes {fast:.2f} ms (float32: {slow:.2f}); "
        f"{size / 1e6:.2f} to {path.stat().st_size / 1e6:.2f} MB"
    )


def describe_score(
    network: OnnxNetwork, data: PreparedDataModule, batches: list[ReferenceBatch]
) -> str:
    """Return accuracy or word error rate; agreement with PyTorch where there are no labels."""
    outputs = [network(*batch.inputs) for batch in batches]
    has_labels = bool((data.prepared.manifest["label"] != "").any())
    if network.metadata.get("tokenizer"):
        return _describe_word_errors(network, data, batches, outputs, has_labels)
    predicted = np.concatenate([output[0].argmax(1) for output in outputs])
    rows = np.concatenate([batch.rows for batch in batches])
    expected = np.concatenate([batch.logits.argmax(1) for batch in batches])
    name = "accuracy" if has_labels else "same answer as PyTorch"
    expected = data.targets[rows] if has_labels else expected
    return f"{name} {(predicted == expected).mean():.4f} of {len(rows):,}"


def _describe_word_errors(
    network: OnnxNetwork,
    data: PreparedDataModule,
    batches: list[ReferenceBatch],
    outputs: list[tuple[np.ndarray, ...]],
    has_labels: bool,
) -> str:
    recognizer = Recognizer(network)
    predicted, expected = [], []
    for batch, (logits, lengths, *_) in zip(batches, outputs, strict=True):
        predicted += _decode_texts(recognizer, logits, lengths)
        if has_labels:
            expected += [data.texts[row] for row in batch.rows]
        else:
            counts = np.broadcast_to(lengths, len(batch.rows))
            expected += _decode_texts(recognizer, batch.logits, counts)
    rate = float(word_error_rate(predicted, expected))
    return f"word error rate {rate:.4f} of {len(expected):,}"


def _decode_texts(recognizer: Recognizer, logits: np.ndarray, lengths: np.ndarray) -> list[str]:
    return [
        recognizer.tokenizer.decode(ids) for ids in recognizer.decoder.decode_ids(logits, lengths)
    ]


def _select_calibration_batches(
    module: TaskModule, data: PreparedDataModule
) -> list[ReferenceBatch]:
    """Return some training samples; test samples where there are none."""
    rows = data.indices.train if len(data.indices.train) else data.indices.test
    step = max(1, len(rows) // CALIBRATION_SAMPLES)
    return list(reference_batches(module, data, rows[::step][:CALIBRATION_SAMPLES]))


def _replace_file(path: Path, feeds: list[dict[str, np.ndarray]], name: str) -> None:
    """Replace a network by its quantized form, which keeps its metadata."""
    metadata = onnx.load(path).metadata_props
    try:
        with mute_exporter():
            _quantize(path, feeds)
    except Exception as error:  # the quantizer raises many kinds
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"export.quantize=int8: ONNX Runtime cannot quantize {name} ({reason}). Leave it out"
        ) from error
    model = onnx.load(path)
    del model.metadata_props[:]
    model.metadata_props.extend(metadata)
    share_weights(model)
    onnx.save(model, path)


def share_weights(model: onnx.ModelProto) -> None:
    """Keep one of equal constants, in place: the quantizer copies those of several layers."""
    kept, names = {}, {}
    for tensor in model.graph.initializer:
        value = onnx.numpy_helper.to_array(tensor)
        first = kept.setdefault((tensor.data_type, value.shape, value.tobytes()), tensor)
        names[tensor.name] = first.name
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept.values())


def _quantize(path: Path, feeds: list[dict[str, np.ndarray]]) -> None:
    prepared = path.with_name(path.name + ".prepared")
    try:
        model = onnx.load(path)
        del model.graph.value_info[:]  # the exporter's shapes may contradict ONNX's own
        onnx.save(model, path)
        # Symbolic shapes would change nothing, and leave files in the current folder on failure.
        quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
        if any(node.op_type == "Conv" for node in onnx.load(prepared).graph.node):
            quantize_static(
                str(prepared),
                str(path),
                CalibrationInputs(feeds),
                per_channel=True,
                op_types_to_quantize=["Conv", "Gemm", "MatMul"],
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        else:
            quantize_dynamic(str(prepared), str(path), weight_type=QuantType.QInt8)
    finally:
        prepared.unlink(missing_ok=True)
