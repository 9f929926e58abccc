"""The page: Gradio's upload, and a camera panel of its own."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from experiments.page import markup
from experiments.page.corrections import CorrectionStore
from experiments.page.profiles import ProfileStore
from experiments.page.teaching_markup import explain_no_profile, render_profile, render_teaching
from experiments.page.uploads import UploadReader, UploadResult
from experiments.page.writing import PageWriting
from unvoiced.profile import Profile
from unvoiced.readings import Answer
from unvoiced.tasks import get_task
from unvoiced.text import escape_controls

LOGGER = logging.getLogger(__name__)
CLEANUP_S = (30, 300)  # how often Gradio looks for old uploads, and their age, seconds
QUEUE_POLL_S = 0.02  # seconds between looks at the queue of uploads; Gradio's own is 0.001
MAX_DRAWN_POINTS = 2000  # per channel
SIGNAL_COLOR, AXIS_COLOR = "#0d9488", "#7c8aa0"  # readable on white and on black
ADD_KEYS = """async (file) => [file, await window.unvoiced.requireProfileKey(),
await window.unvoiced.requireFeedbackKey()]"""
PLAIN_HTML: dict[str, Any] = {"apply_default_css": False, "container": False, "padding": False}


def make_theme() -> gr.themes.Base:
    """Return a calm theme with the fonts of the machine, without downloads."""
    fonts = ["system-ui", "Segoe UI", "Roboto", "Helvetica", "Arial", "sans-serif"]
    mono = ["ui-monospace", "Menlo", "Consolas", "monospace"]
    return gr.themes.Base(primary_hue="teal", neutral_hue="slate", font=fonts, font_mono=mono)


def build_page(
    recognizer: Any,
    uploads: UploadReader,
    profiles: ProfileStore,
    corrections: CorrectionStore,
    writing: PageWriting,
    settings: dict[str, Any],
    note: str = "",
) -> gr.Blocks:
    """Return the page for the recognizer's task.

    Args:
        recognizer: the model.
        uploads: reads uploaded files.
        profiles: the visitors' profiles.
        corrections: of the visitors.
        writing: suggests words.
        settings: ``serve`` of the configuration.
        note: on the model, for visitors.
    """
    task, spec = recognizer.task, get_task(recognizer.task)
    title = f"Unvoiced: {spec.title}"
    page = gr.Blocks(title=title, analytics_enabled=False, delete_cache=CLEANUP_S)
    with page:
        header = markup.render_header(task, recognizer.classes, note, recognizer.training_data_note)
        gr.HTML(header, **PLAIN_HTML)
        reason = explain_no_profile(recognizer)
        if spec.has_camera:
            with gr.Tabs(overflow_behavior="wrap"):  # a menu would hide tabs on phones
                with gr.Tab("Camera"):
                    camera = markup.render_camera(
                        task,
                        has_suggestions=writing.make_composer(recognizer) is not None,
                        has_self_test=bool(spec.examination),
                        phrases=writing.phrases,
                    )
                    gr.HTML(camera, **PLAIN_HTML)
                with gr.Tab("Image or clip" if spec.has_single_images else "Clip"):
                    _add_upload_panel(task, uploads, profiles, corrections, settings)
                with gr.Tab("Teach it"):
                    gr.HTML(render_teaching(recognizer, reason), **PLAIN_HTML)
        else:
            _add_upload_panel(task, uploads, profiles, corrections, settings)
            gr.HTML(render_profile(reason), **PLAIN_HTML)
    page.queue(
        max_size=settings["queue"], default_concurrency_limit=settings["readers"], api_open=False
    )
    page._queue.sleep_when_free = QUEUE_POLL_S
    return page


def _add_upload_panel(
    task: str,
    uploads: UploadReader,
    profiles: ProfileStore,
    corrections: CorrectionStore,
    settings: dict[str, Any],
) -> None:
    """Add a file input, and below it the result."""
    spec = get_task(task)
    accepted = spec.upload_description or spec.input_description
    limits = f"at most {settings['max_upload_mb']:g} MB, {settings['max_upload_s']:g} s"
    sentence = f"Choose {accepted}: {limits}. It is deleted once it is read."
    gr.HTML(f'<p class="uv uv-faint">{markup.escape_text(sentence)}</p>', **PLAIN_HTML)
    file = gr.File(label="File", file_types=list(spec.files), height=170, elem_id="uv-upload")
    output = gr.HTML("", elem_id="uv-output", **PLAIN_HTML)

    gr.HTML(markup.render_feedback("upload"), **PLAIN_HTML)
    keys = [gr.Textbox("", visible=False) for _ in range(2)]  # the page's scripts fill them

    def read_file(path: str | None, profile_key: str, key: str) -> Iterator[tuple[Any, str]]:
        get_profile = partial(profiles.get, profile_key) if profile_key else no_profile

        def offer_answer(answer: Answer | None) -> None:
            profile = get_profile()
            classes = profiles.recognizer.classes if profile is None else list(profile.classes)
            corrections.offer_answer(key, answer, classes)

        yield from read_upload(uploads, task, path, get_profile, offer_answer)

    file.upload(
        read_file,
        [file, *keys],
        [file, output],
        show_progress="minimal",
        api_name="read",
        js=ADD_KEYS,
    )


def no_profile() -> None:
    """Return no profile: the model alone answers."""


def read_upload(
    uploads: UploadReader,
    task: str,
    path: str | None,
    get_profile: Callable[[], Profile | None] = no_profile,
    offer_answer: Callable[[Answer | None], None] = lambda _: None,
) -> Iterator[tuple[Any, str]]:
    """Yield the value of the file input, empty at the end, and the HTML of the result.

    Args:
        uploads: reads the file.
        task: of the page.
        path: of the file; None for none.
        get_profile: returns the visitor's profile.
        offer_answer: called with the answer at the end.
    """
    if path is None:
        return
    file = Path(path)
    yield gr.skip(), markup.render_notice(f"Reading {file.name} …")
    try:
        for result in uploads.read(file, get_profile()):
            if result.done:
                offer_answer(result.answer)
            yield None if result.done else gr.skip(), render_result(task, file.name, result)
    except ValueError as error:
        yield None, markup.render_alert(str(error))
    except Exception:
        LOGGER.exception("%s could not be read", escape_controls(file.name))
        yield (
            None,
            markup.render_alert(f"{file.name}: an error in the program; its terminal shows it."),
        )
    finally:
        file.unlink(missing_ok=True)  # earlier than Gradio would do it
        with suppress(OSError):
            file.parent.rmdir()


def render_result(task: str, name: str, result: UploadResult) -> str:
    """Return the HTML of an upload's image or signal, predictions and text."""
    caption = ", ".join(filter(None, [name, result.note]))
    if result.done and not result.text and not result.top:
        return markup.render_alert(f"{caption}: {get_task(task).not_found}")
    image = signal = ""
    if result.samples is not None:
        signal = render_signal(result.samples, result.seconds)
    elif result.seen is not None:
        image = markup.render_image(result.seen, f"What the model saw in {name}")
    has_no_words = result.top and not result.top[0][0]
    empty = "no words were read in it" if has_no_words else markup.NOT_SURE
    busy = "" if result.done else ' aria-busy="true"'
    return (
        f'<div class="uv"{busy}><p class="uv-faint">{markup.escape_text(caption)}</p>{signal}'
        f'{markup.render_text(result.text, result.done, empty)}<div class="uv-images">{image}'
        f'<div class="uv-now">{markup.render_bars(result.top)}</div></div></div>'
    )


