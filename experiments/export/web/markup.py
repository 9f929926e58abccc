"""index.html of the app: the page's own markup, without a server."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from experiments.export.web.libraries import RUNTIME_PACKAGE, VISION_PACKAGE
from experiments.page import markup
from unvoiced.tasks import get_task

FOLDER_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; "
    "connect-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; style-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'"
)
FOLDER_HEAD = (
    '<link rel="manifest" href="manifest.webmanifest" crossorigin="use-credentials">\n  '
    '<link rel="icon" href="icon-192.png">\n  '
    '<link rel="apple-touch-icon" href="icon-192.png">\n  '
    '<link rel="stylesheet" href="page.css">\n  '
    '<link rel="stylesheet" href="app.css">'
)
FILE_TEXTS = {  # by whether one image can be read
    True: {
        "file_heading": "An image or a clip from a file",
        "file_label": "Image or clip",
        "file_types": "image/*,video/*",
    },
    False: {
        "file_heading": "A clip from a file",
        "file_label": "Clip",
        "file_types": "video/*",
    },
}
TEACHING_PANEL = (
    '<section class="uv uv-panel" aria-labelledby="uv-teaching">'
    '<h2 id="uv-teaching">Teach it your {}</h2>{}</section>'
)
CLASSIC_SCRIPTS = ("guard.js", "parts.js", "start.js")  # in this order


def read_web_file(name: str) -> bytes:
    """Return a file of ``static/``."""
    return files(__package__).joinpath("static", name).read_bytes()


def render_index(
    metadata: dict[str, Any],
    note: str,
    has_words: bool,
    teaching: str,
    size: str,
    policy: str,
    head: str,
    scripts: str,
) -> str:
    """Return the app's document.

    Args:
        metadata: of the exported network.
        note: on the model, for visitors.
        has_words: words are suggested.
        teaching: the panel in which a visitor teaches the model, as HTML; empty for none.
        size: of the app, in words.
        policy: the content security policy.
        head: links or styles.
        scripts: the elements that start the app.
    """
    task = metadata["task"]
    taught = "words" if get_task(task).has_lips else "signs"
    values = {
        "policy": policy,
        "head": head,
        "title": f"Unvoiced: {get_task(task).title}",
        "header": markup.render_header(
            task, metadata["classes"], note, metadata["training_data_note"]
        ),
        **FILE_TEXTS[get_task(task).has_single_images],
        "camera": markup.render_camera(task, has_corrections=False, has_suggestions=has_words),
        "teaching": TEACHING_PANEL.format(taught, teaching) if teaching else "",
        "size": markup.escape_text(size),
        "libraries": markup.escape_text(f"Libraries: {VISION_PACKAGE} and {RUNTIME_PACKAGE}."),
        "scripts": scripts,
    }
    text = read_web_file("index.html").decode()
    before, *parts = text.split("{")  # a value that holds braces stays as it is
    return before + "".join(_fill_part(part, values) for part in parts)


def _fill_part(part: str, values: dict[str, str]) -> str:
    name, _, rest = part.partition("}")
    return values[name] + rest


def render_folder_scripts() -> str:
    """Return the elements that start the app of a folder."""
    return "\n  ".join(f'<script src="{name}"></script>' for name in CLASSIC_SCRIPTS)
