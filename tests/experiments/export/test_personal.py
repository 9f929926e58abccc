"""Exported files with a profile inside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datamodules.store.dataset import PreparedSet
from experiments.checkpoints.load import load_checkpoint
from experiments.export.inference_module import (
    build_inference_module,
    run_on_arrays,
    wrap_as_recognizer,
)
from experiments.export.onnx import write_onnx
from experiments.export.personal import PersonalNetwork, personal_metadata, read_own_profile
from tests.helpers.compose import compose_command
from tests.helpers.emg_sets import write_muscles
from unvoiced import Recognizer
from unvoiced.decoding import log_softmax
from unvoiced.profile import build_profile
from unvoiced.profile_file import write_profile

pytestmark = pytest.mark.usefixtures("blank_figures")


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


@pytest.mark.slow
def test_a_file_of_emg_answers_with_the_phrases_of_the_profile(run, tmp_path: Path) -> None:
    words = ("tokenizer=phrase", "objective=cross_entropy", "net=emg_words")
    trained = write_muscles(tmp_path / "trained")
    training = ("task=emg", "debug=smoke", f"data_dir={trained}", "split=column", *words)
    model = run(*training, run_dir="fit") / "checkpoints" / "best.ckpt"
    person = write_muscles(tmp_path / "set", groups=1, texts=("yes", "Thirsty"), splits=())
    profile, file = tmp_path / "me.profile", tmp_path / "me.onnx"
    given = ("task=emg", f"ckpt_path={model}")
    settings = (f"adapt.output={profile}", "adapt.only_taught=true")
    run("stage=adapt", *given, f"data_dir={person}", *settings, run_dir="adapt")
    output = ("export.format=onnx", f"export.output={file}", f"data_dir={trained}")
    run("stage=export", *given, f"profile={profile}", *output, run_dir="export")
    config = compose_command(*given, f"profile={profile}")
    personal = wrap_as_recognizer(load_checkpoint(model), config, profile=profile)
    baked = Recognizer(file)
    assert list(baked.tokenizer.entries) == personal.classes
    signal = np.asarray(PreparedSet(person, "emg").features)[:500]
    for part in (signal, signal[:300], 2 * signal[100:]):
        label, probability = baked.transcribe(part)
        assert (label, probability) == (
            personal.transcribe(part)[0],
            pytest.approx(personal.transcribe(part)[1], abs=1e-3),
        )


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
