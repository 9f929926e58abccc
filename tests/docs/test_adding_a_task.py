"""The task of docs/adding-a-task.md works from its own files."""

import json
import re
import shutil
from pathlib import Path

from tests.conftest import ROOT, command_line

PAGE = (ROOT / "docs" / "adding-a-task.md").read_text(encoding="utf-8")
PACKAGES = ("conf", "unvoiced", "experiments", "modules", "datamodules", "callbacks")


def test_a_task_from_the_files_of_the_page(tmp_path: Path) -> None:
    """The files, at most 4 with at most 120 lines, in a copy of the checkout."""
    files = re.findall(r"`(\S+)`\n\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert 0 < len(files) <= 4
    assert sum(content.count("\n") for _, content in files) <= 120
    checkout = tmp_path / "checkout"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, checkout / package)
    shutil.copy(ROOT / "run.py", checkout)
    for name, content in files:
        assert not (checkout / name).exists()
        (checkout / name).write_text(content)

    command = re.search(r"```\npython run.py (task=.*)\n", PAGE)
    assert command
    arguments = command[1].split()
    done = command_line(*arguments, f"hydra.run.dir={tmp_path / 'run'}", cwd=checkout)
    assert done.returncode == 0, done.stderr
    numbers = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert numbers["test/acc"] > 0.9 and numbers["task"] == "blink"
