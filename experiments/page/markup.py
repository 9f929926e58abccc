"""HTML fragments of the page; text from outside is escaped."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import ascii_uppercase

import cv2
import numpy as np

from unvoiced.tasks import get_task
from unvoiced.text import escape_controls
from unvoiced.vision.images import limit_side

NOT_SURE = "nothing was sure enough to be written"
TYPING_BUTTONS = """
      <button type="button" id="uv-space">Space</button>
      <button type="button" id="uv-backspace">Backspace</button>"""
MAX_LISTED_CLASSES = 12  # more are folded away
CAMERA_IMAGE_SIZE, UPLOAD_IMAGE_SIZE = 320, 640  # pixels of the longer side


def format_label(label: str) -> str:
    """Return a class or text as it is written and spoken, without underscores."""
    return escape_controls(label.replace("_", " "))


def escape_text(text: str) -> str:
    """Return text without markup and control characters."""
    return escape(escape_controls(text))


def read_static_file(name: str) -> str:
    """Return the text of a file in ``static/``."""
    return files(__package__).joinpath("static", name).read_text(encoding="utf-8")


def render_header(task: str, classes: Sequence[str], note: str, training_note: str) -> str:
    """Return the title, the classes of the model and its training data.

    Args:
        task: of the model.
        classes: of the model.
        note: on the model, for visitors.
        training_note: on the training data, for experts.
    """
    details = f"<summary>More about the model</summary><p>{escape_text(training_note)}</p>"
    return (
        f'<header class="uv" id="uv-header"><h1>{get_task(task).title}</h1>'
        f'<p class="uv-note">{escape_text(note)}</p>{_render_classes(classes)}'
        f"{f'<details>{details}</details>' if training_note else ''}</header>"
    )


def _render_classes(classes: Sequence[str]) -> str:
    """Return a sentence on the classes; many of them are folded away."""
    names = [escape_text(format_label(name)) for name in classes]
    words = [name for name in names if name not in set(ascii_uppercase)]
    if set(ascii_uppercase) <= set(names):
        return f"<p>It knows the letters A to Z{', and ' * bool(words)}{', '.join(words)}.</p>"
    if len(names) > MAX_LISTED_CLASSES:
        count = f"It knows {len(names):,} words and phrases."
        return f"<details><summary>{count}</summary><p>{', '.join(names)}.</p></details>"
    return f"<p>It knows {', '.join(names)}.</p>" if names else ""


def render_camera(
    task: str,
    has_corrections: bool = True,
    has_suggestions: bool = False,
    has_self_test: bool = False,
    phrases: Sequence[str] = (),
) -> str:
    """Return the panel with the camera, the predictions and the text; panels.js runs it.

    Args:
        task: of the model.
        has_corrections: wrong answers can be corrected.
        has_suggestions: words are suggested for spelled letters. Otherwise the row of suggestions
            is hidden until an answer has some.
        has_self_test: the program examines the camera's images.
        phrases: quick phrases of all visitors.
    """
    spec = get_task(task)
    return (
        read_static_file("camera.html")
        .replace("{hint}", spec.hint)
        .replace("{not_found}", spec.not_found)
        .replace("{not_sure}", spec.not_sure)
        .replace("{feedback}", render_feedback("camera") if has_corrections else "")
        .replace("{self_test}", read_static_file("diagnosis.html") if has_self_test else "")
        .replace("{keys}", TYPING_BUTTONS if spec.has_joined_labels else "")
        .replace("{hides_suggestions}", "" if has_suggestions else " hidden")
        .replace("{writing}", render_writing(has_suggestions and spec.has_joined_labels))
        .replace("{hides_phrases}", "" if phrases else " hidden")
        .replace("{phrases}", "".join(map(_render_phrase, phrases)))
    )


def _render_phrase(phrase: str) -> str:
    return f'<button type="button" data-shared>{escape_text(phrase)}</button>'


def render_writing(has_words: bool) -> str:
    """Return the history, the voice, and the lists of a visitor's own phrases and words."""
    words = read_static_file("words.html") if has_words else ""
    return (
        read_static_file("writing.html")
        .replace("{words}", words)
        .replace("{and_words}", " and words of your own" if has_words else "")
    )


def render_feedback(source: str) -> str:
    """Return the control that corrects the last answer; feedback_panel.js runs it.

    Args:
        source: ``camera`` or ``upload``.
    """
    return read_static_file("feedback.html").replace("{source}", source)


def render_bars(top: Sequence[tuple[str, float]]) -> str:
    """Return the best predictions as bars, in a list for screen readers."""
    rows = "".join(
        f'<li><span class="uv-name">{escape_text(format_label(label)) or "no words"}</span>'
        f'<span class="uv-bar" aria-hidden="true"><i style="width:{100 * p:.0f}%"></i></span>'
        f"<span>{100 * p:.0f} %</span></li>"
        for label, p in top
    )
    name = "How sure the model is" if len(top) == 1 else "The likeliest three"
    return f'<ol class="uv-top" aria-label="{name}">{rows}</ol>' if rows else ""


def render_text(text: str, done: bool = True, empty: str = NOT_SURE) -> str:
    """Return the text of an upload with its buttons; ``empty`` replaces an empty text."""
    buttons = "".join(
        f'<button type="button" data-uv="{name}">{label}</button>'
        for name, label in (("speak", "Speak"), ("copy", "Copy"))
    )
    placeholder = f'<span class="uv-faint">{empty if done else "nothing yet"}</span>'
    return (
        '<section class="uv-result" aria-label="Text"><p class="uv-text" role="log">'
        f"{escape_text(format_label(text)) or placeholder}</p>"
        f'<div class="uv-row">{buttons if done and text else ""}</div></section>'
    )


def render_alert(sentence: str) -> str:
    """Return an error message."""
    return f'<div class="uv"><p class="uv-alert" role="alert">{escape_text(sentence)}</p></div>'


def render_notice(sentence: str) -> str:
    """Return a message on the work in progress."""
    return f'<div class="uv" aria-busy="true"><p role="status">{escape_text(sentence)}</p></div>'


def render_image(image: np.ndarray, alt: str) -> str:
    """Return an RGB image (H, W, 3) uint8."""
    url = to_data_url(image, UPLOAD_IMAGE_SIZE)
    return f'<img class="uv-seen" alt="{escape_text(alt)}" src="{url}">'


def to_data_url(image: np.ndarray, longest: int = CAMERA_IMAGE_SIZE) -> str:
    """Return an RGB image (H, W, 3) uint8 as a small JPEG in a data URL."""
    small = cv2.cvtColor(limit_side(image, longest), cv2.COLOR_RGB2BGR)
    _, content = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 75])
    return "data:image/jpeg;base64," + base64.b64encode(content.tobytes()).decode()
