"""export.format=onnx: a network and what its answers mean, in one file that ONNX Runtime reads."""

from __future__ import annotations

import json
import logging
import math
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, open_dict
from torch import Tensor, nn
from torch.export import Dim

from datamodules.base import PreparedDataModule
from datamodules.store.dataset import PreparedSet
from datamodules.store.writer import write_all
from experiments.checkpoints.card import ModelCard
from experiments.checkpoints.training_data import with_training_data
from experiments.export.inference_module import DeployedWriter, about, deployed, in_numpy
from experiments.export.recurrent import with_recurrent
from experiments.launch.build import build_datamodule
from experiments.launch.console import tell
from experiments.launch.instantiate import instantiate
from modules.base import TaskModule
from unvoiced.networks import PLAIN_TEXT_KEYS, Network, OnnxNetwork

TOLERANCE = 1e-4  # between PyTorch's logits and ONNX Runtime's
COMPARED, TOGETHER = 4096, 32  # samples at most, and in a batch
SPLITTABLE = 20  # samples
TIMED = 100  # answers of each
# Of simulated samples: enough to compare with, where no set is named.
FEW = {"signers": 4, "speakers": 4, "words": 8, "sessions": 4, "utterances": 4}
Inputs = tuple[np.ndarray, ...]


def write_onnx(module: TaskModule, path: Path, config: DictConfig) -> str:
    """Export, compare with PyTorch on prepared samples, and say what was compared.

    Raises:
        ValueError: a network that cannot be exported, or answers that differ.
    """
    with tempfile.TemporaryDirectory() as folder:
        data = samples_for(config, module, Path(folder))
        pairs, model = list(compared(module, data)), deployed(module, config)
        write_network(model, pairs[0].inputs, about(module), path)
        network = OnnxNetwork(path)
        agreement(network, [longer(model, pairs[0])])
        said = f"{agreement(network, pairs)} {source(data)}; {speeds(network, model, pairs)}"
        if config.export.quantize:
            from experiments.export.int8 import quantize  # its library is slow to import

            said = f"{quantize(path, data, module, pairs)}\nBefore quantizing: {said}"
    return said


def source(data: PreparedDataModule) -> str:
    """Return which samples are compared, in words."""
    if data.prepared.simulated:
        return "simulated samples"
    return f"samples of {data.prepared.data_dir}"


def speeds(network: Network, model: nn.Module, pairs: list[Pair]) -> str:
    """What one answer takes, in words."""
    ours, theirs = speeds_ms([network, partial(in_numpy, model)], pairs[0].inputs)
    took = f"{ours:.2f} ms in ONNX Runtime and {theirs:.2f} ms in PyTorch"
    return f"one answer takes {took}, on one core"


# ---- what is compared


@dataclass(frozen=True)
class Pair:
    """What a deployed network takes, and what the module said as it was tested: logits."""

    inputs: Inputs
    logits: np.ndarray  # (B, classes), or (B, L, tokens)
    rows: np.ndarray  # (B,) of the manifest


def samples_for(config: DictConfig, module: TaskModule, folder: Path) -> PreparedDataModule:
    """The test split of ``data_dir``, by default of the set that the model was trained with.

    Where that is not there, or was simulated, simulated samples in the model's own frames. A set
    that is too small to be split is compared as a whole.
    """
    changed = _with_set(config, module.card)
    with open_dict(changed):
        changed.augment = None
        if not changed.data_dir:
            _simulate(config, module.card.frame, folder)
            changed.data_dir = str(folder)
        if changed.data_dir == str(folder) or len(PreparedSet(changed.data_dir)) < SPLITTABLE:
            changed.split = {"_target_": "datamodules.splits.TestOnly"}
    return build_datamodule(changed, trained=module.card)


def _with_set(config: DictConfig, card: ModelCard) -> DictConfig:
    """Return the configuration with the set that is compared on, if there is one."""
    if card.simulated and not config.data_dir:
        return config.copy()
    try:
        return with_training_data(config, card).copy()
    except ValueError as error:
        if config.data_dir or config.calibrate:
            raise
        tell(f"Simulated samples are compared: {error}")
        return config.copy()


