"""HTML of the tab that teaches the model, and of the visitor's profile."""

from __future__ import annotations

import numpy as np

from experiments.page.markup import escape_text, format_label, read_static_file
from unvoiced import Recognizer
from unvoiced.tasks import get_task
from unvoiced.teaching.lesson import MAX_LABELS, list_teachable
from unvoiced.teaching.support import MAX_LABEL, require_fingerprint

KEPT_BY_PAGE = "Only this page keeps them, until you save your profile."
PROBE_FRAMES = 16  # of a clip that shows whether a model gives an embedding
MAX_CHECKED_LABELS = 60  # of a model with more, the visitor chooses some


def explain_no_profile(recognizer: Recognizer) -> str:
    """Return why the model can have no profile, as a sentence; empty if it can."""
    try:
        require_fingerprint(recognizer)
        frame = recognizer.metadata["frame"]
        if get_task(recognizer.task).capturer:
            count = recognizer.metadata["input"].get("frames") or PROBE_FRAMES
            frames = np.zeros((count, *frame["shape"]), frame["dtype"])
            recognizer.with_profile(None).embed(frames)
    except ValueError as error:
        return str(error)
    return ""


def render_profile(reason: str) -> str:
    """Return the buttons of the visitor's profile, or the reason why there is none."""
    if reason:
        return f'<p class="uv uv-faint">No profiles: {escape_text(reason)}</p>'
    return read_static_file("profile.html")


def render_teaching(recognizer: Recognizer, reason: str, kept: str = KEPT_BY_PAGE) -> str:
    """Return the tab in which a visitor teaches the model; lesson_panel.js runs it.

    Args:
        recognizer: the model.
        reason: why there is no profile; empty if there can be one.
        kept: where recordings are kept, as a sentence.
    """
    if reason:
        return render_profile(reason)
    spec, labels = get_task(recognizer.task), list_teachable(recognizer)
    return (
        read_static_file("teach.html")
        .replace("{profile}", render_profile(""))
        .replace("{hint}", escape_text(f"{spec.teaching_hint} {kept}"))
        .replace("{not_found}", escape_text(spec.not_found))
        .replace("{has_example}", "yes" if spec.example else "")
        .replace("{max_label}", str(MAX_LABEL))
        .replace("{max_labels}", str(MAX_LABELS))
        .replace("{labels}", _render_choices(labels))
    )


def _render_choices(labels: list[str]) -> str:
    """Return a box to tick for each class; those of large models are not ticked."""
    checked = " checked" if len(labels) <= MAX_CHECKED_LABELS else ""
    return "".join(
        f'<label><input type="checkbox" name="uv-label" value="{escape_text(label)}"{checked}> '
        f"{escape_text(format_label(label))}</label>"
        for label in labels
    )
