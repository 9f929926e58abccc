"""The package of docs/extending.md works from outside the checkout."""

from __future__ import annotations

import importlib
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from experiments.launch.settings.signatures import list_arguments
from tests.helpers.command_line import run_commands
from tests.helpers.documented_commands import find_commands
from tests.helpers.paths import ROOT
from tests.helpers.runs import read_metrics

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
COMMANDS = find_commands(PAGE)
FILES = re.findall(r"`(\S+)`\n\n```\w+\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder with the files of the page, and the package on the import path."""
    for name, content in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "my_project/mylab/__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "my_project")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "mylab"]:
        del sys.modules[name]


def test_the_page_names_every_file(workplace: Path) -> None:
    listed = re.findall(r"^my_project/\S+", PAGE, re.MULTILINE)
    written = [
        str(path.relative_to(workplace)) for path in workplace.rglob("*.*") if path.is_file()
    ]
    assert sorted(listed) == sorted(name for name in written if "pycache" not in name)
    for name in ("metrics.MatthewsModule", "callbacks.WeightNorms", "nets.HandMLP"):
        module, _, kind = name.partition(".")
        assert list_arguments(getattr(importlib.import_module(f"mylab.{module}"), kind))[0]


@pytest.mark.slow
def test_the_commands_of_the_page_run(workplace: Path) -> None:
    commands = [
        place_command(number, command, workplace) for number, command in enumerate(COMMANDS)
    ]
    done = run_commands(commands, partial(sys.path.append, f"{workplace}/my_project"))
    assert done.returncode == 0, done.stderr
    check_results(workplace)


def place_command(number: int, command: str, folder: Path) -> list[str]:
    """Return the arguments of a command of the page, with files of a folder, and brief."""
    places = re.compile(r"my_project/|mylab_run|mylab\.onnx")
    arguments = shlex.split(places.sub(lambda found: f"{folder}/{found[0]}", command))
    arguments += ["size=tiny"] if "stage" in command else ["debug=smoke"]
    if "hydra.run.dir" not in command and "resume" not in command:
        arguments.append(f"hydra.run.dir={folder / str(number)}")
    return arguments


def check_results(folder: Path) -> None:
    assert {"val/mcc"} <= {*pd.read_csv(folder / "0" / "metrics.csv")}
    assert "test/mcc" in read_metrics(folder / "0")
    norms = pd.read_csv(folder / "1" / "norms.csv", names=["epoch", "weight", "norm"])
    assert set(norms["epoch"]) == {1, 2} and (norms["norm"] >= 0).all()
    assert (folder / "2" / "confidence.png").stat().st_size > 1000
    assert (folder / "mylab.onnx").is_file()
    shutil.rmtree(folder / "my_project")  # an exported model needs no package
    from unvoiced import Recognizer

    assert Recognizer(folder / "mylab.onnx").task == "asl"
