"""Command lines with mistakes: one sentence each, before anything is written."""

import random
from pathlib import Path

import pytest

from experiments.launch.command import validate_command
from experiments.launch.trainer_checks import check_trainer
from tests.helpers.command_line import run_command
from tests.helpers.commands import (
    compose_arguments,
    read_bad_commands,
    read_good_commands,
    run_until_refused,
)

COMMANDS = read_bad_commands()
SAMPLE = random.Random(0).sample(COMMANDS, 12)


def check_refusal(command: str, fragment: str, folder: Path) -> None:
    sentence = run_until_refused(command, folder / "run")
    assert fragment in sentence
    assert "\n" not in sentence.strip().split("\n(HYDRA")[0]
    assert not (folder / "run").exists()


def test_the_list_has_enough_commands() -> None:
    assert len(COMMANDS) >= 200
    assert len({command for command, _ in COMMANDS}) == len(COMMANDS)


@pytest.mark.parametrize(("command", "fragment"), SAMPLE)
def test_a_sample_of_bad_commands_is_refused(command: str, fragment: str, tmp_path: Path) -> None:
    check_refusal(command, fragment, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("command", "fragment"), COMMANDS)
def test_all_bad_commands_are_refused(command: str, fragment: str, tmp_path: Path) -> None:
    check_refusal(command, fragment, tmp_path)


@pytest.mark.parametrize("argument", ["net.hidden_size=0", "seed=[1", "+foo=1"])
def test_the_program_ends_without_a_traceback(argument: str, tmp_path: Path) -> None:
    done = run_command(argument, f"hydra.run.dir={tmp_path / 'run'}")
    assert done.returncode == 1
    assert done.stderr.startswith("\nerror: ") and "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", read_good_commands())
def test_unusual_settings_that_make_sense_are_accepted(command: str, tmp_path: Path) -> None:
    config = compose_arguments([*command.split(), f"hydra.run.dir={tmp_path / 'run'}"])
    validate_command(config)
    check_trainer(config)