def render_signal(samples: np.ndarray, seconds: float) -> str:
    """Return a plot of a recording (T, C), each channel around its own median."""
    channels = samples.shape[1]
    alt = f"The recording as the model reads it: {channels} channels, {seconds:.1f} seconds"
    content = io.BytesIO()
    _plot_signal(samples, seconds).savefig(content, format="png", dpi=110, transparent=True)
    url = "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()
    return f'<img class="uv-signal" alt="{alt}" src="{url}">'


def _plot_signal(samples: np.ndarray, seconds: float) -> Any:
    from matplotlib.figure import Figure

    traces = (samples - np.median(samples, axis=0))[:: max(1, len(samples) // MAX_DRAWN_POINTS)]
    traces = traces / (np.percentile(np.abs(traces), 99, axis=0) + 1e-9)
    channels = range(samples.shape[1])
    figure = Figure(figsize=(10, 0.4 * len(channels) + 0.6), layout="constrained")
    axes = figure.subplots()
    x = np.linspace(0, seconds, len(traces), endpoint=False)
    for number in channels:
        y = -number + np.clip(traces[:, number], -1.2, 1.2) * 0.42
        axes.plot(x, y, lw=0.7, color=SIGNAL_COLOR)
    axes.set_yticks([-n for n in channels], [str(n + 1) for n in channels])
    axes.set_xlabel("seconds", color=AXIS_COLOR)
    axes.tick_params(colors=AXIS_COLOR, length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    return figure