def _simulate(config: DictConfig, frame: dict[str, Any], folder: Path) -> None:
    """A small set without labels: the model may know others than the simulator does."""
    shape = frame["shape"]
    settings = FEW | {"channels": shape[0]}
    settings |= dict.fromkeys(("fps", "sample_rate"), frame["rate"])
    settings |= dict(zip(("height", "width"), shape, strict=False))
    known = {k: v for k, v in settings.items() if k in config.datamodule.simulator and v}
    simulator = instantiate(config.datamodule.simulator, _partial_=True)(**known)
    samples = (replace(sample, label="") for sample in simulator.samples())
    write_all(folder, simulator.description, samples)


def compared(
    module: TaskModule, data: PreparedDataModule, rows: np.ndarray | None = None
) -> Iterator[Pair]:
    """Rows, of the test split, those of one length together: stored, and as they are tested."""
    rows = _held_out(data)[:COMPARED] if rows is None else rows
    lengths = data.prepared.lengths[rows]
    for length in np.unique(lengths):
        alike = rows[lengths == length]
        for first in range(0, len(alike), TOGETHER):
            yield _pair(module, data, alike[first : first + TOGETHER])


def _held_out(data: PreparedDataModule) -> np.ndarray:
    """Return the rows that are tested; where none are, those that validate, or that train."""
    parts = data.indices
    return next(rows for rows in (parts.test, parts.val, parts.train) if len(rows))


def _pair(module: TaskModule, data: PreparedDataModule, rows: np.ndarray) -> Pair:
    batch = data.build_dataset(rows)[np.arange(len(rows))]
    signal = batch["x"].numpy(), batch["length"].numpy()
    batch["x"] = data.preprocess(batch["x"])
    with torch.inference_mode():
        if "text" in batch:
            return Pair(signal, module(batch["x"], batch["length"])[0].numpy(), rows)
        logits = module(*module.network_inputs(batch))
    return Pair(_stored(module, data, rows), logits.numpy(), rows)


def longer(model: nn.Module, pair: Pair) -> Pair:
    """The same recordings twice as long: what is exported for one length alone would show."""
    inputs = tuple(x.repeat(2, axis=1) if x.ndim > 1 else 2 * x for x in pair.inputs)
    return Pair(inputs, in_numpy(model, *inputs)[0], pair.rows)


def _stored(module: TaskModule, data: PreparedDataModule, rows: np.ndarray) -> Inputs:
    """(B, T, *frame_shape) of rows of one length, and (B, T) where the word is, if it matters."""
    set_ = data.prepared
    frame = np.arange(set_.lengths[rows[0]])
    stored = set_.features[set_.starts[rows][:, None] + frame]
    if not module.takes_word_mask:
        return (stored,)
    words = (
        set_.word_spans[rows]
        if set_.word_spans is not None
        else np.array([[0, len(frame)]] * len(rows))
    )
    inside = (frame >= words[:, :1]) & (frame < words[:, 1:])
    return stored, inside.astype(np.float32)


def agreement(
    network: Callable[..., tuple[np.ndarray, ...]], pairs: list[Pair], tolerance: float = TOLERANCE
) -> str:
    """How far a network's answers agree with what was tested, in words.

    Raises:
        ValueError: logits differ by more than ``tolerance``, which is finite, or in what they say.
    """
    far, same, count = 0.0, 0, 0
    for pair in pairs:
        logits = _answer(network, pair)
        far = max(far, float(np.abs(logits - pair.logits).max()))
        best, expected = (one.argmax(-1).reshape(len(logits), -1) for one in (logits, pair.logits))
        same, count = same + int((best == expected).all(1).sum()), count + len(logits)
    said = f"logits within {far:.1e} of PyTorch's, and the same answer to {same:,} of {count:,}"
    if tolerance < math.inf and (not far <= tolerance or same < count):
        raise ValueError(f"the exported network is not the same: {said} samples. Nothing is kept")
    return said


