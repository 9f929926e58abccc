"""The library works with unvoiced/requirements.txt alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.golden import FRAMES, make_recording
from tests.helpers.paths import ROOT, TASKS
from unvoiced import Recognizer

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
print(json.dumps(logits))
"""


def install_requirements(folder: Path) -> Path:
    """Install the library's requirements into a fresh environment and return its Python."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=120)
    python = folder / "bin" / "python"
    files = ["-r", ROOT / "unvoiced" / "requirements.txt", "-c", ROOT / "constraints.txt"]
    pip = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", *files],
        capture_output=True,
        text=True,
        timeout=900,
    )
    if "No matching distribution" in pip.stderr or "ConnectionError" in pip.stderr:
        pytest.skip("no package index can be reached")
    assert pip.returncode == 0, pip.stderr
    return python


@pytest.mark.slow
def test_models_are_read_with_the_requirements_of_the_library_alone(tmp_path: Path) -> None:
    python = install_requirements(tmp_path / "environment")
    library = tmp_path / "library"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "unvoiced", library / "unvoiced", ignore=ignored)
    models = []
    for task in TASKS:
        models.append(tmp_path / f"{task}.onnx")
        shutil.copy(ROOT / "tests" / "golden" / "models" / f"{task}.onnx", models[-1])
        inputs = make_recording(Recognizer(models[-1]).metadata, FRAMES[task])
        np.savez(models[-1].with_suffix(".npz"), *map(np.asarray, inputs))
    run = subprocess.run(
        [python, "-c", SCRIPT, *models], cwd=library, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    logits = json.loads(run.stdout.splitlines()[-1])
    for task in TASKS:
        golden = json.loads((ROOT / "tests" / "golden" / "models" / f"{task}.json").read_text())
        assert logits[task] == pytest.approx(golden, rel=1e-3, abs=1e-3)
