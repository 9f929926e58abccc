"""The library works where the two commands of docs/deployment.md installed it, without PyTorch."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.golden import FRAMES, make_recording
from tests.helpers.paths import ROOT, TASKS
from unvoiced import Recognizer
from unvoiced.profile import build_profile
from unvoiced.profile_file import write_profile

SCRIPT = """
import importlib, json, pkgutil, sys
import numpy as np
import unvoiced
from unvoiced import Engine, Recognizer

for module in pkgutil.walk_packages(unvoiced.__path__, "unvoiced."):
    importlib.import_module(module.name)
logits = {}
for path in sys.argv[1:]:
    recognizer = Recognizer(path)
    with np.load(path.replace(".onnx", ".npz")) as inputs:
        arrays = [inputs[name] for name in inputs]
    logits[recognizer.task] = np.asarray(recognizer.network(*arrays)[0]).ravel()[:50].tolist()
    if recognizer.task == "asl":
        engine = Engine(recognizer, is_preprocessed=True)
        recognizer.read(arrays[0][0])
        engine.push(arrays[0][0, 0], 0.0)
    if recognizer.task == "emg":
        recognizer.read(arrays[0][0])
heard = np.load("hands.npy")
int8, profile = Recognizer("int8.onnx"), Recognizer("int8.onnx", profile="me.profile")
Recognizer.starter("asl").read(heard[0])
answers = [[reader.read(hand).label for hand in heard] for reader in (int8, profile)]
assert not {"torch", "lightning", "hydra", "pandas"} & {*sys.modules}
print(json.dumps([unvoiced.__file__, logits, answers]))
"""


def find_install_commands() -> list[list[str]]:
    """Return the arguments of pip of the two commands in docs/deployment.md."""
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    match = re.search(r"```\npip (install --no-deps \.)\npip (install -r \S+)\n```", page)
    assert match
    return [match[1].split(), match[2].split()]


def install_library(folder: Path) -> Path:
    """Run the documented commands in a copy of the checkout and return a fresh Python."""
    checkout, python = folder / "checkout", folder / "environment" / "bin" / "python"
    for name in ("unvoiced", "modules", "datamodules", "experiments", "callbacks"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, checkout / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE", "run.py"):
        shutil.copy(ROOT / name, checkout)
    empty = [sys.executable, "-m", "venv", "--without-pip", folder / "environment"]
    subprocess.run(empty, check=True, timeout=120)
    quick = os.environ | {"PIP_COMPILE": "0"}
    exact = quick | {"PIP_CONSTRAINT": str(ROOT / "constraints.txt")}
    for arguments in find_install_commands():
        pip = subprocess.run(
            [sys.executable, "-m", "pip", "--python", python, *arguments, "--quiet"],
            cwd=checkout,
            env=exact if "-r" in arguments else quick,
            capture_output=True,
            text=True,
            timeout=900,
        )
        if "No matching distribution" in pip.stderr or "ConnectionError" in pip.stderr:
            pytest.skip("no package index can be reached")
        assert pip.returncode == 0, pip.stderr
    return python


def write_personal_model(checkpoint: Path, run: Callable[..., Path], folder: Path) -> list:
    """Write int8.onnx, me.profile and hands.npy, and return what they answer here."""
    model = folder / "int8.onnx"
    given = (f"ckpt_path={checkpoint}", f"export.output={model}", "size=tiny")
    run("stage=export", "export.quantize=int8", *given)
    recognizer = Recognizer(model)
    hands = np.random.default_rng(0).normal(size=(6, 1, 63)).astype(np.float32)
    labels = ["A", "B", "my name"] * 2
    answers, embeddings = (
        np.concatenate(x) for x in zip(*map(recognizer.embed_support, hands), strict=True)
    )
    rows = len(answers) // len(hands)
    profile = build_profile(
        *("asl", recognizer.fingerprint, recognizer.known_classes, answers, embeddings),
        np.repeat(labels, rows).tolist(),
        np.repeat([str(number) for number in range(len(hands))], rows).tolist(),
    )
    write_profile(profile, folder / "me.profile")
    np.save(folder / "hands.npy", hands)
    readers = recognizer, Recognizer(model, profile=folder / "me.profile")
    return [[reader.read(hand).label for hand in hands] for reader in readers]


@pytest.mark.slow
def test_models_are_read_where_the_library_alone_is_installed(
    tmp_path: Path, checkpoint: Path, run: Callable[..., Path]
) -> None:
    python = install_library(tmp_path / "install")
    expected, models = write_personal_model(checkpoint, run, tmp_path), []
    for task in TASKS:
        models.append(tmp_path / f"{task}.onnx")
        shutil.copy(ROOT / "tests" / "golden" / "models" / f"{task}.onnx", models[-1])
        inputs = make_recording(Recognizer(models[-1]).metadata, FRAMES[task])
        np.savez(models[-1].with_suffix(".npz"), *map(np.asarray, inputs))
    done = subprocess.run(
        [python, "-P", "-c", SCRIPT, *models],
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    place, logits, answers = json.loads(done.stdout.splitlines()[-1])
    assert "site-packages" in place and answers == expected
    assert answers[1] == ["A", "B", "my name"] * 2
    for task in TASKS:
        golden = json.loads((ROOT / "tests" / "golden" / "models" / f"{task}.json").read_text())
        assert logits[task] == pytest.approx(golden, rel=1e-3, abs=1e-3)
