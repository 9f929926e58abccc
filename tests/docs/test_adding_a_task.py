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

from tests.helpers.paths import ROOT
from tests.helpers.runs import read_metrics

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


CHECKPOINT = "run/checkpoints/best.ckpt"
STAGES = (
    "task=blink stage=predict ckpt_path={0}/{1} input={0}/eye.npy hydra.run.dir={0}/predict",
    "task=blink stage=live ckpt_path={0}/{1} input={0}/eye.npy hydra.run.dir={0}/live",
    "stage=export ckpt_path={0}/{1} export.output={0}/m.onnx",
    "stage=test ckpt_path={0}/m.onnx hydra.run.dir={0}/test",
)
RUN_EACH = """
import json, runpy, sys
for command in json.loads(sys.argv[1]):
    sys.argv = ["run.py", *command.split()]
    runpy.run_path("run.py", run_name="__main__")
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the checkout and what each stage writes from two blinks."""
    folder = tmp_path_factory.mktemp("blink")
    copy_checkout_with_task(folder / "checkout")
    eye = np.ones((30, 1), np.float32)
    eye[3:7] = eye[21:25] = 0.2
    np.save(folder / "eye.npy", eye)
    training = re.search(r"```\npython run.py (task=.*)\n", PAGE)
    assert training
    commands = [f"{training[1]} hydra.run.dir={folder / 'run'}"]
    commands += [stage.format(folder, CHECKPOINT) for stage in STAGES]
    (folder / "printed").write_text(run_code(folder, RUN_EACH, json.dumps(commands)))
    return folder


def run_code(workplace: Path, *arguments: str) -> str:
    """Run code in a process of its own, which imports from the checkout."""
    done = subprocess.run(
        [sys.executable, "-c", *arguments],
        **{"cwd": workplace / "checkout", "env": os.environ | {"OMP_NUM_THREADS": "1"}},
        **{"capture_output": True, "text": True, "timeout": 300},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_task_is_trained_tested_and_predicts(workplace: Path) -> None:
    numbers = read_metrics(workplace / "run")
    assert numbers["test/acc"] > 0.9 and numbers["task"] == "blink"
    table = pd.read_csv(workplace / "predict" / "predictions.csv")
    assert table["prediction"].tolist() == ["no"]


@pytest.mark.slow
def test_the_task_is_read_live(workplace: Path) -> None:
    table = pd.read_csv(workplace / "live" / "live.csv")
    assert table["text"].tolist() == ["no"] and table["time_s"].tolist() == [3.0]
    printed = (workplace / "printed").read_text()
    assert "1 channels at 10 Hz, windows of 3 s every 0.5 s" in printed


@pytest.mark.long
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
def test_the_task_is_exported_and_tested(workplace: Path) -> None:
    """The library reads the recording as a whole and sample by sample."""
    assert read_metrics(workplace / "test")["test/acc"] > 0.9
    code = (
        "import numpy as np; from unvoiced import Engine, Recognizer\n"
        "eye, recognizer = np.load('../eye.npy'), Recognizer('../m.onnx')\n"
        "engine = Engine(recognizer)\n"
        "for number, frame in enumerate(eye): engine.push(frame, number / 10)\n"
        "print(recognizer.read(eye).label, engine.text)"
    )
    assert run_code(workplace, code).strip() == "no no"
