"""The task of docs/adding-a-task.md works from its own files."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers.command_line import run_command
from tests.helpers.paths import ROOT

PAGE = (ROOT / "docs" / "adding-a-task.md").read_text(encoding="utf-8")
PACKAGES = ("conf", "unvoiced", "experiments", "modules", "datamodules", "callbacks")
MAX_FILES, MAX_LINES = 4, 120


def copy_checkout_with_task(checkout: Path) -> None:
    """Copy the checkout and add the files of the page."""
    files = re.findall(r"`(\S+)`\n\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert 0 < len(files) <= MAX_FILES
    assert sum(content.count("\n") for _, content in files) <= MAX_LINES
    for package in PACKAGES:
        shutil.copytree(ROOT / package, checkout / package)
    shutil.copy(ROOT / "run.py", checkout)
    for name, content in files:
        assert not (checkout / name).exists()
        (checkout / name).write_text(content)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the checkout, a trained run, and a recording of two blinks."""
    folder = tmp_path_factory.mktemp("blink")
    copy_checkout_with_task(folder / "checkout")
    command = re.search(r"```\npython run.py (task=.*)\n", PAGE)
    assert command
    run_in_checkout(folder, *command[1].split(), f"hydra.run.dir={folder / 'run'}")
    eye = np.ones((30, 1), np.float32)
    eye[3:7] = eye[21:25] = 0.2
    np.save(folder / "eye.npy", eye)
    return folder


def run_in_checkout(folder: Path, *arguments: str) -> str:
    done = run_command(*arguments, cwd=folder / "checkout")
    assert done.returncode == 0, done.stderr
    return done.stdout


def use_model(workplace: Path, stage: str, name: str) -> tuple[str, Path]:
    """Run a stage on the recording and return what it printed, and its run folder."""
    model, run = f"ckpt_path={workplace / name}", workplace / f"{stage} {Path(name).suffix}"
    recording = f"input={workplace / 'eye.npy'}"
    arguments = ("task=blink", f"stage={stage}", model, recording, f"hydra.run.dir={run}")
    return run_in_checkout(workplace, *arguments), run


CHECKPOINT = "run/checkpoints/best.ckpt"


@pytest.mark.slow
def test_the_task_is_trained_and_tested(workplace: Path) -> None:
    numbers = json.loads((workplace / "run" / "metrics.json").read_text())
    assert numbers["test/acc"] > 0.9 and numbers["task"] == "blink"


@pytest.mark.slow
def test_the_task_predicts(workplace: Path) -> None:
    _, run = use_model(workplace, "predict", CHECKPOINT)
    table = pd.read_csv(run / "predictions.csv")
    assert table["prediction"].tolist() == ["no"]


@pytest.mark.slow
def test_the_task_is_read_live(workplace: Path) -> None:
    printed, run = use_model(workplace, "live", CHECKPOINT)
    table = pd.read_csv(run / "live.csv")
    assert table["text"].tolist() == ["no"] and table["time_s"].tolist() == [3.0]
    assert "1 channels at 10 Hz, windows of 3 s every 0.5 s" in printed


@pytest.mark.slow
def test_the_task_is_served(workplace: Path) -> None:
    pytest.importorskip("gradio")
    from gradio_client import Client, handle_file

    command = [sys.executable, "run.py", "task=blink", "stage=serve", "serve.port=0"]
    command += [f"ckpt_path={workplace / CHECKPOINT}", f"hydra.run.dir={workplace / 'serve'}"]
    environment = os.environ | {"PYTHONPATH": str(workplace / "checkout")}
    process = subprocess.Popen(
        command, cwd=workplace / "checkout", env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        address = next(line.split()[1] for line in lines if line.startswith("Open "))
        client = Client(address, verbose=False)
        recording = handle_file(workplace / "eye.npy")
        shown = client.predict(recording, api_name="/read")[1]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
    assert '<p class="uv-text" role="log">no</p>' in shown
    assert "1 channels, 3.0 seconds" in shown


@pytest.mark.slow
@pytest.mark.parametrize("name", ["m.onnx"])
def test_the_task_is_exported_and_tested(workplace: Path, name: str) -> None:
    checkpoint, model = workplace / CHECKPOINT, workplace / name
    run = workplace / f"test {name}"
    run_in_checkout(workplace, "stage=export", f"ckpt_path={checkpoint}", f"export.output={model}")
    run_in_checkout(workplace, "stage=test", f"ckpt_path={model}", f"hydra.run.dir={run}")
    assert json.loads((run / "metrics.json").read_text())["test/acc"] > 0.9
    if name == "m.onnx":
        read_with_the_library(workplace)


def read_with_the_library(workplace: Path) -> None:
    """Read the recording with the exported model, as a whole and sample by sample."""
    code = (
        "import numpy as np; from unvoiced import Engine, Recognizer\n"
        "eye, recognizer = np.load('../eye.npy'), Recognizer('../m.onnx')\n"
        "engine = Engine(recognizer)\n"
        "for number, frame in enumerate(eye): engine.push(frame, number / 10)\n"
        "print(recognizer.read(eye).label, engine.text)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=workplace / "checkout", capture_output=True, text=True
    )
    assert done.stdout.strip() == "no no", done.stderr
