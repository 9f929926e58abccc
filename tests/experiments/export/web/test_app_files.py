"""The files of the web app, as Python writes them; browsers are tested in test_web_browser.py."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from experiments.export.web import app_files
from experiments.export.web.about import require_web_stream
from experiments.export.web.app import write_app
from experiments.export.web.app_files import AppSource, collect_modules
from experiments.export.web.folder import write_folder
from experiments.export.web.libraries import LIBRARY_FILES
from experiments.export.web.one_file import write_one_file
from experiments.stages.export import explain_opening
from tests.helpers.web_apps import make_source, write_pointing_network
from unvoiced.tasks import get_task, list_tasks
from unvoiced.vision.hands import CLOSE_UP_ATTEMPTS, SEARCH_ATTEMPTS, VIDEO_BORDERS


@pytest.fixture(autouse=True)
def small_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put small files in the place of the libraries."""
    paths = {file.name: tmp_path / file.name for file in LIBRARY_FILES}
    for name, path in paths.items():
        path.write_text(f"// {name}\n")
    monkeypatch.setattr(app_files, "locate_libraries", lambda: paths)


@pytest.fixture
def source(tmp_path: Path) -> AppSource:
    detector = tmp_path / "hand_landmarker.task"
    detector.write_text("small")
    return replace(make_source(tmp_path), detector_path=str(detector))


def test_the_command_that_opens_a_folder_is_quoted() -> None:
    quoted = "--directory 'Zeichen für #1 50%?' 8000"
    assert quoted in explain_opening("web", Path("Zeichen für #1 50%?"))


def test_a_folder_holds_the_app_and_the_worker_lists_all_of_it(source, tmp_path: Path) -> None:
    folder = tmp_path / "app"
    assert "MB of files" in write_folder(source, folder)
    paths = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    listed = set(json.loads(re.search(r"FILES = (\[.*\]);", (folder / "sw.js").read_text())[1]))
    assert paths - listed == {"README.txt", "index.html", "sw.js"}
    assert listed - paths == {"./"}  # the address of index.html
    about = json.loads((folder / "model/about.json").read_text())
    assert about["classes"] == list("ABCL") and about["app"]["settings"]["hold_s"] == 0.3
    detector = about["app"]["detector"]
    assert detector["search_attempts"] == [list(one) for one in SEARCH_ATTEMPTS]
    assert detector["close_up_attempts"] == [list(one) for one in CLOSE_UP_ATTEMPTS]
    assert detector["video_borders"] == list(VIDEO_BORDERS)
    assert (folder / "model/network.onnx").read_bytes() == source.network
    manifest = json.loads((folder / "manifest.webmanifest").read_text())
    assert {icon["purpose"] for icon in manifest["icons"]} == {"any", "maskable"}
    licenses = (folder / "LICENSES.txt").read_text()
    assert "Apache License" in licenses and "MIT License" in licenses
    for package in ("mediapipe", "onnxruntime"):  # what they are built with, such as Eigen
        assert f"Notices of third parties in {package}" in licenses
    assert licenses.count("Eigen") > 1 and "no notices" not in licenses
    icon = cv2.imdecode(np.fromfile(folder / "icon-512.png", np.uint8), cv2.IMREAD_COLOR)
    assert icon.shape == (512, 512, 3)


def test_an_app_is_replaced_and_other_files_stay(source, tmp_path: Path) -> None:
    folder = tmp_path / "app"
    write_folder(source, folder)
    (folder / "CNAME").write_text("mine")
    before = (folder / "sw.js").read_text()
    write_folder(replace(source, note="Another one."), folder)
    assert (folder / "CNAME").read_text() == "mine"
    assert "Another one." in (folder / "index.html").read_text()
    assert (folder / "sw.js").read_text() != before  # browsers notice the new version
    write_folder(source, folder)
    assert (folder / "sw.js").read_text() == before  # the same content has the same version


def test_texts_of_the_model_are_no_markup(source, tmp_path: Path) -> None:
    write_folder(source, tmp_path / "app")
    index = (tmp_path / "app/index.html").read_text()
    assert "A note with &lt;markup&gt;." in index and "a &lt;hand&gt; points" in index
    assert "style=" not in index and "onclick" not in index
    assert "uv-feedback" not in index  # the app has no answer to corrections yet


def test_one_file_runs_only_its_own_scripts(source, tmp_path: Path) -> None:
    path = tmp_path / "letters.html"
    assert "one file of" in write_one_file(source, path)
    text = path.read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert "unsafe-inline" not in policy and policy.count("'sha256-") == 4
    assert set(re.findall(r'data-part="([^"]+)"', text)) > {"app.js", "model/network.onnx"}
    assert 'data-part="LICENSES.txt"' in text and "src=" not in text.replace("data-part", "")


def test_modules_import_only_modules_of_the_app() -> None:
    modules = collect_modules()
    assert {"app.js", "engine.js", "camera_panel.js", "worker.js"} < modules.keys()
    assert "server_answerer.js" not in modules and "page.js" not in modules
    for name, content in modules.items():
        text = content.decode()
        assert not re.search(r"\beval\(|innerHTML|https?://[a-z]", text), name
        static = re.findall(r'^(?:import|export) .*from "([^"]+)"', text, re.MULTILINE)
        assert {one.removeprefix("./") for one in static} <= modules.keys(), name


@pytest.mark.parametrize("task", list_tasks())
def test_each_task_has_an_app_or_a_reason(task: str) -> None:
    if get_task(task).has_camera:
        require_web_stream(task, "export.format=web")
        return
    with pytest.raises(ValueError, match=rf"task={task} reads a signal"):
        require_web_stream(task, "export.format=web")


def test_outputs_that_an_app_would_destroy_are_refused(compose_config, tmp_path: Path) -> None:
    network = write_pointing_network(tmp_path / "letters.onnx")
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter.tex").write_text("mine")

    def export(output: Path, *overrides: str) -> Any:
        config = compose_config("task=asl", "stage=export", f"ckpt_path={network}", *overrides)
        return write_app(config, "web", output)

    with pytest.raises(ValueError, match="holds other files"):
        export(folder)
    with pytest.raises(ValueError, match="is a file; expected a folder"):
        export(folder / "chapter.tex")
    with pytest.raises(ValueError, match="is exported already"):
        export(tmp_path / "app", "export.quantize=int8")
    with pytest.raises(ValueError, match=r"input_reader.* is for stage=predict"):
        export(tmp_path / "app", "+input_reader.fps=3")
    with pytest.raises(ValueError, match="keep_probability"):
        export(tmp_path / "app", "live.min_probability=0.1")
    assert [path.name for path in folder.iterdir()] == ["chapter.tex"]


def test_an_exported_file_becomes_an_app(compose_config, tmp_path: Path, hand_model_file) -> None:
    network = write_pointing_network(tmp_path / "letters.onnx")
    overrides = ("live.hold_s=0.7", "input_reader.min_confidence=0.4")
    config = compose_config("task=asl", "stage=export", f"ckpt_path={network}", *overrides)
    write_app(config, "web", tmp_path / "app")
    app = json.loads((tmp_path / "app/model/about.json").read_text())["app"]
    assert app["settings"]["hold_s"] == 0.7 and app["detector"]["min_confidence"] == 0.4
