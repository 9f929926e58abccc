"""Exported networks in Chromium: with a profile inside, with 8-bit weights, and of two hands."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from datamodules.asl import ASLDataModule
from experiments.checkpoints.load import load_checkpoint
from experiments.export.inference_module import InferenceModule, wrap_as_recognizer
from experiments.export.onnx import save_network, write_onnx
from experiments.export.web.folder import write_folder
from modules.networks.letter_net import LetterNet
from tests.helpers.browser import CHROMIUM, run_browsers
from tests.helpers.compose import compose_command
from tests.helpers.web_apps import FACTS, make_source, serve_folder, skip_without_libraries
from unvoiced import Recognizer
from unvoiced.decoding import log_softmax
from unvoiced.networks import OnnxNetwork
from unvoiced.profile import build_profile
from unvoiced.profile_file import write_profile

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.usefixtures("blank_figures"),
]
PREDICT = """async ([network, about, hands]) => {
  const { Recognizer } = await import(new URL("recognizer.js", document.baseURI));
  const parts = new Parts(null), recognizer = new Recognizer(about);
  const content = Uint8Array.from(atob(network), (character) => character.charCodeAt(0));
  await recognizer.load({ locate: (path) => parts.locate(path), read: async () => content.buffer });
  const answers = [];
  for (const hand of hands) {
    answers.push([...await recognizer.predictProbabilities(Float32Array.from(hand))]);
  }
  return answers;
}"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a tab with the files of an app, whose own network is not opened."""
    skip_without_libraries()
    folder = tmp_path_factory.mktemp("web")
    write_folder(make_source(folder), folder / "app")
    with run_browsers() as launch, serve_folder(folder / "app") as address:
        shown = launch().new_page()
        shown.goto(f"{address}LICENSES.txt")
        shown.add_script_tag(url=f"{address}parts.js")
        yield shown


def predict(tab: Any, path: Path, hands: np.ndarray) -> np.ndarray:
    """Return the probabilities (N, classes) of an exported file in the browser."""
    metadata = OnnxNetwork(path).metadata
    about = {"classes": metadata["classes"], "frame": {"shape": [hands.shape[-1]]}}
    network = base64.b64encode(path.read_bytes()).decode()
    return np.array(tab.evaluate(PREDICT, [network, about, hands.reshape(len(hands), -1).tolist()]))


@pytest.fixture(scope="module")
def hands() -> np.ndarray:
    return np.random.default_rng(0).normal(0.5, 0.2, (6, 1, 63)).astype(np.float32)


def write_own_profile(recognizer: Recognizer, hands: np.ndarray, path: Path) -> Path:
    """Write a profile of three classes, one of which the model does not know."""
    answers, embeddings = map(np.stack, zip(*map(recognizer.embed, hands), strict=True))
    known = (recognizer.fingerprint, recognizer.known_classes)
    names, recordings = ["A", "B", "my name"] * 2, [*map(str, range(6))]
    write_profile(build_profile("asl", *known, answers, embeddings, names, recordings), path)
    return path


def test_a_profile_inside_and_8_bit_weights_answer_as_python(
    tab, checkpoint: Path, hands: np.ndarray, tmp_path: Path
) -> None:
    module, config = load_checkpoint(checkpoint), compose_command("task=asl")
    recognizer = wrap_as_recognizer(module, config)
    profile = write_own_profile(recognizer, hands, tmp_path / "me.profile")
    write_onnx(module, tmp_path / "me.onnx", compose_command("task=asl", f"profile={profile}"))
    personal = wrap_as_recognizer(module, config, profile=profile)
    expected = np.stack([personal.predict_probabilities(hand) for hand in hands])
    found = predict(tab, tmp_path / "me.onnx", hands)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert personal.classes[found[2].argmax()] == "my name"

    config = compose_command("task=asl", "export.quantize=int8")
    write_onnx(module, tmp_path / "small.onnx", config)
    small = Recognizer(tmp_path / "small.onnx")
    expected = np.stack([small.predict_probabilities(hand) for hand in hands])
    np.testing.assert_allclose(predict(tab, tmp_path / "small.onnx", hands), expected, atol=0.01)


def test_two_hands_are_read_as_in_python(tab, hands: np.ndarray, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = LetterNet(num_classes=4, num_hands=2, hidden_size=16, nothing=-1).eval()
    module: Any = SimpleNamespace(net=net)
    pairs = np.concatenate([hands, hands[::-1]], axis=-1)
    pairs[0, :, 63:] = 0  # one hand alone
    model = InferenceModule(module, ASLDataModule(split=None, frames=1))
    metadata = FACTS | {"frame": FACTS["frame"] | {"shape": [126]}}
    save_network(model, [pairs], metadata, tmp_path / "pair.onnx")
    expected = np.exp(log_softmax(OnnxNetwork(tmp_path / "pair.onnx")(pairs)[0]))
    np.testing.assert_allclose(predict(tab, tmp_path / "pair.onnx", pairs), expected, atol=1e-5)
