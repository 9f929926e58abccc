"""Compare an exported network with the module that was tested."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from textwrap import shorten
from typing import Any

import numpy as np
import torch
from torch import nn

from datamodules.base import PreparedDataModule
from experiments.export.inference_module import run_on_arrays
from modules.base import TaskModule

TOLERANCE = 1e-4  # largest difference of logits
MAX_SAMPLES, BATCH_SIZE = 4096, 32  # of a comparison
TIMED_ANSWERS = 100  # per network

Inputs = tuple[np.ndarray, ...]
Network = Callable[..., tuple[np.ndarray, ...]]


@dataclass(frozen=True)
class ReferenceBatch:
    """Stored recordings of one length, and the logits of the module that was tested.

    Attributes:
        inputs: of the inference module.
        logits: (B, classes), or (B, L, tokens) for text.
        rows: (B,) of the manifest.
    """

    inputs: Inputs
    logits: np.ndarray
    rows: np.ndarray


def reference_batches(
    module: TaskModule, data: PreparedDataModule, rows: np.ndarray | None = None
) -> Iterator[ReferenceBatch]:
    """Yield batches of recordings of one length each; by default of the test split."""
    rows = _select_test_rows(data)[:MAX_SAMPLES] if rows is None else rows
    lengths = data.prepared.lengths[rows]
    for length in np.unique(lengths):
        same_length = rows[lengths == length]
        for first in range(0, len(same_length), BATCH_SIZE):
            yield _run_module(module, data, same_length[first : first + BATCH_SIZE])


def double_length(model: nn.Module, batch: ReferenceBatch) -> ReferenceBatch:
    """Return the batch at twice its length, which reveals networks fixed to one length."""
    inputs = tuple(x.repeat(2, axis=1) if x.ndim > 1 else 2 * x for x in batch.inputs)
    return answer_batch(model, ReferenceBatch(inputs, batch.logits, batch.rows))


def answer_batch(model: nn.Module, batch: ReferenceBatch) -> ReferenceBatch:
    """Return the batch with the logits of an inference module."""
    return ReferenceBatch(batch.inputs, run_on_arrays(model, *batch.inputs)[0], batch.rows)


def check_parity(
    network: Network, batches: list[ReferenceBatch], tolerance: float = TOLERANCE
) -> str:
    """Compare a network's logits and predictions, and return the result in words.

    Args:
        tolerance: largest difference of logits; infinite: predictions may differ too.

    Raises:
        ValueError: they differ or are not finite, or the network does not read the inputs.
    """
    largest, num_same, count = 0.0, 0, 0
    for batch in batches:
        logits = _run_network(network, batch)
        _require_finite(batch.logits, "the model's")
        _require_finite(logits, "the exported network's")
        largest = max(largest, float(np.abs(logits - batch.logits).max()))
        predicted, expected = (
            values.argmax(-1).reshape(len(logits), -1) for values in (logits, batch.logits)
        )
        num_same += int((predicted == expected).all(1).sum())
        count += len(logits)
    result = (
        f"logits within {largest:.1e} of PyTorch's, and the same answer to {num_same:,} of "
        f"{count:,}"
    )
    if tolerance < math.inf and (not largest <= tolerance or num_same < count):
        raise ValueError(f"the exported network is not the same: {result} samples. Nothing is kept")
    return result


def _require_finite(logits: np.ndarray, owner: str) -> None:
    if not np.isfinite(logits).all():
        raise ValueError(
            f"{owner} answers to recordings of the set are not finite numbers. Nothing is kept. "
            "Export another checkpoint"
        )


def describe_latency(network: Network, model: nn.Module, batches: list[ReferenceBatch]) -> str:
    """Return the time of one answer in ONNX Runtime and in PyTorch."""
    exported, original = measure_latency_ms(
        [network, partial(run_on_arrays, model)], batches[0].inputs
    )
    return (
        f"one answer takes {exported:.2f} ms in ONNX Runtime and {original:.2f} ms in PyTorch, on "
        "one core"
    )


def measure_latency_ms(networks: Sequence[Callable[..., Any]], inputs: Inputs) -> list[float]:
    """Return the median time of each network for one sample, on one core, in ms.

    The networks take turns, so that other load on the machine slows all of them alike.
    """
    sample, threads = tuple(part[:1] for part in inputs), torch.get_num_threads()
    torch.set_num_threads(1)
    times = np.zeros((TIMED_ANSWERS, len(networks)))
    try:
        for turn, number in np.ndindex(times.shape):
            start = time.perf_counter()
            networks[number](*sample)
            times[turn, number] = time.perf_counter() - start
    finally:
        torch.set_num_threads(threads)
    return (1e3 * np.median(times, axis=0)).tolist()


def _select_test_rows(data: PreparedDataModule) -> np.ndarray:
    """Return the rows of the test split, else of validation, else of training."""
    indices = data.indices
    return next(rows for rows in (indices.test, indices.val, indices.train) if len(rows))


def _run_module(module: TaskModule, data: PreparedDataModule, rows: np.ndarray) -> ReferenceBatch:
    batch = data.build_dataset(rows)[np.arange(len(rows))]
    signal = batch["x"].numpy(), batch["length"].numpy()
    batch["x"] = data.preprocess(batch["x"])
    with torch.inference_mode():
        if "text" in batch:
            logits = module(batch["x"], batch["length"])[0]
            return ReferenceBatch(signal, logits.numpy(), rows)
        logits = module(*module.network_inputs(batch))
    return ReferenceBatch(_read_stored(module, data, rows), logits.numpy(), rows)


def _read_stored(module: TaskModule, data: PreparedDataModule, rows: np.ndarray) -> Inputs:
    """Return (B, T, *frame_shape) of rows of one length, and their word masks if needed."""
    prepared = data.prepared
    frame = np.arange(prepared.lengths[rows[0]])
    stored = prepared.features[prepared.starts[rows][:, None] + frame]
    if not module.takes_word_mask:
        return (stored,)
    spans = prepared.word_spans
    words = np.array([[0, len(frame)]] * len(rows)) if spans is None else spans[rows]
    mask = (frame >= words[:, :1]) & (frame < words[:, 1:])
    return stored, mask.astype(np.float32)


def _run_network(network: Network, batch: ReferenceBatch) -> np.ndarray:
    try:
        return network(*batch.inputs)[0]
    except Exception as error:  # runtimes' errors have no other common base
        reason = str(error).strip().partition("\n")[0]
        shapes = ", ".join(str(part.shape) for part in batch.inputs)
        raise ValueError(
            f"the exported network cannot read inputs of shapes {shapes}, which PyTorch reads "
            f"({shorten(reason, 100, placeholder=' …')}). Nothing is kept. Use "
            "export.format=pth, or another net="
        ) from error
