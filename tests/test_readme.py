"""The README keeps its word: its task works, and its choices are the ones that exist."""

import json
import re
import shutil
from pathlib import Path

from tests.conftest import ROOT, command_line

README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return README.split(f"## {title}\n")[1].split("\n## ")[0]


def test_add_a_task_from_nothing_but_the_readme(tmp_path: Path) -> None:
    """The files of the section, in a copy of the checkout: at most 4, at most 120 lines."""
    files = re.findall(r"`(\S+)`\n\n```\w+\n(.*?)```", section("Add a task"), re.DOTALL)
    assert 0 < len(files) <= 4
    assert sum(content.count("\n") for _, content in files) <= 120
    checkout = tmp_path / "checkout"
    rooms = ("conf", "unvoiced", "experiments", "modules", "datamodules", "callbacks")
    for room in rooms:
        shutil.copytree(ROOT / room, checkout / room)
    shutil.copy(ROOT / "run.py", checkout)
    for name, content in files:
        assert not (checkout / name).exists()
        (checkout / name).write_text(content)

    command = re.search(r"```\npython run.py (task=.*)\n", section("Add a task"))
    assert command
    arguments = command[1].split()
    done = command_line(*arguments, f"hydra.run.dir={tmp_path / 'run'}", cwd=checkout)
    assert done.returncode == 0, done.stderr
    numbers = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert numbers["test/acc"] > 0.9 and numbers["task"] == "blink"


def test_every_choice_that_the_readme_names_exists() -> None:
    for group in ("reader", "split", "experiment", "trainer", "task", "logger"):
        for name in re.findall(rf"(?<!\S){group}=(\w+)", README):
            assert (ROOT / "conf" / group / f"{name}.yaml").exists() or name == "blink", name
