"""The parts of the page in HTML. All that comes from outside is escaped."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape as escape_html
from importlib.resources import files

import cv2
import numpy as np

from unvoiced.tasks import get_task
from unvoiced.text import escape_controls
from unvoiced.vision.images import limit_side

UNSURE = "nothing was sure enough to be written"
TYPING_BUTTONS = """
      <button type="button" id="uv-space">Space</button>
      <button type="button" id="uv-backspace">Backspace</button>"""
SHOWN = 12  # classes in words, before they are only counted
SEEN_PX = 320  # the longer side of what is sent back of each frame
JPEG_QUALITY = 75


def words(label: str) -> str:
    """A class or text as it is written and spoken: sets name their phrases with underscores."""
    return escape_controls(label.replace("_", " "))


def escape(text: str) -> str:
    """Return the text without markup and control characters."""
    return escape_html(escape_controls(text))


def own_file(name: str) -> str:
    """The text of a file of this package."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def header(task: str, classes: Sequence[str], note: str, told: str) -> str:
    """Return what the page is for, what its model can read, and what it was trained on.

    Args:
        task: of the model.
        classes: that it tells apart.
        note: for visitors, in plain words.
        told: of the model file, for those who know such models.
    """
    more = f"<details><summary>More about the model</summary><p>{escape(told)}</p></details>"
    return (
        f'<header class="uv"><h1>{get_task(task).title}</h1>'
        f'<p class="uv-told">{escape(note)}</p>{_known(classes)}{more if told else ""}</header>'
    )


def _known(classes: Sequence[str]) -> str:
    """Return the classes as a sentence; many of them are folded away."""
    classes = [words(name) for name in classes]
    letters = [name for name in classes if len(name) == 1]
    if len(letters) == 26:
        rest = [name for name in classes if len(name) > 1]
        more = f", and {', '.join(map(escape, rest))}" if rest else ""
        return f"<p>It knows the letters A to Z{more}.</p>"
    listed = ", ".join(map(escape, classes))
    if len(classes) <= SHOWN:
        return f"<p>It knows {listed}.</p>" if classes else ""
    count = f"It knows {len(classes):,} words and phrases."
    return f"<details><summary>{count}</summary><p>{listed}.</p></details>"


def camera_panel(task: str) -> str:
    """The camera, what the model makes of it, and the text; page.js brings it to life."""
    spec = get_task(task)
    return (
        own_file("camera.html")
        .replace("{hint}", spec.hint)
        .replace("{nothing}", spec.not_found)
        .replace("{unsure}", spec.not_sure)
        .replace("{keys}", TYPING_BUTTONS if spec.has_joined_labels else "")
    )


def bars(top: Sequence[tuple[str, float]]) -> str:
    """The likeliest few with bars: a list that is read as text too."""
    rows = "".join(
        f'<li><span class="uv-name">{escape(words(label)) or "no words"}</span>'
        f'<span class="uv-bar" aria-hidden="true"><i style="width:{100 * p:.0f}%"></i></span>'
        f"<span>{100 * p:.0f} %</span></li>"
        for label, p in top
    )
    name = "How sure the model is" if len(top) == 1 else "The likeliest three"
    return f'<ol class="uv-top" aria-label="{name}">{rows}</ol>' if rows else ""


def text_panel(text: str, done: bool = True, empty: str = UNSURE) -> str:
    """Return the text of an upload with its buttons; ``empty`` stands where there is none."""
    buttons = "".join(
        f'<button type="button" data-uv="{name}">{label}</button>'
        for name, label in (("speak", "Speak"), ("copy", "Copy"))
    )
    nothing = empty if done else "nothing yet"
    shown = escape(words(text)) or f'<span class="uv-faint">{nothing}</span>'
    return (
        f'<section class="uv-said" aria-label="Text"><p class="uv-text" role="log">{shown}</p>'
        f'<div class="uv-row">{buttons if done and text else ""}</div></section>'
    )


def alert(sentence: str) -> str:
    """What went wrong."""
    return f'<div class="uv"><p class="uv-alert" role="alert">{escape(sentence)}</p></div>'


def notice(sentence: str) -> str:
    """What is going on."""
    return f'<div class="uv" aria-busy="true"><p role="status">{escape(sentence)}</p></div>'


def picture(pixels: np.ndarray, alt: str, longest: int = 640) -> str:
    """A (H, W, 3) uint8 picture, red first, within the page."""
    return f'<img class="uv-seen" alt="{escape(alt)}" src="{data_url(pixels, longest)}">'


def data_url(pixels: np.ndarray, longest: int = SEEN_PX) -> str:
    """A (H, W, 3) uint8 picture as a small JPEG that travels within text."""
    small = cv2.cvtColor(limit_side(pixels, longest), cv2.COLOR_RGB2BGR)
    _, content = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(content.tobytes()).decode()
