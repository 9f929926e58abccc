"""Every network of conf/net is exported to ONNX, for frames of every size that it reads."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from datamodules.asl import ASLDataModule
from datamodules.vsr import VSRDataModule
from experiments.checkpoints.known_classes import import_class, known_classes
from experiments.export.inference_module import InferenceModule, TextInferenceModule
from experiments.export.onnx import save_network
from modules.networks.cnn_lstm import CNNLSTM, GRID_CELLS
from modules.networks.layers.pooling import pool_to_grid

SIGNALS = {"channels": 2, "vocab_size": 9, "sample_rate": 250.0, "positions": 3}
# Frames (H, W) whose last maps are twice the cells of a grid, and no multiple of them. The other
# size of the simulator, half of the first, is exported with each task (test_onnx.py).
SIZES = {"whole": (64, 96), "odd": (51, 37)}
NETWORKS: dict[str, dict[str, Any]] = {
    "landmark_gru": {"num_classes": 3, "hidden_size": 8},
    "cnn_lstm": {"num_classes": 3, "hidden_size": 8},
    "lip_tcn": {
        "num_classes": 3,
        "embedding_dim": 6,
        "frames": 5,
        "mirror": False,
        "num_outlines": 1,
    },
    "word_tcn": {"num_classes": 3, "num_members": 1, "embedding_dim": 6, "mirror": False},
    "resnet_bilstm": {"num_classes": 3, "embedding_dim": 8, "hidden_size": 8, "num_heads": 2},
    "resnet_tcn": {"num_classes": 3, "embedding_dim": 8, "hidden_size": 6},
    "emg_hybrid": SIGNALS | {"hidden_size": 8, "num_heads": 2, "num_layers": 1},
    "emg_spatiotemporal": SIGNALS | {"hidden_size": 8, "num_heads": 2, "num_layers": 1},
    "emg_words": SIGNALS | {"embedding_dim": 8, "num_members": 1},
}
LIPS = ("cnn_lstm", "lip_tcn", "word_tcn", "resnet_bilstm", "resnet_tcn")
CASES = [(name, {}, "odd" if name in LIPS else "") for name in NETWORKS]
RARE = [
    pytest.param("cnn_lstm", {}, "whole", marks=pytest.mark.long),
    pytest.param("resnet_bilstm", {"frame_encoder": "cbam"}, "odd", marks=pytest.mark.long),
]


def make_model(name: str, size: str, changes: dict[str, Any]) -> tuple[nn.Module, list[np.ndarray]]:
    """Return an inference module of an untrained network, and inputs for it."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    net = import_class(known_classes("net")[name])(**NETWORKS[name] | changes).eval()
    module: Any = SimpleNamespace(net=net)
    if name.startswith("emg"):
        signal = rng.normal(size=(2, 200, 2)).astype(np.float32)
        unchanged: Any = SimpleNamespace(preprocess=nn.Identity())
        return TextInferenceModule(module, unchanged), [signal, np.full(2, 200)]
    if name not in LIPS:
        frames = rng.random((2, 3, 63)).astype(np.float32)
        return InferenceModule(module, ASLDataModule(split=None, frames=2)), [frames]
    clips = rng.integers(0, 256, (2, 7, *SIZES[size]), np.uint8)
    return InferenceModule(module, VSRDataModule(split=None, frames=5)), [clips]


@pytest.mark.parametrize(
    ("name", "changes", "size"),
    [*(pytest.param(*one, marks=pytest.mark.slow) for one in CASES), *RARE],
)
def test_every_network_is_exported(
    name: str, changes: dict[str, Any], size: str, tmp_path: Path
) -> None:
    model, inputs = make_model(name, size, changes)
    path = tmp_path / "model.onnx"
    save_network(model.eval(), tuple(inputs), {}, path)
    session = onnxruntime.InferenceSession(path)
    names = [one.name for one in session.get_inputs()]
    answers = session.run(["logits"], dict(zip(names, inputs, strict=True)))[0]
    with torch.inference_mode():
        expected = model(*map(torch.from_numpy, inputs))
    expected = expected[0] if isinstance(expected, tuple) else expected
    np.testing.assert_allclose(answers, expected.numpy(), atol=1e-4)


def test_every_network_has_a_case() -> None:
    tasks = {"letter_net", "emg_ctc"}  # exported with their tasks (test_onnx.py)
    assert {*NETWORKS} == {*known_classes("net")} - tasks


@pytest.mark.parametrize("size", [(4, 6), (8, 12), (5, 7), (2, 3), (12, 11)])
def test_cells_of_a_grid_are_those_of_adaptive_pooling(size: tuple[int, int]) -> None:
    maps = torch.rand(2, 3, *size)
    pooled = nn.functional.adaptive_avg_pool2d(maps, GRID_CELLS)
    torch.testing.assert_close(pool_to_grid(maps, GRID_CELLS), pooled)
    clips: Tensor = maps[:, :, None]
    torch.testing.assert_close(CNNLSTM()._pool_to_grid(clips)[:, :, 0], pooled)
