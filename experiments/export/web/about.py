"""model/about.json: what the web app must know about its model, in one place for both languages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from unvoiced.metadata import FACT_CHECKS
from unvoiced.networks import FORMAT_KEY
from unvoiced.streams.decisions import HoldDetector
from unvoiced.streams.fingerspelling import FingerspellingStream
from unvoiced.streams.trackers import MAX_TRACKED_SIDE
from unvoiced.tasks import TaskSpec, get_task
from unvoiced.vision.hands import (
    MAX_SEARCHED_SIDE,
    MIN_CROP_SIDE,
    SEARCH_ATTEMPTS,
    VIDEO_BORDERS,
)
from unvoiced.vision.models import HAND_MODEL, locate_hand_model
from unvoiced.vision.skeleton import count_hands

APP_FORMAT = 1  # of the facts under "app"; the app refuses another one
VIDEO_STEP_MS = 33  # of a tracker of 30 frames a second


@dataclass(frozen=True)
class WebStream:
    """A stream that the app has in JavaScript.

    Attributes:
        model_name: of the detector's file.
        locate_model: returns that file, for ``input_reader.model``.
        describe_detector: returns the detector's settings, of a model's metadata and the
            confidence from which a detection counts.
        describe_settings: returns the settings of a stream of Python, to decide alike.
    """

    model_name: str
    locate_model: Callable[[str | None], Path]
    describe_detector: Callable[[dict[str, Any], float], dict[str, Any]]
    describe_settings: Callable[[Any], dict[str, Any]]


def describe_hand_detector(metadata: dict[str, Any], min_confidence: float) -> dict[str, Any]:
    """Return the settings of hands.js: the constants of ``unvoiced.vision.hands``."""
    return {
        "min_confidence": min_confidence,
        "num_hands": count_hands(metadata["frame"]["shape"]),
        "search_attempts": [list(attempt) for attempt in SEARCH_ATTEMPTS],
        "video_borders": list(VIDEO_BORDERS),
        "video_step_ms": VIDEO_STEP_MS,
        "max_searched_side": MAX_SEARCHED_SIDE,
        "max_tracked_side": MAX_TRACKED_SIDE,
        "min_crop_side": MIN_CROP_SIDE,
    }


def describe_holds(stream: FingerspellingStream) -> dict[str, Any]:
    """Return the settings of decisions.js: those of the stream's ``HoldDetector``."""
    names = (field.name for field in fields(HoldDetector) if not field.name.startswith("_"))
    return {name: getattr(stream.detector, name) for name in names}


WEB_STREAMS = {  # by ``TaskSpec.web_stream``
    "fingerspelling": WebStream(
        HAND_MODEL, locate_hand_model, describe_hand_detector, describe_holds
    ),
}


def get_web_stream(task: str) -> WebStream:
    """Return the stream of a task that has a web app."""
    return WEB_STREAMS[get_task(task).web_stream]


def require_web_stream(task: str, setting: str) -> None:
    """Refuse a task that has no web app.

    Args:
        task: its name.
        setting: that asks for the app, such as ``export.format=web``.

    Raises:
        ValueError: with the reason.
    """
    spec = get_task(task)
    if spec.web_stream in WEB_STREAMS:
        return
    reason = "is not ported to the browser yet"
    if not spec.has_camera:
        reason = "reads a signal of electrodes, which a browser cannot record"
    raise ValueError(
        f"{setting} makes an app that reads a camera, and task={task} {reason}. "
        "Use export.format=onnx with the library unvoiced, or stage=serve"
    )


def describe_app(
    metadata: dict[str, Any], settings: dict[str, Any], min_confidence: float
) -> dict[str, Any]:
    """Return the content of about.json: the facts of the model, and the app's settings.

    Args:
        metadata: of the exported network.
        settings: of the task's stream, ``live`` of the configuration.
        min_confidence: from which a detection of a hand or face counts, 0 to 1.
    """
    spec: TaskSpec = get_task(metadata["task"])
    detector = get_web_stream(spec.name).describe_detector(metadata, min_confidence)
    app = {"format": APP_FORMAT, "stream": spec.web_stream, "is_joined": spec.has_joined_labels}
    facts = {key: value for key, value in metadata.items() if key in {*FACT_CHECKS, FORMAT_KEY}}
    return facts | {"app": app | {"settings": settings, "detector": detector}}
