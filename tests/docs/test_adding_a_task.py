"""The task of docs/adding-a-task.md works from its own files."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.helpers.command_line import run_command
from tests.helpers.paths import ROOT

PAGE = (ROOT / "docs" / "adding-a-task.md").read_text(encoding="utf-8")
PACKAGES = ("conf", "unvoiced", "experiments", "modules", "datamodules", "callbacks")


def copy_checkout_with_task(checkout: Path) -> None:
    """Copy the checkout and add the files of the page: at most 4, with at most 120 lines."""
    files = re.findall(r"`(\S+)`\n\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert 0 < len(files) <= 4
    assert sum(content.count("\n") for _, content in files) <= 120
    for package in PACKAGES:
        shutil.copytree(ROOT / package, checkout / package)
    shutil.copy(ROOT / "run.py", checkout)
    for name, content in files:
        assert not (checkout / name).exists()
        (checkout / name).write_text(content)


def train(folder: Path) -> Path:
    """Run the training command of the page and return the run folder."""
    copy_checkout_with_task(folder / "checkout")
    command = re.search(r"```\npython run.py (task=.*)\n", PAGE)
    assert command
    run_in_checkout(folder, *command[1].split(), f"hydra.run.dir={folder / 'run'}")
    return folder / "run"


def run_in_checkout(folder: Path, *arguments: str) -> None:
    done = run_command(*arguments, cwd=folder / "checkout")
    assert done.returncode == 0, done.stderr


def test_a_task_from_the_files_of_the_page(tmp_path: Path) -> None:
    numbers = json.loads((train(tmp_path) / "metrics.json").read_text())
    assert numbers["test/acc"] > 0.9 and numbers["task"] == "blink"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["m.onnx", "m.pth"])
def test_the_task_is_exported_and_tested(tmp_path: Path, name: str) -> None:
    checkpoint, model = train(tmp_path) / "checkpoints" / "best.ckpt", tmp_path / name
    run = tmp_path / "test"
    run_in_checkout(tmp_path, "stage=export", f"ckpt_path={checkpoint}", f"output={model}")
    run_in_checkout(tmp_path, "stage=test", f"ckpt_path={model}", f"hydra.run.dir={run}")
    assert json.loads((run / "metrics.json").read_text())["test/acc"] > 0.9