def _answer(network: Callable[..., tuple[np.ndarray, ...]], pair: Pair) -> np.ndarray:
    try:
        return network(*pair.inputs)[0]
    except Exception as error:  # of a runtime, whose errors share no other base
        reason = str(error).strip().partition("\n")[0]
        shapes = ", ".join(str(part.shape) for part in pair.inputs)
        raise ValueError(
            f"the exported network cannot read inputs of shapes {shapes}, which PyTorch reads "
            f"({shorten(reason, 100, placeholder=' …')}). Nothing is kept. Use "
            "export.format=pth, or another net="
        ) from error


def speeds_ms(networks: Sequence[Callable[..., Any]], inputs: Inputs) -> list[float]:
    """Milliseconds that one answer to one sample takes each, the median of many, on one core.

    They take turns, so that what else the machine does slows all of them alike.
    """
    one, threads = tuple(part[:1] for part in inputs), torch.get_num_threads()
    torch.set_num_threads(1)
    took = np.zeros((TIMED, len(networks)))
    try:
        for turn, place in np.ndindex(took.shape):
            begun = time.perf_counter()
            networks[place](*one)
            took[turn, place] = time.perf_counter() - begun
    finally:
        torch.set_num_threads(threads)
    return (1e3 * np.median(took, axis=0)).tolist()


# ---- the file


def write_network(model: nn.Module, inputs: Inputs, facts: dict[str, Any], path: Path) -> None:
    """Write the network with PyTorch's newest exporter; any batch and length can be given to it.

    Args:
        model: as ``deployed`` gives it.
        inputs: an example.
        facts: metadata, each a JSON text.

    Raises:
        ValueError: the network has a part that ONNX cannot express.
    """
    example, dynamic = example_of(model, inputs)
    names = {"input_names": model.inputs[: len(example)], "output_names": model.outputs}
    try:
        with quiet_exporter():
            program = torch.onnx.export(
                with_recurrent(model),
                example,
                dynamo=True,
                dynamic_shapes=dynamic,
                verbose=False,
                **names,
            )
    except Exception as error:  # of the exporter, of many kinds
        reason = str(error.__cause__ or error).strip().partition("\n")[0]
        raise ValueError(
            f"export.format=onnx: {type(model.net).__name__} has a part that ONNX cannot express "
            f"({type(error).__name__}: {reason}). Use export.format=pth, or another net="
        ) from error
    written = {k: v if k in PLAIN_TEXT_KEYS else json.dumps(v) for k, v in facts.items()}
    program.model.metadata_props.update(written)
    _name_sizes(program.model.graph)
    program.save(path)


def _name_sizes(graph: Any) -> None:
    """Call the sizes of the inputs what they are: the exporter calls them s41 and s45."""
    first = graph.inputs[0].shape
    names = {getattr(first[0], "value", None): "batch", getattr(first[1], "value", None): "length"}
    names.pop(None, None)  # of a size that is fixed
    made = (value for node in graph for value in node.outputs)
    for value in (*graph.inputs, *made):
        if value.shape is None:
            continue
        for axis, size in enumerate(value.shape):
            if getattr(size, "value", None) in names:
                value.shape[axis] = names[size.value]


def example_of(model: nn.Module, inputs: Inputs) -> tuple[tuple[Tensor, ...], Any]:
    """What an exporter traces, and which of its sizes are any: batch and length."""
    # The exporter takes a size of 1 for one that never changes.
    example = tuple(torch.from_numpy(np.repeat(part[:1], 2, axis=0)) for part in inputs)
    if not isinstance(model, DeployedWriter):
        example = tuple(_longer(part) for part in example)
    return example, tuple(dict.fromkeys(range(min(2, x.ndim)), Dim.DYNAMIC) for x in example)


def _longer(part: Tensor) -> Tensor:
    """At least two frames: a recording of one would become the only length that can be read."""
    return part if part.shape[1] > 1 else part.repeat_interleave(3, dim=1)


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Without the exporter's notes on packages that are not there, and on what it tries."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
