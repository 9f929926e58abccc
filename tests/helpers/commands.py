"""Run commands in this process up to their error message."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf, open_dict

from experiments.checkpoints.resume import merge_saved_overrides
from experiments.launch.command import validate_command
from experiments.launch.errors import USER_ERRORS, explain
from experiments.launch.overrides import prepare_arguments
from experiments.launch.resolvers import register_resolvers
from experiments.stages import run_stage
from tests.helpers.paths import ROOT

LIST = ROOT / "tests" / "experiments" / "launch" / "bad_commands.txt"
LIMIT_S = 30  # for a command that is not refused, and runs


def read_bad_commands() -> list[tuple[str, str]]:
    """Return the listed bad commands, each with a part of its error message."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    pairs = (line.split(" => ") for line in lines if line and not line.startswith("#"))
    return [(command, fragment.strip()) for command, fragment in pairs]


def read_good_commands() -> list[str]:
    """Return the listed commands that must be accepted."""
    lines = LIST.with_name("good_commands.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def run_until_refused(command: str, folder: Path) -> str:
    """Run a command and return its error message, empty if it succeeds.

    Raises:
        Exception: any error that the program would show with a traceback.
    """
    given = shlex.split(command)
    if not any(one.startswith(("hydra.run.dir=", "resume=")) for one in given):
        given.append(f"hydra.run.dir={folder}")
    before = signal.signal(signal.SIGALRM, _raise_timeout)
    signal.alarm(LIMIT_S)
    try:
        return _run(given)
    except SystemExit as end:
        return str(end.code)
    except USER_ERRORS as error:
        return explain(error)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def compose_arguments(arguments: list[str]) -> Any:
    """Return the configuration of a command with Hydra's own settings."""
    register_resolvers()
    prepared = prepare_arguments(arguments, merge_saved_overrides)
    with initialize_config_dir(str(ROOT / "conf")):
        return compose("config", prepared, return_hydra_config=True)


def _run(given: list[str]) -> str:
    config = compose_arguments(given)
    validate_command(config)
    with open_dict(config):
        config.run_dir = config.hydra.run.dir
        del config["hydra"]
    OmegaConf.resolve(config)
    run_stage(config)
    return ""


def _raise_timeout(*_: Any) -> None:
    raise AssertionError(f"the command was not refused within {LIMIT_S} s")
