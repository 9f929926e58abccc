"""The examples of docs/api.md run as they are written."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason='no Gradio: pip install -e ".[serve]"')

from experiments.page.api.messages import Message, ModelFacts, ReadAnswer
from tests.helpers.pages import PointingNetwork, encode_jpeg, paint_pointing_hand, serve_page
from tests.helpers.paths import ROOT
from unvoiced import Recognizer

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
STATED = "127.0.0.1:7860"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, hand_model_file: Path) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("kept")
    with serve_page(Recognizer(PointingNetwork()), folder) as address:
        yield address.removeprefix("http://")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which examples run, with photo.jpg."""
    (tmp_path / "photo.jpg").write_bytes(encode_jpeg(paint_pointing_hand("L")))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def find_example(language: str, address: str) -> str:
    [code] = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert STATED in code
    return code.replace(STATED, address)


def run_program(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_curl(address: str) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    facts, answer = run_program("bash", "-ec", find_example("bash", address)).split("}{")
    assert ModelFacts.model_validate_json(facts + "}").task == "asl"
    assert ReadAnswer.model_validate_json("{" + answer).label == "L"
    [shown] = re.findall(r'^{"label".*$', PAGE, re.MULTILINE)
    assert json.loads(shown).keys() == json.loads("{" + answer).keys()


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_python(address: str, capsys: pytest.CaptureFixture) -> None:
    exec(compile(find_example("python", address), "api.md", "exec"), {})
    read, *events, text = capsys.readouterr().out.splitlines()
    assert read.startswith("L ") and "started L" in events and text == "L"


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_javascript(address: str, folder: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node")
    version = int(run_program(node, "--version").lstrip("v").partition(".")[0])
    flags = [] if version >= 22 else ["--experimental-websocket"]
    path = folder / "example.mjs"
    path.write_text(find_example("js", address), encoding="utf-8")
    read, *events, text = run_program(node, *flags, "--no-warnings", str(path)).splitlines()
    assert read.startswith("L ") and "started L" in events and text == "L"


def test_every_message_is_described() -> None:
    for kind in Message.__args__:
        name = kind.model_fields["type"].annotation.__args__[0]
        assert f'"type": "{name}"' in PAGE, name
