"""export.format=onnx and export.format=program give the answers of the checkpoint."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from datamodules.loading.batches import frame_indices
from experiments.checkpoints.card import ModelCard
from experiments.checkpoints.load import load_checkpoint
from experiments.export.inference_module import (
    build_inference_module,
    build_recognizer,
    describe_training_data,
    export_metadata,
    run_on_arrays,
)
from experiments.export.int8 import quantize_file, share_weights
from experiments.export.onnx import save_network
from experiments.export.parity import check_parity, reference_batches
from experiments.export.program import write_program
from experiments.export.reference_data import build_reference_data
from experiments.launch.build import build_datamodule, build_module
from experiments.launch.overrides import add_task
from experiments.stages.export import write_pth
from modules.base import TaskModule
from tests.helpers.compose import compose_command
from tests.helpers.paths import ROOT, TASKS
from unvoiced import Recognizer
from unvoiced.networks import FORMAT_KEY, METADATA_FORMAT, OnnxNetwork

pytestmark = pytest.mark.usefixtures("blank_figures")

SMALL = {
    "asl": ("net.num_members=1", "net.hidden_size=8"),
    "lipread": ("net.embedding_dim=8",),
    "vsr": ("net.embedding_dim=6",),
    "emg": ("net.hidden_size=8", "net.num_layers=1"),
}
FACTS = {
    **{"task": "asl", "classes": ["A", "B"], "input": {"frames": 1}, FORMAT_KEY: METADATA_FORMAT},
    **{"frame": {"shape": [63], "rate": None}, "simulated": True, "training_data_note": "nothing"},
}


def build_untrained(compose_config: Any, task: str, *more: str) -> tuple[DictConfig, TaskModule]:
    config = compose_config(f"task={task}", "debug=smoke", "augment=none", *SMALL[task], *more)
    return config, build_module(config, build_datamodule(config)).eval()


def write_tiny_onnx(path: Path, **metadata: str) -> Path:
    """Write an ONNX file that returns its input, with this metadata."""
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 2])
        for name in ("frames", "logits")
    ]
    node = onnx.helper.make_node("Identity", ["frames"], ["logits"])
    graph = onnx.helper.make_graph([node], "tiny", ends[:1], ends[1:])
    opset = [onnx.helper.make_opsetid("", 20)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=10)
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


def to_metadata(facts: dict[str, Any]) -> dict[str, str]:
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in facts.items()}


# ---- what is exported


@pytest.mark.parametrize("task", TASKS)
def test_deployed_networks_answer_as_in_tests(task, compose_config, tmp_path) -> None:
    """The steps between prepared set and network are part of the deployed network."""
    config, module = build_untrained(compose_config, task)
    pairs = list(reference_batches(module, build_reference_data(config, module, tmp_path)))
    model = build_inference_module(module, config)
    with torch.inference_mode():
        message = check_parity(lambda *inputs: run_on_arrays(model, *inputs), pairs)
    assert message.startswith("logits within ")
    assert sum(len(pair.rows) for pair in pairs) >= 6


@pytest.mark.parametrize("rule", ["resample", "crop_pad"])
def test_the_deployed_network_selects_frames_as_training_does(
    rule: str, compose_config, tmp_path
) -> None:
    changed = f"datamodule.length_mode={rule}", "datamodule.frames=7"
    config, module = build_untrained(compose_config, "lipread", *changed)
    pairs = list(reference_batches(module, build_reference_data(config, module, tmp_path)))
    with torch.inference_mode():
        check_parity(
            lambda *inputs: run_on_arrays(build_inference_module(module, config), *inputs), pairs
        )


def test_differing_answers_are_refused(compose_config, tmp_path) -> None:
    config, module = build_untrained(compose_config, "asl")
    pairs = list(reference_batches(module, build_reference_data(config, module, tmp_path)))
    pair = pairs[0]
    with pytest.raises(ValueError, match=r"not the same: logits within 2\.0e-03 of PyTorch's"):
        check_parity(lambda *_: (pair.logits + 2e-3,), [pair])
    with pytest.raises(ValueError, match="the same answer to 0 of "):
        check_parity(lambda *_: (np.roll(pair.logits, 1, axis=1),), [pair])
    with pytest.raises(ValueError, match="the exported network's answers .* are not finite"):
        check_parity(lambda *_: (pair.logits * np.nan,), [pair])


def test_a_letter_model_without_pytorch(compose_config, run, tmp_path, capsys) -> None:
    """From a run to its file, ONNX Runtime, and a process without torch."""
    trained = run("debug=smoke", "net=landmark_gru", "net.hidden_size=8")
    checkpoint, path = trained / "checkpoints" / "best.ckpt", tmp_path / "letters.onnx"
    export = (
        "stage=export",
        "export.format=onnx",
        f"ckpt_path={checkpoint}",
        f"export.output={path}",
    )
    run(*export, run_dir="export")
    message = capsys.readouterr().out
    assert f"Wrote {path}: LandmarkGRU of task asl, 29 classes" in message
    assert (
        "the same answer to 348 of 348 simulated samples" in message and "ms in PyTorch" in message
    )

    session = onnxruntime.InferenceSession(path)
    assert [(one.name, one.shape) for one in (*session.get_inputs(), *session.get_outputs())] == [
        ("frames", ["batch", "length", 63]),
        ("logits", ["batch", 29]),
        ("embedding", ["batch", 8]),
    ]
    facts = session.get_modelmeta().custom_metadata_map
    classes = json.loads(facts["classes"])
    assert (
        facts["task"] == "asl" and len(classes) == 29 and facts[FORMAT_KEY] == str(METADATA_FORMAT)
    )
    assert (
        json.loads(facts["frame"])["shape"] == [63] and "simulated" in facts["training_data_note"]
    )
    module = load_checkpoint(checkpoint)
    hands = np.random.default_rng(0).normal(size=(5, 4, 63)).astype(np.float32)
    for count, frames in ((5, 4), (1, 1), (3, 2)):
        logits, _ = session.run(None, {"frames": hands[:count, :frames]})
        (middle,) = frame_indices(np.array([frames]), 1, "resample")
        read = torch.from_numpy(hands[:count, middle])
        np.testing.assert_allclose(logits, module(read).detach(), atol=1e-5)

    np.save(tmp_path / "hands.npy", hands[:, :1])
    alone = Recognizer(path)
    expected = [alone.read(hand).label for hand in hands[:, 0]]
    script = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {{"torch", "lightning", "hydra", "omegaconf", "pandas",
                                      "torchmetrics", "sentencepiece", "scipy"}}:
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
import numpy as np
from unvoiced import Recognizer
read = Recognizer({str(path)!r}).read
print(*(read(hand[0]).label for hand in np.load({str(tmp_path / "hands.npy")!r})))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == expected, done.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_every_task_is_exported_and_quantized(task, compose_config, tmp_path) -> None:
    config, module = build_untrained(compose_config, task)
    data = build_reference_data(config, module, tmp_path / "set")
    pairs, path = list(reference_batches(module, data)), tmp_path / "m.onnx"
    save_network(
        build_inference_module(module, config), pairs[0].inputs, export_metadata(module), path
    )
    assert_without_paths(path)
    nodes = onnx.load(path).graph.node
    assert nodes and not any(node.metadata_props or node.doc_string for node in nodes)
    network = OnnxNetwork(path)
    assert "samples" not in check_parity(network, pairs) and network.metadata["task"] == task
    alone = [tuple(part[:1] for part in pair.inputs) for pair in pairs]  # another batch size
    for pair, one in zip(pairs, alone, strict=True):
        np.testing.assert_allclose(network(*one)[0][0], pair.logits[0], atol=1e-4)
    before = path.stat().st_size
    assert "int8, measured on this file: logits within" in quantize_file(path, data, module, pairs)
    assert path.stat().st_size < before and OnnxNetwork(path).metadata == network.metadata
    if task == "emg":  # its recurrent layers are written out for one length
        with pytest.raises(ValueError, match="cannot"):
            write_program(module, tmp_path / "m.pt2", config)
    elif task == "asl":
        assert "logits within" in write_program(module, tmp_path / "m.pt2", config)


@pytest.fixture
def golden(tmp_path: Path) -> tuple[DictConfig, TaskModule]:
    """Return a small letter model and a configuration of its task."""
    config = compose_command("task=asl", "debug=smoke", "augment=none")
    return config, load_checkpoint(ROOT / "tests" / "golden" / "models" / "asl.ckpt")


def test_an_int8_file_gives_nearly_the_same_answers(golden, tmp_path: Path) -> None:
    config, module = golden
    path = Path(shutil.copy(ROOT / "tests" / "golden" / "models" / "asl.onnx", tmp_path))
    metadata, size = OnnxNetwork(path).metadata, path.stat().st_size
    data = build_reference_data(config, module, tmp_path / "set")
    pairs = list(reference_batches(module, data))
    report = quantize_file(path, data, module, pairs)
    assert "int8, measured on this file: logits within" in report
    assert path.stat().st_size < size and OnnxNetwork(path).metadata == metadata
    same = [
        (OnnxNetwork(path)(*pair.inputs)[0].argmax(1) == pair.logits.argmax(1)) for pair in pairs
    ]
    assert np.concatenate(same).mean() > 0.95


def test_equal_constants_of_a_quantized_file_are_stored_once() -> None:
    weights = np.arange(4, dtype=np.int8)
    constants = [onnx.numpy_helper.from_array(weights + (name == "c"), name) for name in "abc"]
    nodes = [onnx.helper.make_node("Sum", ["a", "b", "c"], ["sum"])]
    model = onnx.helper.make_model(onnx.helper.make_graph(nodes, "sum", [], [], constants))
    share_weights(model)
    assert [tensor.name for tensor in model.graph.initializer] == ["a", "c"]
    assert list(model.graph.node[0].input) == ["a", "a", "c"]


def test_a_program_gives_the_same_logits(golden, tmp_path: Path) -> None:
    config, module = golden
    path = tmp_path / "letters.pt2"
    assert "the same answer to" in write_program(module, path, config)
    assert_without_paths(path)
    hands = torch.rand(3, 1, 63)
    program = torch.export.load(path).module()
    torch.testing.assert_close(program(hands), module(hands), rtol=1e-4, atol=1e-4)


def assert_without_paths(path: Path) -> None:
    """Check that a file, and each file inside it, names no folder of this machine."""
    contents = [path.read_bytes()]
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            contents = [archive.read(name) for name in archive.namelist()]
    for private in (str(ROOT), str(Path(torch.__file__).parents[1]), str(Path.home()) + "/"):
        assert not any(private.encode() in content for content in contents), private


# ---- what is refused


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        (b"A letter to a friend", "is not an ONNX file that can be run"),
        (b"", "is not an ONNX file that can be run"),
    ],
    ids=["missing", "text", "empty"],
)
def test_invalid_onnx_files_are_refused(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "m.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        Recognizer(path)


def test_onnx_files_of_other_projects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not state its task and classes"):
        Recognizer(write_tiny_onnx(tmp_path / "a.onnx"))
    with pytest.raises(ValueError, match=r"does not state frame.*Export it again"):
        facts = {k: v for k, v in FACTS.items() if k != "frame"}
        Recognizer(write_tiny_onnx(tmp_path / "b.onnx", **to_metadata(facts)))
    with pytest.raises(ValueError, match="has format 99"):
        Recognizer(write_tiny_onnx(tmp_path / "c.onnx", **to_metadata(FACTS | {FORMAT_KEY: 99})))
    with pytest.raises(ValueError, match="its metadata is damaged"):
        Recognizer(write_tiny_onnx(tmp_path / "d.onnx", **to_metadata(FACTS) | {"classes": "[A"}))
    assert Recognizer(write_tiny_onnx(tmp_path / "e.onnx", **to_metadata(FACTS))).classes == [
        "A",
        "B",
    ]


def test_onnx_files_of_another_task_are_refused(compose_config, tmp_path: Path) -> None:
    path = write_tiny_onnx(tmp_path / "m.onnx", **to_metadata(FACTS))
    config = compose_config("task=lipread", f"ckpt_path={path}")
    with pytest.raises(ValueError, match=r"a model of task asl, not lipread. Set task=asl"):
        build_recognizer(config)


def test_settings_of_predict_are_refused_for_streams(compose_config, tmp_path: Path) -> None:
    frame = {"shape": [48, 80], "dtype": "uint8", "meaning": "grey mouth", "rate": 25.0}
    facts = FACTS | {"task": "lipread", "frame": frame}
    path = write_tiny_onnx(tmp_path / "m.onnx", **to_metadata(facts))
    model = "task=lipread", f"ckpt_path={path}"
    assert (
        build_recognizer(compose_config(*model, "input_reader.min_confidence=0.7")).min_confidence
        == 0.7
    )
    with pytest.raises(ValueError, match=r"input_reader\.zoom=2\.4 is for stage=predict"):
        build_recognizer(compose_config(*model, "input_reader.zoom=2.4"))


def test_an_exported_network_is_not_exported_again(run, tmp_path: Path) -> None:
    path = write_tiny_onnx(tmp_path / "m.onnx", **to_metadata(FACTS))
    with pytest.raises(ValueError, match="exported network without training state"):
        run("stage=export", f"ckpt_path={path}")


def test_the_task_is_read_from_the_model(tmp_path: Path, compose_config) -> None:
    exported = write_tiny_onnx(tmp_path / "m.onnx", **to_metadata(FACTS | {"task": "vsr"}))
    _, module = build_untrained(compose_config, "emg")
    write_pth(module, tmp_path / "m.pth")
    for path, task in ((exported, "vsr"), (tmp_path / "m.pth", "emg")):
        assert add_task(["stage=serve", f"ckpt_path={path}"])[0] == f"task={task}"
        message = [f"ckpt_path={path}", "task=asl"]
        assert add_task(message) == message
    damaged = tmp_path / "damaged.ckpt"
    damaged.write_bytes(b"nothing")
    for alone in (["stage=fit"], [f"ckpt_path={damaged}"], ["ckpt_path=nowhere.ckpt"]):
        assert add_task(alone) == alone


class DataDependentNetwork(nn.Module):
    """A network whose branches depend on its data, which exporters cannot trace."""

    input_names, output_names, is_text = ("frames",), ("logits",), False

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Identity()

    def forward(self, frames: Tensor) -> Tensor:
        return frames if frames.sum() > 0 else -frames


def test_networks_that_cannot_be_exported_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    with pytest.raises(ValueError, match="Identity has a part that ONNX cannot express"):
        save_network(DataDependentNetwork(), (np.ones((2, 3), np.float32),), {}, path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (
            "export.quantize=int8",
            "export.quantize=int8 is for export.format=onnx, web and html, not pth",
        ),
        ("export.quantize=int4", "export.quantize=int4 is not valid; expected int8, or null"),
        (
            "export.format=tflite",
            "export.format=tflite is not valid; expected one of pth, onnx, program",
        ),
    ],
)
def test_incompatible_settings_are_refused(run, mistake: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run("stage=export", mistake)


def test_the_training_data_note_names_simulated_and_real_data() -> None:
    card = ModelCard("asl", [], [], {}, {}, {}, simulated=True, split="by group")
    assert (
        describe_training_data(card)
        == "Trained on simulated recordings alone: no real person's are in it."
    )
    card = replace(card, simulated=False, config={"datamodule": {}})
    assert describe_training_data(card) == "Trained on recordings of people (by group)."
    card.config["datamodule"]["simulated_share"] = 0.7
    assert (
        describe_training_data(card)
        == "Trained on recordings of people and on simulated ones (by group)."
    )
    mouths = describe_training_data(replace(card, reader={"restore_size": True}))
    assert "showed mouths alone; a camera shows whole faces, which the model reads worse" in mouths
