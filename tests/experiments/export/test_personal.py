"""Exported files with a profile inside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments.checkpoints.load import load_checkpoint
from experiments.export.inference_module import (
    build_inference_module,
    run_on_arrays,
    wrap_as_recognizer,
)
from experiments.export.onnx import write_onnx
from experiments.export.personal import PersonalNetwork, personal_metadata, read_own_profile
from tests.helpers.compose import compose_command
from unvoiced import Recognizer
from unvoiced.decoding import log_softmax
from unvoiced.profile import build_profile
from unvoiced.profile_file import write_profile


@pytest.fixture(scope="module")
def hands() -> np.ndarray:
    return np.random.default_rng(0).normal(0.5, 0.2, (6, 1, 63)).astype(np.float32)


@pytest.fixture
def path(
    checkpoint: Path, hands: np.ndarray, tmp_path: Path, request: pytest.FixtureRequest
) -> Path:
    """Return a profile with a sign that the model does not know."""
    recognizer = wrap_as_recognizer(load_checkpoint(checkpoint), compose_command("task=asl"))
    answers, embeddings = zip(*map(recognizer.embed, hands), strict=True)
    names = ["A", "B", "my name"] * 2
    profile = build_profile(
        "asl",
        recognizer.fingerprint,
        recognizer.known_classes,
        np.stack(answers),
        np.stack(embeddings),
        names,
        [str(number) for number in range(6)],
        only_taught=getattr(request, "param", False),
    )
    write_profile(profile, tmp_path / "me.profile")
    return tmp_path / "me.profile"


@pytest.mark.parametrize("path", [False, True], ids=["all", "only_taught"], indirect=True)
def test_the_network_inside_answers_as_the_library_with_the_profile(
    checkpoint: Path, path: Path, hands: np.ndarray
) -> None:
    module = load_checkpoint(checkpoint)
    config = compose_command("task=asl", f"profile={path}", f"ckpt_path={checkpoint}")
    profile = read_own_profile(config, module)
    model = PersonalNetwork(build_inference_module(module, config, True), profile)
    found = np.exp(log_softmax(run_on_arrays(model, hands)[0]))
    recognizer = wrap_as_recognizer(module, config, profile=path)
    expected = np.stack([recognizer.predict_probabilities(hand) for hand in hands])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    metadata = personal_metadata(module, profile)
    assert metadata["classes"][-1] == "my name"
    assert "fingerprint" not in metadata


@pytest.mark.slow
def test_a_file_with_a_profile_inside_takes_no_other_profile(
    checkpoint: Path, path: Path, hands: np.ndarray, tmp_path: Path
) -> None:
    config = compose_command("task=asl", f"profile={path}", "size=tiny")
    write_onnx(load_checkpoint(checkpoint), tmp_path / "me.onnx", config)
    recognizer = Recognizer(tmp_path / "me.onnx")
    assert recognizer.read(hands[2]).label == "my name"
    with pytest.raises(ValueError, match="gives no embedding"):
        recognizer.use_profile(path)


@pytest.mark.parametrize("setting", ["export.format=pth", "export.quantize=int8"])
def test_other_files_hold_no_profile(setting: str, checkpoint: Path, path: Path, run) -> None:
    with pytest.raises(ValueError, match="becomes part of a file with export.format=onnx"):
        run(
            "stage=export",
            f"ckpt_path={checkpoint}",
            f"profile={path}",
            "export.format=onnx",
            setting,
        )
