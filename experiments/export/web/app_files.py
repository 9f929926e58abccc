"""The files of the app: modules, libraries, model and page."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2

from experiments.export.web.about import describe_app, get_web_stream
from experiments.export.web.icons import draw_icon
from experiments.export.web.libraries import locate_libraries
from experiments.export.web.licenses import LICENSE_FILE, write_licenses
from experiments.export.web.markup import CLASSIC_SCRIPTS, read_web_file
from experiments.export.web.words import pack_english
from unvoiced.tasks import get_task, import_object

# Of page and worker.
FIRST_MODULES = ("app.js", "engine.js", "frames.js", "teacher.js", "wasm_memory.js")
WORKER = "worker.js"
IMPORTED_MODULE = re.compile(r'^(?:import .*?|\} )from "\./([\w.-]+)";$', re.MULTILINE)
ICON_SIDES = (192, 512)
EXAMPLE_QUALITY = 60  # of a drawing in WebP, percent


@dataclass(frozen=True)
class AppSource:
    """The model of an app, and how it reads.

    Attributes:
        network: content of the exported file.
        metadata: its facts.
        settings: with which the task's stream decides.
        min_confidence: from which a detection counts, 0 to 1.
        detector_path: ``input_reader.model``; None for the cache.
        note: on the model, for visitors.
        has_words: words are suggested.
        teaching: the panel in which a visitor teaches the model, as HTML; empty for none.
    """

    network: bytes
    metadata: dict[str, Any]
    settings: dict[str, Any]
    min_confidence: float
    detector_path: str | None
    note: str
    has_words: bool = False
    teaching: str = ""


def collect_parts(source: AppSource) -> dict[str, bytes]:
    """Return the files of the running app, by path: modules, libraries and model."""
    stream = get_web_stream(source.metadata["task"])
    about = describe_app(source.metadata, source.settings, source.min_confidence, source.has_words)
    parts = collect_modules()
    parts |= {f"vendor/{name}": path.read_bytes() for name, path in locate_libraries().items()}
    parts["model/about.json"] = (json.dumps(about, indent=2, allow_nan=False) + "\n").encode()
    parts["model/network.onnx"] = source.network
    parts[f"model/{stream.model_name}"] = stream.locate_model(source.detector_path).read_bytes()
    if source.has_words:
        parts["model/words.bin"] = pack_english()
    return parts | (draw_examples(source.metadata) if source.teaching else {})


def draw_examples(metadata: dict[str, Any]) -> dict[str, bytes]:
    """Return drawings of the classes that have one, by path; a path holds no name of a class."""
    path, drawings = get_task(metadata["task"]).example, {}
    for number, label in enumerate(metadata["classes"]):
        image = import_object(path)(label) if path else None
        if image is not None:
            options = [cv2.IMWRITE_WEBP_QUALITY, EXAMPLE_QUALITY]
            content = cv2.imencode(".webp", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)[1]
            drawings[f"examples/{number}.webp"] = content.tobytes()
    return drawings


def collect_modules() -> dict[str, bytes]:
    """Return the scripts of the app by name: those that the first ones import, and theirs."""
    scripts = {name: read_web_file(name) for name in (*CLASSIC_SCRIPTS, WORKER)}
    waiting = list(FIRST_MODULES)
    while waiting:
        name = waiting.pop()
        if name not in scripts:
            scripts[name] = _read_module(name)
            waiting += IMPORTED_MODULE.findall(scripts[name].decode())
    return dict(sorted(scripts.items()))


def _read_module(name: str) -> bytes:
    """Return a module of the app, or one that it shares with the page of stage=serve."""
    shared = files("experiments.page").joinpath("static", "modules", name)
    return shared.read_bytes() if shared.is_file() else read_web_file(name)


def read_styles() -> dict[str, bytes]:
    """Return the style sheets: that of the page of stage=serve, and the app's own."""
    shared = files("experiments.page").joinpath("static", "page.css")
    return {"page.css": shared.read_bytes(), "app.css": read_web_file("app.css")}


def collect_extras(source: AppSource) -> dict[str, bytes]:
    """Return the files that make an app installable: icons, manifest, licences."""
    title = get_task(source.metadata["task"]).title
    manifest = {
        "name": f"Unvoiced: {title}",
        "short_name": "Unvoiced",
        "description": title,
        "lang": "en",
        "start_url": "./",
        "scope": "./",
        "display": "standalone",
        "background_color": "#ffffff",
        "theme_color": "#0f766e",
        "icons": [
            {"src": f"icon-{side}.png", "sizes": f"{side}x{side}", "type": "image/png"}
            | {"purpose": purpose}
            for side in ICON_SIDES
            for purpose in ("any", "maskable")  # the margin of the drawing may be cut off
        ],
    }
    model_name = get_web_stream(source.metadata["task"]).model_name
    return {
        **{f"icon-{side}.png": draw_icon(side) for side in ICON_SIDES},
        "manifest.webmanifest": (json.dumps(manifest, indent=2) + "\n").encode(),
        LICENSE_FILE: write_licenses(model_name).encode(),
        "README.txt": read_web_file("README.txt"),
    }


def hash_content(contents: dict[str, bytes]) -> str:
    """Return a name of the content of all files."""
    digest = hashlib.sha256()
    for path, content in sorted(contents.items()):
        digest.update(f"{path} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def write_worker_list(version: str, paths: list[str]) -> bytes:
    """Return sw.js with the version and the paths that it keeps for use without a network."""
    text = read_web_file("sw.js").decode().replace("{version}", version)
    return text.replace('["{files}"]', json.dumps(paths)).encode()


def write_files(folder: Path, contents: dict[str, bytes]) -> None:
    """Write files by path below a folder."""
    for path, content in contents.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
