"""ONNX files of unknown origin: no loops, no other files, bounded memory, checked metadata."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from experiments.checkpoints.exported import load_exported
from tests.helpers.hostile_cards import VALUES
from unvoiced import Recognizer
from unvoiced.networks import FORMAT_KEY, METADATA_FORMAT, PLAIN_TEXT_KEYS, OnnxNetwork

FACTS: dict[str, Any] = {
    FORMAT_KEY: METADATA_FORMAT,
    "task": "asl",
    "classes": ["A", "B"],
    "frame": {"shape": [63], "dtype": "float32", "rate": None},
    "input": {"frames": 1},
    "simulated": True,
    "training_data_note": "Made for a test.",
}


def save_network(path: Path, nodes: list, initializers: list, **facts: object) -> Path:
    """Write an ONNX file of these nodes, from ``frames`` to ``logits``."""
    sizes = ["batch", "length", 63]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("frames", TensorProto.FLOAT, sizes)],
        [onnx.ValueInfoProto(name="logits")],
        initializers,
    )
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=9)
    for key, value in (FACTS | facts).items():
        text = value if key in PLAIN_TEXT_KEYS and isinstance(value, str) else json.dumps(value)
        helper.set_model_props(model, {p.key: p.value for p in model.metadata_props} | {key: text})
    path.write_bytes(model.SerializeToString())
    return path


def write_plain_network(path: Path, **facts: object) -> Path:
    """Write a network that adds 1."""
    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
    node = helper.make_node("Add", ["frames", "one"], ["logits"])
    return save_network(path, [node], [one], **facts)


def make_loop_body() -> onnx.GraphProto:
    return helper.make_graph([], "body", [], [])


@pytest.mark.parametrize("operator", ["Loop", "Scan", "If"])
def test_loops_and_branches_are_refused(operator: str, tmp_path: Path) -> None:
    node = helper.make_node(operator, ["frames"], ["logits"], body=make_loop_body())
    with pytest.raises(ValueError, match="has loops or branches"):
        OnnxNetwork(save_network(tmp_path / "loop.onnx", [node], []))


def test_tensors_in_other_files_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"1234")
    tensor = onnx.TensorProto(name="one", data_type=TensorProto.FLOAT, dims=[1], data_location=1)
    tensor.external_data.add(key="location", value="secret")
    node = helper.make_node("Add", ["frames", "one"], ["logits"])
    with pytest.raises(ValueError, match="tensors in other files"):
        OnnxNetwork(save_network(tmp_path / "other.onnx", [node], [tensor]))


def test_tensors_that_the_quantizer_marks_as_inside_are_read(tmp_path: Path) -> None:
    tensor = onnx.TensorProto(name="one", data_type=TensorProto.FLOAT, dims=[1], data_location=0)
    tensor.float_data.append(1.0)
    node = helper.make_node("Add", ["frames", "one"], ["logits"])
    path = save_network(tmp_path / "inside.onnx", [node], [tensor])
    assert b"\x70\x00" in path.read_bytes()  # the field is written
    assert OnnxNetwork(path)(np.zeros((1, 1, 63), np.float32))[0].shape == (1, 1, 63)


def test_tensors_marked_as_outside_without_a_place_are_refused(tmp_path: Path) -> None:
    tensor = onnx.TensorProto(name="one", data_type=TensorProto.FLOAT, dims=[1], data_location=1)
    node = helper.make_node("Add", ["frames", "one"], ["logits"])
    with pytest.raises(ValueError, match="tensors in other files"):
        OnnxNetwork(save_network(tmp_path / "outside.onnx", [node], [tensor]))


def test_unknown_operators_are_refused(tmp_path: Path) -> None:
    node = helper.make_node("Evil", ["frames"], ["logits"], domain="evil")
    with pytest.raises(ValueError, match="not ONNX Runtime's own"):
        OnnxNetwork(save_network(tmp_path / "evil.onnx", [node], []))


def test_memory_is_bounded(tmp_path: Path) -> None:
    size = helper.make_tensor("size", TensorProto.INT64, [1], [10**11])
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["sum"], keepdims=0),
        helper.make_node("Add", ["frames", "sum"], ["logits"]),
    ]
    with pytest.raises(ValueError, match="cannot be run|is not an ONNX file"):
        network = OnnxNetwork(save_network(tmp_path / "large.onnx", nodes, [size]))
        network(np.zeros((1, 1, 63), np.float32))


def test_outputs_that_do_not_match_the_metadata_are_refused(tmp_path: Path) -> None:
    recognizer = Recognizer(write_plain_network(tmp_path / "wide.onnx"))
    with pytest.raises(ValueError, match="names 2 answers"):
        recognizer.read(np.zeros(63, np.float32))


def make_constant(value: Any) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["logits"], value=onnx.numpy_helper.from_array(value))


HOSTILE_OUTPUTS = {
    "sequence": helper.make_node("SequenceConstruct", ["frames"], ["logits"]),
    "booleans": helper.make_node("IsNaN", ["frames"], ["logits"]),
    "texts": make_constant(np.array([["x", "y"]], object)),
    "scalar": make_constant(np.float32(1)),
    "nothing": make_constant(np.zeros((1, 0), np.float32)),
    "others": make_constant(np.zeros((7, 2), np.float32)),
}


@pytest.mark.parametrize("kind", HOSTILE_OUTPUTS)
def test_outputs_that_are_not_numbers_of_each_recording_are_refused(
    kind: str, tmp_path: Path
) -> None:
    path = save_network(tmp_path / "odd.onnx", [HOSTILE_OUTPUTS[kind]], [], kind=kind)
    with pytest.raises(ValueError, match="an output (is not an array of numbers|has shape)"):
        OnnxNetwork(path)(np.zeros((1, 1, 63), np.float32))


def test_a_tested_file_whose_logits_do_not_match_its_metadata_is_refused(tmp_path: Path) -> None:
    module = load_exported(write_plain_network(tmp_path / "wide.onnx"))
    with pytest.raises(ValueError, match="names 2 answers"):
        module(torch.zeros(1, 1, 63))


@pytest.mark.parametrize(
    "key", [*FACTS, "reader", "clip_s", "takes_word_mask", "objective", "beam_width"]
)
def test_metadata_is_accepted_or_refused_with_one_sentence(key: str, tmp_path: Path) -> None:
    values = [v for v in VALUES if not isinstance(v, list) or len(v) not in (1, 2)]
    for value in values:
        path = write_plain_network(tmp_path / "changed.onnx", **{key: value})
        try:
            Recognizer(path)
        except ValueError as error:
            assert "\n" not in str(error) and "\x1b" not in str(error)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9, 0.99])
def test_a_cut_file_is_refused(share: float, tmp_path: Path) -> None:
    content = write_plain_network(tmp_path / "whole.onnx").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match=r"cut\.onnx"):
        OnnxNetwork(tmp_path / "cut.onnx")


def write_slow_network(path: Path) -> Path:
    """Write a small network that multiplies large constant matrices for minutes."""
    side = helper.make_tensor("side", TensorProto.INT64, [2], [1024, 1024])
    nodes = [helper.make_node("ConstantOfShape", ["side"], ["m0"])]
    count = 10_000
    nodes += [
        helper.make_node("MatMul", [f"m{number}", "m0"], [f"m{number + 1}"])
        for number in range(count)
    ]
    nodes.append(helper.make_node("ReduceSum", [f"m{count}"], ["sum"], keepdims=0))
    nodes.append(helper.make_node("Add", ["frames", "sum"], ["logits"]))
    return save_network(path, nodes, [side])


def test_an_answer_ends_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unvoiced.networks.MAX_ANSWER_S", 0.2)
    network = OnnxNetwork(write_slow_network(tmp_path / "slow.onnx"))  # which folds no constants
    with pytest.raises(ValueError, match=r"one answer took more than 0\.2 s"):
        network(np.zeros((1, 1, 63), np.float32))
    quick = OnnxNetwork(write_plain_network(tmp_path / "quick.onnx"))
    assert quick(np.zeros((1, 1, 63), np.float32))[0].shape == (1, 1, 63)


def test_answers_are_timed_again_after_the_watching_thread_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unvoiced.networks.MAX_ANSWER_S", 0.2)
    ended = threading.Thread(target=lambda: None)
    ended.start()
    ended.join()
    monkeypatch.setattr("unvoiced.networks.RUN_WATCH._thread", ended)
    network = OnnxNetwork(write_slow_network(tmp_path / "slow.onnx"))
    with pytest.raises(ValueError, match="one answer took more than"):
        network(np.zeros((1, 1, 63), np.float32))
