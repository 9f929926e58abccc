"""The page itself: Gradio's blocks, with a camera of our own beside its uploads."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from experiments.page import markup
from experiments.page.uploads import Finding, Uploads
from unvoiced.tasks import get_task
from unvoiced.text import escape_controls

DELETE_S = (30, 300)  # how often what was uploaded is looked for, and how old it becomes, seconds
MISTAKE = "the program made a mistake with this file; its terminal says which."
LOGGER = logging.getLogger(__name__)
DRAWN_POINTS = 2000  # of a channel


def theme() -> gr.themes.Base:
    """Calm colours, and the fonts that the machine has: none is asked for from elsewhere."""
    fonts = ["system-ui", "Segoe UI", "Roboto", "Helvetica", "Arial", "sans-serif"]
    return gr.themes.Base(primary_hue="teal", neutral_hue="slate", font=fonts, font_mono=MONO)


MONO = ["ui-monospace", "Menlo", "Consolas", "monospace"]


def blocks(
    recognizer: Any, uploads: Uploads, settings: dict[str, Any], note: str = ""
) -> gr.Blocks:
    """What the page offers for that recognizer's task."""
    task, spec = recognizer.task, get_task(recognizer.task)
    page = gr.Blocks(
        title=f"Unvoiced: {spec.title}", analytics_enabled=False, delete_cache=DELETE_S
    )
    with page:
        gr.HTML(markup.header(task, recognizer.classes, note, recognizer.told), **PLAIN)
        if spec.has_camera:
            with gr.Tabs():
                with gr.Tab("Camera"):
                    gr.HTML(markup.camera_panel(task), **PLAIN)
                with gr.Tab("Picture or clip" if spec.has_single_images else "Clip"):
                    _upload(task, uploads, settings)
        else:
            _upload(task, uploads, settings)
    page.queue(
        max_size=settings["queue"], default_concurrency_limit=settings["readers"], api_open=False
    )
    return page


PLAIN: dict[str, Any] = {"apply_default_css": False, "container": False, "padding": False}


def _upload(task: str, uploads: Uploads, settings: dict[str, Any]) -> None:
    """A place for a file, and below it what was found in it."""
    spec = get_task(task)
    words = spec.upload_description or spec.input_description
    limits = f"at most {settings['max_upload_mb']:g} MB, {settings['max_upload_s']:g} s"
    sentence = f"Choose {words}: {limits}. It is deleted once it is read."
    gr.HTML(f'<p class="uv uv-faint">{markup.escape(sentence)}</p>', **PLAIN)
    place = gr.File(label="File", file_types=list(spec.files), height=170, elem_id="uv-upload")
    found = gr.HTML("", elem_id="uv-found", **PLAIN)

    def read(path: str | None) -> Iterator[tuple[Any, str]]:
        yield from _findings(uploads, task, path)

    place.upload(read, place, [place, found], show_progress="minimal", api_name="read")


def _findings(uploads: Uploads, task: str, path: str | None) -> Iterator[tuple[Any, str]]:
    """The place for a file, which is empty again at the end, and what is shown below it."""
    if path is None:
        return
    file = Path(path)
    yield gr.skip(), markup.notice(f"Reading {file.name} …")
    try:
        for finding in uploads.read(file):
            yield None if finding.done else gr.skip(), finding_html(task, file.name, finding)
    except ValueError as error:
        yield None, markup.alert(str(error))
    except Exception:  # a mistake of ours: the page goes on, and the terminal tells all of it
        LOGGER.exception("%s could not be read", escape_controls(file.name))
        yield None, markup.alert(f"{file.name}: {MISTAKE}")
    finally:
        file.unlink(missing_ok=True)  # Gradio itself would do so after a while
        with suppress(OSError):
            file.parent.rmdir()


def finding_html(task: str, name: str, finding: Finding) -> str:
    """What was found in an upload: the picture, the likeliest three, the text."""
    about = ", ".join(filter(None, [name, finding.note]))
    if finding.done and not finding.text and not finding.top:
        return markup.alert(f"{about}: {get_task(task).not_found}")
    drawn = signal = ""
    if finding.samples is not None:
        signal = signal_html(finding.samples, finding.seconds)
    elif finding.seen is not None:
        drawn = markup.picture(finding.seen, f"What the model saw in {name}")
    read_nothing = finding.top and not finding.top[0][0]
    empty = "no words were read in it" if read_nothing else markup.UNSURE
    busy = "" if finding.done else ' aria-busy="true"'
    return (
        f'<div class="uv"{busy}><p class="uv-faint">{markup.escape(about)}</p>{signal}'
        f'{markup.text_panel(finding.text, finding.done, empty)}<div class="uv-pictures">{drawn}'
        f'<div class="uv-now">{markup.bars(finding.top or [])}</div></div></div>'
    )


def signal_html(samples: np.ndarray, seconds: float) -> str:
    """The channels of a recording (T, C) of so many seconds, each about its own median."""
    from matplotlib.figure import Figure

    step = max(1, len(samples) // DRAWN_POINTS)
    traces = (samples - np.median(samples, axis=0))[::step]
    spread = np.percentile(np.abs(traces), 99, axis=0) + 1e-9
    figure = Figure(figsize=(10, 0.4 * samples.shape[1] + 0.6), layout="constrained")
    axes = figure.subplots()
    grey = "#7c8aa0"  # readable on white and on black
    for number, trace in enumerate((traces / spread).T):
        x = np.linspace(0, seconds, len(trace), endpoint=False)
        axes.plot(x, -number + np.clip(trace, -1.2, 1.2) * 0.42, lw=0.7, color="#0d9488")
    channels = range(samples.shape[1])
    axes.set_yticks([-n for n in channels], [str(n + 1) for n in channels])
    axes.set_xlabel("seconds", color=grey)
    axes.tick_params(colors=grey, length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110, transparent=True)
    url = "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()
    alt = (
        f"The recording as the model sees it, filtered: {samples.shape[1]} channels, "
        f"{seconds:.1f} seconds"
    )
    return f'<img class="uv-signal" alt="{alt}" src="{url}">'
