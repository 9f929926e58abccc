"""The commands of the README pass the checks of a command line."""

import re
import shlex
from pathlib import Path

import pytest

from experiments.launch.command import typed_overrides, validate_overrides
from experiments.launch.schema import validate_configuration
from tests.conftest import ROOT
from tests.launch.commands import composed_command

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(
    command
    for command in set(re.findall(r"^python run\.py ([^#\n`]*?)\s*(?:#.*)?$", README, re.MULTILINE))
    if not re.search(r"-m |resume=|task=blink|--|hydra/launcher", f"{command} ")
)


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 20


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_valid(command: str, tmp_path: Path) -> None:
    arguments = shlex.split(command)
    if "ckpt_path=" in command and "task=" not in command:
        arguments.append("task=asl")
    config = composed_command([*arguments, f"hydra.run.dir={tmp_path / 'run'}"])
    validate_overrides(typed_overrides(config), config)
    config.run_dir = str(tmp_path)
    validate_configuration(config)
